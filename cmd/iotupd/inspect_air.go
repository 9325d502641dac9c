// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"bytes"
	"slices"
	"time"

	"iotupd/internal/seqno"
	"iotupd/proto"
	"iotupd/proto/seal"
	"iotupd/receiver"
)

// Limits of what is noted: anybody may send anything.
const (
	maxHeardObjects = 64
	maxHeardStreams = 64 // of an object
	maxSignedChecks = 64 // of manifests of an object
)

// An air notes what is on the air, and takes part in nothing. It is not safe
// for concurrent use.
type air struct {
	trusted []proto.PublicKey
	group   *seal.GroupKey // nil: no key

	objects   []*heardObject // in the order in which they were heard
	byID      map[heardID]*heardObject
	layers    int // most that a packet announces
	datagrams uint64
	beyond    uint64 // datagrams of more objects than are noted
	ignored   map[proto.Reason]uint64
}

// A heardID is what tells objects apart: the id in the header, which in a sealed
// packet is another one than in a plain one.
type heardID struct {
	id     proto.ObjectID
	sealed bool
}

// A heardObject is what was heard of one object. The parameters are hearsay
// until there is a manifest.
type heardObject struct {
	heardID
	params   proto.Params
	first    time.Time
	counts   [proto.TypeOutline + 1]traffic // by type
	streams  []*heardStream
	moreFrom uint64 // packets of more streams than are noted

	cipher   *seal.Cipher // nil: plain, or no key for it
	otherKey bool         // sealed, not by the key that is here
	payload  []byte       // of the last manifest
	manifest *proto.Manifest
	signer   string // trusted key of manifest; empty: none
	checks   int    // manifests looked at
}

// traffic counts packets, and their bytes with IP headers.
type traffic struct{ packets, bytes uint64 }

// A heardStream is what one sender sends of an object on one layer, as it
// arrives on one interface.
type heardStream struct {
	receiver.Origin
	path     proto.Path // of the last packet
	first    time.Time
	received traffic
	numbers  seqno.Tracker
	loss     receiver.Loss // since the stream began
}

func newAir() *air {
	return &air{layers: 1, byID: make(map[heardID]*heardObject), ignored: make(map[proto.Reason]uint64)}
}

// hear notes one datagram.
func (a *air) hear(now time.Time, from receiver.Origin, datagram []byte) {
	a.datagrams++
	h, payload, err := proto.Parse(datagram)
	switch {
	case err != nil:
		a.ignored[err.(proto.Reason)]++
		return
	case !proto.ChecksumOK(datagram):
		a.ignored[proto.ReasonChecksum]++
		return
	}
	o := a.object(now, &h)
	if o == nil {
		return
	}
	// Where the packets differ, the manifest says which of them were forged.
	if h.Params != o.params && (o.manifest != nil || h.Type != proto.TypeManifest) {
		a.ignored[proto.ReasonGeometry]++
		return
	}
	if h.Type == proto.TypeManifest && !a.hearManifest(o, &h, datagram, payload) {
		a.ignored[receiver.ReasonManifest]++
		return
	}
	size := uint64(len(datagram) + proto.Overhead(from.From.Addr()))
	a.layers = max(a.layers, h.Path.Layers)
	o.counts[h.Type].add(size)
	o.stream(now, from, h.Path).hear(h.Path, size)
}

func (t *traffic) add(size uint64) {
	t.packets++
	t.bytes += size
}

// object returns what was heard of the object of a packet; nil if that is not
// noted.
func (a *air) object(now time.Time, h *proto.Header) *heardObject {
	id := heardID{h.Object, h.Sealed}
	if o := a.byID[id]; o != nil {
		return o
	}
	if err := h.Params.Validate(); err != nil {
		a.ignored[proto.ReasonGeometry]++
		return nil
	}
	if len(a.objects) >= maxHeardObjects {
		a.beyond++
		return nil
	}
	o := &heardObject{heardID: id, params: h.Params, first: now}
	if h.Sealed && a.group != nil {
		if o.otherKey = h.KeyHint != a.group.Hint(); !o.otherKey {
			o.cipher = a.group.Cipher(h.Object)
		}
	}
	a.byID[id] = o
	a.objects = append(a.objects, o)
	return o
}

// hearManifest notes a manifest, and reports whether it is one of the object. Of
// different ones it keeps the first, unless another one is signed by a trusted
// key. One that is sealed by a key that is not here may be any.
func (a *air) hearManifest(o *heardObject, h *proto.Header, datagram, payload []byte) bool {
	if o.sealed {
		if o.cipher == nil {
			return true
		}
		var err error
		if payload, err = o.cipher.Open(nil, h, datagram, payload); err != nil {
			return false
		}
	}
	if bytes.Equal(payload, o.payload) {
		return true
	}
	m, err := proto.ParseManifestPayload(payload)
	if err != nil {
		return false
	}
	id := m.Descriptor.Object()
	if o.sealed {
		id = a.group.Object(id)
	}
	if id != o.id {
		return false
	}
	if o.signer != "" || o.checks >= maxSignedChecks {
		return true
	}
	o.checks++
	by := proto.PayloadSigners(payload, a.trusted)
	if o.manifest != nil && by == nil {
		return true
	}
	o.payload = bytes.Clone(payload)
	o.manifest, _ = proto.ParseManifestPayload(o.payload) // which it aliases
	o.params = m.Descriptor.Params
	if by != nil {
		o.signer = by[0].ID.String()
	}
	return true
}

// stream returns the stream that a packet belongs to. What is beyond the limit
// shares one that is not kept.
func (o *heardObject) stream(now time.Time, from receiver.Origin, p proto.Path) *heardStream {
	i := slices.IndexFunc(o.streams, func(s *heardStream) bool { return s.Origin == from && s.path.Layer == p.Layer })
	if i >= 0 {
		return o.streams[i]
	}
	s := &heardStream{Origin: from, first: now, path: p, numbers: seqno.Start(p.Seq), loss: receiver.Loss{Spanned: 1}}
	if len(o.streams) >= maxHeardStreams {
		o.moreFrom++
		return s
	}
	o.streams = append(o.streams, s)
	return s
}

// hear notes a packet of the stream.
func (s *heardStream) hear(p proto.Path, size uint64) {
	s.received.add(size)
	s.path = p
	sent, lost, jump := s.numbers.Add(p.Seq)
	if jump {
		s.loss = receiver.Loss{}
	}
	s.loss.Spanned += uint64(sent)
	s.loss.Lost += uint64(lost)
}
