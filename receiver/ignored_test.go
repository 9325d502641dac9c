// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"bytes"
	"testing"

	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/sender"
)

// raw returns a datagram with changed bytes and a checksum that is right for
// them.
func raw(datagram []byte, change func(b []byte)) []byte {
	b := bytes.Clone(datagram)
	change(b)
	if 8*int(b[7]) <= len(b) {
		proto.PutChecksum(b)
	}
	return b
}

// An intruder is a datagram that has no place in a transfer.
type intruder struct {
	name     string
	datagram []byte
	want     proto.Reason
}

// intruders makes datagrams that differ from those of src in one thing.
func intruders(t *testing.T, src, other *source) []intruder {
	data, parity, manifest := src.shard(1, 2), src.shard(1, src.geo.K), src.manifest()
	field := func(change func(h *proto.Header)) []byte {
		return forge(t, data, func(h *proto.Header, _ []byte) { change(h) })
	}
	set := func(b []byte, at int, v byte) []byte { return raw(b, func(b []byte) { b[at] = v }) }
	sealed := raw(append(bytes.Clone(data), make([]byte, proto.SealLen)...), func(b []byte) { b[4] = 1 })

	return []intruder{
		{"empty", nil, proto.ReasonLength},
		{"half a header", data[:32], proto.ReasonLength},
		{"a byte too few", data[:len(data)-1], proto.ReasonLength},
		{"a byte too many", append(bytes.Clone(data), 0), proto.ReasonLength},
		{"header too short", set(data, 7, 7), proto.ReasonLength},
		{"header longer than the datagram", set(data, 7, 255), proto.ReasonLength},
		{"another protocol", set(data, 0, 0x10), proto.ReasonMagic},
		{"a later version", set(data, 2, 2), proto.ReasonVersion},
		{"type 0", set(data, 3, 0), proto.ReasonType},
		{"type 6", set(data, 3, 6), proto.ReasonType},
		{"an unknown flag", set(data, 4, 2), proto.ReasonFlags},
		{"a key hint in the clear", set(data, 5, 1), proto.ReasonFlags},
		{"sealed", sealed, receiver.ReasonSealed},
		{"damaged", func() []byte { b := bytes.Clone(data); b[100] ^= 4; return b }(), proto.ReasonChecksum},
		{"a digest", raw(parity, func(b []byte) { b[3] = byte(proto.TypeDigest) }), proto.ReasonDigest},
		{"an outline", raw(manifest, func(b []byte) { b[3] = byte(proto.TypeOutline) }), proto.ReasonDigest},
		{"an outline of no range", forge(t, manifest, func(h *proto.Header, _ []byte) { h.Type, h.Group = proto.TypeOutline, 1<<31 }), proto.ReasonGeometry},

		{"shard of another object", other.shard(0, 0), receiver.ReasonOtherObject},
		{"manifest of another object", other.manifest(), receiver.ReasonOtherObject},
		{"another object's manifest under this id", forge(t, other.manifest(), func(h *proto.Header, _ []byte) { h.Object = src.id }), proto.ReasonGeometry},

		{"another size", field(func(h *proto.Header) { h.Size++ }), proto.ReasonGeometry},
		{"another K", field(func(h *proto.Header) { h.K++ }), proto.ReasonGeometry},
		{"another M", field(func(h *proto.Header) { h.M-- }), proto.ReasonGeometry},
		{"another code", field(func(h *proto.Header) { h.Code = proto.CodeLeopard16 }), proto.ReasonGeometry},
		{"another offset", field(func(h *proto.Header) { h.Offset += uint64(h.ShardSize) }), proto.ReasonGeometry},
		{"another group at the old offset", field(func(h *proto.Header) { h.Group++ }), proto.ReasonGeometry},
		{"another index at the old offset", field(func(h *proto.Header) { h.Index++ }), proto.ReasonGeometry},
		{"group out of range", field(func(h *proto.Header) { h.Group = uint32(src.geo.Groups) }), proto.ReasonGeometry},
		{"data index out of range", field(func(h *proto.Header) { h.Index = src.geo.K }), proto.ReasonGeometry},
		{"a virtual shard", field(func(h *proto.Header) {
			h.Group, h.Index = uint32(src.geo.Groups-1), src.geo.K-1
			h.Offset = src.geo.Offset(h.Group, h.Index)
		}), proto.ReasonGeometry},
		{"parity index out of range", forge(t, parity, func(h *proto.Header, _ []byte) { h.Index = h.K + h.M }), proto.ReasonGeometry},
		{"parity index of data", forge(t, parity, func(h *proto.Header, _ []byte) { h.Index = 0 }), proto.ReasonGeometry},
		{"parity with an offset", forge(t, parity, func(h *proto.Header, _ []byte) { h.Offset = 256 }), proto.ReasonGeometry},
		{"manifest with a group", forge(t, manifest, func(h *proto.Header, _ []byte) { h.Group = 1 }), proto.ReasonGeometry},
	}
}

func TestWhatDoesNotBelongIsCountedAndChangesNothing(t *testing.T) {
	// "A datagram that fails MUST NOT change any state but a count." spec.md 7.1
	p := smallest(proto.CodeLeopard8, 8, 8)
	src := newSource(t, "a", 5*8*256-700, p)
	other := newSource(t, "b", 5*8*256-300, p)
	for _, bad := range intruders(t, src, other) {
		t.Run(bad.name, func(t *testing.T) {
			tr := src.receive(receiver.Config{})
			tr.hearAll(src.manifest()) // packets before it wait
			s := src.sender(sender.Config{})
			lost := percent(20, 1)
			for !tr.r.Done() {
				if b := tr.next(s); !lost() {
					tr.hear(b, 0)
				}
				if tr.r.Done() {
					break
				}
				before, stored, seen := tr.r.Progress(), tr.store().Bytes(), tr.ignored[bad.want]
				if err := tr.hear(bad.datagram, 0); err != bad.want {
					t.Fatalf("got %v, want %v", err, bad.want)
				}
				after := tr.r.Progress()
				// Of digests and outlines the sequence counts, and they do.
				after.Loss, after.Digests, after.Outlines = before.Loss, before.Digests, before.Outlines
				if after != before || !bytes.Equal(tr.store().Bytes(), stored) {
					t.Fatalf("it changed %+v to %+v, or the file", before, after)
				}
				if got := tr.ignored[bad.want]; got != seen+1 {
					t.Fatalf("counted %d times as %v, want %d", got, bad.want, seen+1)
				}
			}
			tr.wantFile()
		})
	}
}

func TestNoFlippedBitGetsThrough(t *testing.T) {
	// "A receiver MUST check [the checksum] before it uses anything of the
	// datagram to change its state." spec.md 2.4. It covers all but the path
	// word, of which "every value is valid" spec.md 2.5
	src := newSource(t, "", 3000, smallest(proto.CodeLeopard8, 12, 4))
	tr := src.receive(receiver.Config{})
	tr.hearAll(src.manifest())
	for _, whole := range [][]byte{src.shard(0, 5), src.shard(0, 12), src.manifest()} {
		for bit := range 8 * len(whole) {
			b := bytes.Clone(whole)
			b[bit/8] ^= 1 << (bit % 8)
			inPath := bit/8 >= 56 && bit/8 < 64
			if err := tr.hear(b, 0); err == nil && !inPath {
				t.Fatalf("accepted with bit %d of byte %d flipped", bit%8, bit/8)
			}
		}
	}
	if p := tr.r.Progress(); p.Held != 2 {
		t.Errorf("%d shards are held, want the 2 whose path word alone was damaged", p.Held)
	}
	tr.run(nothing, src.sender(sender.Config{}))
	tr.wantFile()
}

func TestALongerHeaderOfALaterSenderIsAccepted(t *testing.T) {
	// "It MUST skip the bytes between the path word and the payload, whatever
	// they are." spec.md 2.2
	src := newSource(t, "", 3000, smallest(proto.CodeLeopard8, 12, 4))
	tr := src.receive(receiver.Config{})
	for s := src.sender(sender.Config{Start: 3000}); !tr.r.Done(); {
		tr.hearAll(forge(t, tr.next(s), func(h *proto.Header, _ []byte) { h.Extension = make([]byte, 192) }))
	}
	tr.wantFile()
}

func TestUselessShardsAreCounted(t *testing.T) {
	// "A group is full when K distinct shards of it are held, virtual ones
	// counted, and takes no more." spec.md 7.3
	src := newSource(t, "", 2*4*256, smallest(proto.CodeLeopard8, 4, 4))
	tr := src.receive(receiver.Config{})
	tr.hearAll(src.manifest())
	tr.idle = true
	hear := func(want error, g uint32, shards ...int) {
		t.Helper()
		for _, i := range shards {
			if err := tr.hear(src.shard(g, i), 0); err != want {
				t.Errorf("shard %d of group %d: %v, want %v", i, g, err, want)
			}
		}
	}
	hear(nil, 0, 0, 4, 2)
	hear(receiver.ReasonDuplicate, 0, 0, 2, 4)
	hear(nil, 0, 7)
	hear(receiver.ReasonDuplicate, 0, 0, 2, 4, 7)
	hear(receiver.ReasonNotNeeded, 0, 1, 3, 5, 6)
	hear(nil, 1, 0, 1, 2, 3)
	hear(receiver.ReasonDuplicate, 1, 0, 3)
	hear(receiver.ReasonNotNeeded, 1, 4)
	j := tr.job()
	j.Run()
	tr.r.Finish(tr.now, j)
	hear(receiver.ReasonDuplicate, 0, 1) // it was rebuilt
	hear(receiver.ReasonNotNeeded, 0, 5)
	tr.idle = false
	tr.work()
	hear(receiver.ReasonNotNeeded, 0, 0)
	tr.wantFile()
	if p := tr.r.Progress(); p.Data+p.Parity != 24 || p.Rebuilt != 2 {
		t.Errorf("progress %+v, want 24 shards heard before the end and 2 rebuilt", p)
	}
}
