// SPDX-License-Identifier: GPL-2.0-or-later

package monitor

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"iotupd/proto"
	"iotupd/proto/keys"
	"iotupd/proto/seal"
	"iotupd/receiver"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// hear gives m a packet of a small object.
func hear(m *Monitor, from receiver.Origin, h proto.Header, payload []byte) {
	b := append(h.AppendTo(nil), payload...)
	proto.PutChecksum(b)
	m.Handle(epoch, from, b)
}

var (
	here     = receiver.Origin{From: netip.MustParseAddrPort("10.0.0.1:4711"), Interface: 1}
	manifest = proto.Manifest{Descriptor: proto.Descriptor{Params: proto.Params{K: 1, ShardSize: proto.DefaultShardSize, Size: 7}}}
)

// header returns the header of a packet of the object of manifest.
func header(t proto.Type) proto.Header {
	return proto.Header{
		Type: t, Object: manifest.Descriptor.Object(), Params: manifest.Descriptor.Params,
		Path: proto.Path{Layers: 1, Sender: 1, Senders: 1},
	}
}

func TestLossIsMeasuredByTheSequenceNumbers(t *testing.T) {
	tests := map[string]struct {
		seq  []uint32
		lost float64
	}{
		"all":                 {[]uint32{7, 8, 9, 10}, 0},
		"one of four":         {[]uint32{7, 8, 10}, 0.25},
		"half":                {[]uint32{7, 10}, 0.5},
		"out of order":        {[]uint32{7, 9, 8, 10}, 0},
		"sent before":         {[]uint32{7, 6, 8, 9}, 0},
		"duplicates":          {[]uint32{7, 7, 7, 8}, 0},
		"duplicates and loss": {[]uint32{7, 7, 7, 10}, 0.5},
		"around zero":         {[]uint32{1<<32 - 2, 1<<32 - 1, 1}, 0.25},
		"a sender that began": {[]uint32{7, 9, 1 << 30, 1<<30 + 1}, 0},
	}
	for name, test := range tests {
		var o Object
		for _, seq := range test.seq {
			p := proto.Path{Seq: seq}
			o.stream(time.Time{}, receiver.Origin{}, p).count(p, 1)
		}
		if got := o.Streams[0].Loss.Ratio(); got != test.lost {
			t.Errorf("%s: got %v, want %v", name, got, test.lost)
		}
	}
}

// "seq counts all of them": spec.md 6.5.
func TestLossOfASetIsMeasuredByAllItsPackets(t *testing.T) {
	m := New(nil, nil)
	for seq := range uint32(100) {
		if seq%10 == 5 {
			continue // lost
		}
		h := header(proto.TypeData)
		h.Object[0] ^= byte(seq % 2)
		h.Path.Flags, h.Path.Seq = proto.PathSet, seq
		hear(m, here, h, make([]byte, h.ShardSize))
	}
	if len(m.Objects) != 2 {
		t.Fatalf("%d objects", len(m.Objects))
	}
	for _, o := range m.Objects {
		if got := o.Streams[0].Loss.Ratio(); got < 0.08 || got > 0.11 {
			t.Errorf("a loss of %.2f, want 0.1", got)
		}
	}
	for i := range 2 * maxNumberings {
		h := header(proto.TypeData)
		h.Path.Flags = proto.PathSet
		hear(m, receiver.Origin{From: here.From, Interface: 2 + i}, h, make([]byte, h.ShardSize))
	}
	if len(m.numbered) != maxNumberings {
		t.Errorf("the numbers of %d senders are followed, want %d", len(m.numbered), maxNumberings)
	}
}

// "Headers can be forged, so every number in them is checked against a limit
// before memory or disk is used." spec.md 7.5
func TestMemoryIsBounded(t *testing.T) {
	groupKey := seal.NewGroupKey(seal.Key{1})
	m := New(nil, groupKey)
	for i := range uint32(1000) {
		h := header(proto.TypeData)
		h.Sealed, h.KeyHint = true, groupKey.Hint()
		binary.BigEndian.PutUint32(h.Object[:], i)
		hear(m, here, h, make([]byte, h.ShardSize+proto.SealLen))
	}
	if len(m.Objects) != maxObjects || len(m.byID) != maxObjects || m.Beyond != 1000-maxObjects {
		t.Errorf("got %d objects, %d ids, %d more, want %d", len(m.Objects), len(m.byID), m.Beyond, maxObjects)
	}

	m = New(nil, nil)
	for i := range 1000 {
		from, h := here, header(proto.TypeData)
		from.From = netip.AddrPortFrom(from.From.Addr(), uint16(1+i))
		h.Path.Layer, h.Path.Layers = i%16, 16
		hear(m, from, h, make([]byte, h.ShardSize))
	}
	if got := len(m.Objects[0].Streams); got != maxStreams || m.Objects[0].MoreFrom != 1000-maxStreams {
		t.Errorf("got %d streams and %d packets of others, want %d", got, m.Objects[0].MoreFrom, maxStreams)
	}

	m = New([]proto.PublicKey{keys.Generate().Public()}, nil)
	for i := range 1000 {
		other := manifest
		other.Sequence = uint64(i)
		payload, err := other.AppendPayload(nil)
		if err != nil {
			t.Fatal(err)
		}
		hear(m, here, header(proto.TypeManifest), payload)
	}
	if got := m.Objects[0].checks; got != maxSignedChecks {
		t.Errorf("got %d manifests looked at, want %d", got, maxSignedChecks)
	}
}
