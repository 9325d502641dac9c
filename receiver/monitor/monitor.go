// SPDX-License-Identifier: GPL-2.0-or-later

// Package monitor observes the traffic on a channel: every object, its manifest,
// its senders, their rates, and the loss. It is passive, and trusts nothing.
package monitor

import (
	"bytes"
	"slices"
	"time"

	"iotupd/internal/seqno"
	"iotupd/proto"
	"iotupd/proto/seal"
	"iotupd/receiver"
)

// Limits of memory: anybody may send anything.
const (
	maxObjects      = 64
	maxStreams      = 64 // of an object
	maxSignedChecks = 64 // of manifests of an object
	maxNumberings   = 256
)

// A Monitor observes the traffic on a channel. Make one by [New]. It is not safe
// for concurrent use. Its memory is bounded, whatever arrives.
type Monitor struct {
	trusted  []proto.PublicKey
	groupKey *seal.GroupKey // nil: no key

	// Inventories, which may be set before the first packet, has the inventories of
	// directories received.
	Inventories    bool
	inventoryBytes uint64 // of all that were begun

	// The results. They must not be changed.
	Objects   []*Object               // in the order in which they were heard
	Layers    int                     // most that a packet announces; at least 1
	Datagrams uint64                  // of every kind
	Beyond    uint64                  // datagrams of objects beyond the limit
	Ignored   map[proto.Reason]uint64 // datagrams

	byID map[objectID]*Object

	catalogue *catalogue
	numbered  map[numbering]*counted // senders, by layer
}

// A numbering names a layer of a sender, whose packets are numbered together, whatever
// object they are of (spec.md 6.4).
type numbering struct {
	receiver.Origin
	layer int
}

// A counted is the loss of a numbering.
type counted struct {
	numbers seqno.Tracker
	loss    receiver.Loss
}

// add counts a packet.
func (c *counted) add(seq uint32) {
	sent, lost, jump := c.numbers.Add(seq)
	if jump {
		c.loss = receiver.Loss{}
	}
	c.loss.Spanned += uint64(sent)
	c.loss.Lost += uint64(lost)
}

// An objectID distinguishes objects: the id in the header, which differs between
// sealed and plain packets of the same object.
type objectID struct {
	id     proto.ObjectID
	sealed bool
}

// An Object is what is known of one object.
type Object struct {
	ID       proto.ObjectID // as on the wire: of a sealed object, the keyed id
	Sealed   bool
	OtherKey bool         // sealed, and not opened by the key that the monitor has
	Params   proto.Params // until there is a manifest, anybody may have invented them
	First    time.Time    // packet

	Counts   [proto.TypeOutline + 1]Traffic // by type
	Streams  []*Stream
	MoreFrom uint64 // packets of streams beyond the limit

	Manifest *proto.Manifest // nil: not heard, or sealed with a key that the monitor does not have
	Signed   bool            // a trusted key has signed Manifest

	cipher  *seal.Cipher // nil: plain, or no key for it
	payload []byte       // of Manifest
	checks  int          // manifests looked at

	inventory *inventory // nil: not begun
}

// Traffic counts packets, and their bytes with IP headers.
type Traffic struct{ Packets, Bytes uint64 }

// A Stream is what one sender sends of an object on one layer, as it arrives on
// one interface.
type Stream struct {
	receiver.Origin
	Path     proto.Path // of the last packet
	First    time.Time  // packet
	Received Traffic
	Loss     receiver.Loss // since the stream began; of a set, of all its packets

	counted
}

// New returns a monitor. It looks for signatures of trusted keys, and opens
// packets that are sealed with groupKey; both may be nil.
func New(trusted []proto.PublicKey, groupKey *seal.GroupKey) *Monitor {
	return &Monitor{
		trusted: trusted, groupKey: groupKey,
		Layers: 1, Ignored: make(map[proto.Reason]uint64), byID: make(map[objectID]*Object),
		catalogue: newCatalogue(groupKey), numbered: make(map[numbering]*counted),
	}
}

// Listed returns the objects of a catalogue, in the order of their names; nil if none was
// received. Their signatures are not verified.
func (m *Monitor) Listed() []receiver.Listed { return m.catalogue.listed }

// Of returns the share of the packets of a stream's sender that are of an object, with its
// inventory if it has one, and how long it takes to receive as many packets as the object has
// data shards.
func (m *Monitor) Of(o *Object, now time.Time) (share float64, needs time.Duration) {
	seconds := now.Sub(o.First).Seconds()
	all, own := uint64(0), uint64(0)
	for _, t := range o.Counts {
		own += t.Packets
	}
	for _, other := range m.Objects {
		if len(o.Streams) > 0 && len(other.Streams) > 0 && other.Streams[0].Origin == o.Streams[0].Origin {
			for _, t := range other.Counts {
				all += t.Packets
			}
		}
	}
	if i := m.InventoryOf(o); i != nil {
		for _, t := range i.Counts {
			own += t.Packets
		}
	}
	shards := o.Counts[proto.TypeData].Packets + o.Counts[proto.TypeParity].Packets
	if geo, err := o.Params.Geometry(); err == nil && shards > 0 {
		needs = time.Duration(float64(geo.DataShards) / float64(shards) * seconds * float64(time.Second))
	}
	return float64(own) / float64(max(1, all)), needs
}

// Handle notes one datagram, which may be reused afterwards.
func (m *Monitor) Handle(now time.Time, from receiver.Origin, datagram []byte) {
	m.Datagrams++
	m.catalogue.hear(now, from, datagram)
	m.hearInventories(now, from, datagram)
	h, payload, err := proto.Parse(datagram)
	switch {
	case err != nil:
		m.Ignored[err.(proto.Reason)]++
		return
	case !proto.ChecksumOK(datagram):
		m.Ignored[proto.ReasonChecksum]++
		return
	}
	ofAll := m.count(from, &h.Path)
	o := m.object(now, &h)
	if o == nil {
		return
	}
	// Where the packets differ, the manifest says which of them were forged.
	if h.Params != o.Params && (o.Manifest != nil || h.Type != proto.TypeManifest) {
		m.Ignored[proto.ReasonGeometry]++
		return
	}
	if h.Type == proto.TypeManifest && !m.takeManifest(o, &h, datagram, payload) {
		m.Ignored[receiver.ReasonManifest]++
		return
	}
	size := uint64(len(datagram) + proto.Overhead(from.From.Addr()))
	m.Layers = max(m.Layers, h.Path.Layers)
	o.Counts[h.Type].add(size)
	s := o.stream(now, from, h.Path)
	s.count(h.Path, size)
	if ofAll != nil && (h.Path.Flags&proto.PathSet != 0 || o.ofDirectory()) {
		s.Loss = ofAll.loss
	}
}

// count counts a packet among all packets of its sender, whatever object they are of; nil if
// there are too many senders.
func (m *Monitor) count(from receiver.Origin, p *proto.Path) *counted {
	key := numbering{from, p.Layer}
	c := m.numbered[key]
	switch {
	case c != nil:
		c.add(p.Seq)
	case len(m.numbered) < maxNumberings:
		c = &counted{numbers: seqno.Start(p.Seq), loss: receiver.Loss{Spanned: 1}}
		m.numbered[key] = c
	}
	return c
}

func (t *Traffic) add(size uint64) {
	t.Packets++
	t.Bytes += size
}

// object returns the Object that a packet belongs to; nil if there are too many.
func (m *Monitor) object(now time.Time, h *proto.Header) *Object {
	id := objectID{h.Object, h.Sealed}
	if o := m.byID[id]; o != nil {
		return o
	}
	if err := h.Params.Validate(); err != nil {
		m.Ignored[proto.ReasonGeometry]++
		return nil
	}
	if len(m.Objects) >= maxObjects {
		m.Beyond++
		return nil
	}
	o := &Object{ID: h.Object, Sealed: h.Sealed, Params: h.Params, First: now}
	if h.Sealed && m.groupKey != nil {
		if o.OtherKey = h.KeyHint != m.groupKey.Hint(); !o.OtherKey {
			o.cipher = m.groupKey.Cipher(h.Object)
		}
	}
	m.byID[id] = o
	m.Objects = append(m.Objects, o)
	return o
}

// takeManifest keeps a manifest, and reports whether it belongs to the object. Of
// several manifests it keeps the first, unless a trusted key has signed another
// one. A manifest that is sealed by an unknown key counts as belonging to the
// object.
func (m *Monitor) takeManifest(o *Object, h *proto.Header, datagram, payload []byte) bool {
	if o.Sealed {
		if o.cipher == nil {
			return true
		}
		var err error
		if payload, err = o.cipher.Open(nil, h, datagram, payload); err != nil {
			o.OtherKey = true // a key with the same hint, as one in 256 has
			return false
		}
	}
	if bytes.Equal(payload, o.payload) {
		return true
	}
	parsed, err := proto.ParseManifestPayload(payload)
	if err != nil {
		return false
	}
	id := parsed.Descriptor.Object()
	if o.Sealed {
		id = m.groupKey.Object(id)
	}
	if id != o.ID {
		return false
	}
	if o.Signed || o.checks >= maxSignedChecks {
		return true
	}
	o.checks++
	by := proto.PayloadSigners(payload, m.trusted)
	if o.Manifest != nil && by == nil {
		return true
	}
	o.payload = bytes.Clone(payload)
	o.Manifest, _ = proto.ParseManifestPayload(o.payload) // which it aliases
	o.Params = parsed.Descriptor.Params
	o.Signed = by != nil
	return true
}

// stream returns the stream that a packet belongs to. Packets of streams beyond
// the limit get a stream that is not kept.
func (o *Object) stream(now time.Time, from receiver.Origin, p proto.Path) *Stream {
	i := slices.IndexFunc(o.Streams, func(s *Stream) bool { return s.Origin == from && s.Path.Layer == p.Layer })
	if i >= 0 {
		return o.Streams[i]
	}
	s := &Stream{Origin: from, First: now, Path: p, counted: counted{seqno.Start(p.Seq), receiver.Loss{Spanned: 1}}}
	if len(o.Streams) >= maxStreams {
		o.MoreFrom++
		return s
	}
	o.Streams = append(o.Streams, s)
	return s
}

// count counts a packet of the stream.
func (s *Stream) count(p proto.Path, size uint64) {
	s.Received.add(size)
	s.Path = p
	s.add(p.Seq)
	s.Loss = s.loss
}
