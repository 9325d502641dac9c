// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"testing"

	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/sender"
)

// heapGrowth returns by how many bytes the live heap grew while f ran.
func heapGrowth(f func()) int64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f()
	runtime.GC()
	runtime.ReadMemStats(&after)
	return int64(after.HeapAlloc) - int64(before.HeapAlloc)
}

func TestHeaderBombsTakeNoMemory(t *testing.T) {
	// "Headers can be forged, so every number in them is checked against a limit
	// before memory or disk is used." spec.md 7.5
	src := newTree(t, "", 3000, small(proto.CodeLeopard8, 6, 4))
	data, digest, manifest := src.shard(0, 0), src.digest(0, 0), src.manifest()
	field := func(change func(h *proto.Header)) []byte {
		return forge(t, data, func(h *proto.Header, _ []byte) { change(h) })
	}
	other := func(datagram []byte, change func(h *proto.Header)) []byte {
		return forge(t, datagram, func(h *proto.Header, _ []byte) { change(h) })
	}
	bombs := map[string][]byte{
		"size 2^63":      field(func(h *proto.Header) { h.Size = 1 << 63 }),
		"size 2^64-1":    field(func(h *proto.Header) { h.Size = 1<<64 - 1 }),
		"over max size":  field(func(h *proto.Header) { h.Size = receiver.DefaultMaxSize + 1 }),
		"largest index":  field(func(h *proto.Header) { h.Size, h.K, h.M = receiver.DefaultMaxSize, 1, 128 }),
		"K 65535":        field(func(h *proto.Header) { h.K = 65535 }),
		"K and M 65535":  field(func(h *proto.Header) { h.Code, h.K, h.M = proto.CodeLeopard16, 65535, 65535 }),
		"K 0":            raw(data, func(b []byte) { binary.BigEndian.PutUint16(b[46:], 0) }),
		"S 0":            raw(data, func(b []byte) { binary.BigEndian.PutUint16(b[50:], 0) }),
		"S 65535":        raw(data, func(b []byte) { binary.BigEndian.PutUint16(b[50:], 65535) }),
		"S 260":          raw(append(bytes.Clone(data), 0, 0, 0, 0), func(b []byte) { binary.BigEndian.PutUint16(b[50:], 260) }),
		"hwords 0":       raw(data, func(b []byte) { b[7] = 0 }),
		"hwords 255":     raw(data, func(b []byte) { b[7] = 255 }),
		"no such code":   field(func(h *proto.Header) { h.Code = 9 }),
		"group 2^32-1":   field(func(h *proto.Header) { h.Group = 1<<32 - 1 }),
		"offset 2^64-1":  field(func(h *proto.Header) { h.Offset = 1<<64 - 1 }),
		"2^32 and more":  field(func(h *proto.Header) { h.Size, h.Code, h.K, h.M = 1<<42, proto.CodeNone, 1, 0 }),
		"empty with K 2": field(func(h *proto.Header) { h.Size, h.K, h.M = 0, 2, 0 }),

		"digest of 2^63":          other(digest, func(h *proto.Header) { h.Size = 1 << 63 }),
		"digest of K 65535":       other(digest, func(h *proto.Header) { h.K = 65535 }),
		"digest of group 2^32-1":  other(digest, func(h *proto.Header) { h.Group = 1<<32 - 1 }),
		"digest of 2^32 groups":   other(digest, func(h *proto.Header) { h.Size, h.Code, h.K, h.M = 1<<41, proto.CodeNone, 1, 0 }),
		"digest with an offset":   other(digest, func(h *proto.Header) { h.Offset = 512 }),
		"manifest of 2^63":        other(manifest, func(h *proto.Header) { h.Size = 1 << 63 }),
		"manifest of K 65535":     other(manifest, func(h *proto.Header) { h.K = 65535 }),
		"manifest of S 256":       raw(manifest[:64+256], func(b []byte) { binary.BigEndian.PutUint16(b[50:], 256) }),
		"manifest of another one": other(manifest, func(h *proto.Header) { h.Object[0] ^= 1 }),
	}
	for name, bomb := range bombs {
		t.Run(name, func(t *testing.T) {
			opened := 0
			r, err := receiver.New(receiver.Config{
				MaxSize: 1 << 62,
				Open:    func(proto.ObjectID, proto.Params) (receiver.Store, error) { opened++; return nil, errors.New("opened") },
			})
			if name == "over max size" || name == "largest index" {
				r, err = receiver.New(receiver.Config{Open: func(proto.ObjectID, proto.Params) (receiver.Store, error) { opened++; return nil, nil }})
			}
			if err != nil {
				t.Fatal(err)
			}
			grown := heapGrowth(func() {
				for range 1000 {
					if err := r.Handle(epoch, receiver.Origin{}, bomb); err == nil {
						t.Fatal("accepted")
					}
				}
			})
			if opened > 0 || grown > 32<<10 {
				t.Errorf("%d stores opened, %d bytes of memory taken", opened, grown)
			}
		})
	}
}

func TestAnyNumberOfObjectsTakesNoMemory(t *testing.T) {
	// "objects received at a time: 1" spec.md 7.5
	src := newSource(t, "a", 3000, smallest(proto.CodeLeopard8, 12, 4))
	for _, cfg := range []receiver.Config{{}, {Object: src.id}, {Name: is("a")}} {
		tr := src.receive(cfg)
		tr.hearAll(src.manifest())
		bomb := src.shard(0, 1)
		n := uint64(0)
		next := func() {
			n++
			binary.BigEndian.PutUint64(bomb[8:], n)
			proto.PutChecksum(bomb)
			if err := tr.r.Handle(tr.now, receiver.Origin{}, bomb); err != receiver.ReasonOtherObject {
				t.Fatalf("object %d: %v", n, err)
			}
		}
		if got := heapGrowth(func() {
			for range 50_000 {
				next()
			}
		}); got > 32<<10 {
			t.Errorf("50000 other objects took %d bytes of memory", got)
		}
		if got := testing.AllocsPerRun(1000, next); got > 0 && !raceDetector {
			t.Errorf("%v allocations for a packet of another object", got)
		}
		if len(tr.stores) != 1 {
			t.Errorf("%d stores were opened", len(tr.stores))
		}
		tr.run(nothing, src.sender(sender.Config{}))
		tr.wantFile()
	}
}

func TestAFileOverTheLimitIsNotReceived(t *testing.T) {
	// "MaxSize is the largest file to receive, in bytes."
	src := newSource(t, "", 3000, smallest(proto.CodeLeopard8, 12, 4))
	tr := src.receive(receiver.Config{MaxSize: 2999})
	for _, b := range [][]byte{src.shard(0, 0), src.manifest(), src.shard(0, 12)} {
		if err := tr.hear(b, 0); err != receiver.ReasonTooLarge {
			t.Errorf("got %v, want %v", err, receiver.ReasonTooLarge)
		}
	}
	if len(tr.stores) > 0 {
		t.Error("a store was opened")
	}
	tr = src.receive(receiver.Config{MaxSize: 3000})
	tr.run(nothing, src.sender(sender.Config{}))
	tr.wantFile()
}

func TestAForgedFirstPacketIsFoundOutByTheManifest(t *testing.T) {
	// "Packets that have waited and do not have the parameters of the manifest
	// are ignored." spec.md 7.2: a forged one has no effect on the others.
	src := newSource(t, "", 6000, smallest(proto.CodeLeopard8, 12, 12))
	for name, change := range map[string]func(h *proto.Header){
		"size":  func(h *proto.Header) { h.Size += 100_000 },
		"K":     func(h *proto.Header) { h.K, h.Offset = 3, 0 },
		"M":     func(h *proto.Header) { h.M = 1 },
		"code":  func(h *proto.Header) { h.Code = proto.CodeLeopard16 },
		"whole": func(h *proto.Header) { h.Size, h.Code, h.K, h.M = 256, proto.CodeNone, 1, 0 },
	} {
		t.Run(name, func(t *testing.T) {
			tr := src.receive(receiver.Config{})
			tr.hearAll(forge(t, src.shard(0, 0), func(h *proto.Header, _ []byte) { change(h) }))
			for i := range 5 {
				tr.hearAll(src.shard(0, i))
			}
			tr.hearAll(src.manifest())
			tr.wantEvents(receiver.ObjectFound{}, receiver.Certified{})
			tr.wantHeld(5)
			tr.run(percent(20, 1), src.sender(sender.Config{}))
			tr.wantFile()
		})
	}
}

func TestAForgedManifestCertifiesNothing(t *testing.T) {
	// "A manifest belongs to an object if the header has the object id and the
	// parameters of the descriptor." spec.md 5.1
	src := newSource(t, "true name", 3000, smallest(proto.CodeLeopard8, 12, 4))
	other := newSource(t, "false name", 3000, smallest(proto.CodeLeopard8, 12, 4))
	forged := [][]byte{
		forge(t, other.manifest(), func(h *proto.Header, _ []byte) { h.Object = src.id }),
		forge(t, src.manifest(), func(_ *proto.Header, payload []byte) { payload[120] ^= 1 }),
		forge(t, src.manifest(), func(_ *proto.Header, payload []byte) { payload[len(payload)-1] = 1 }),
		forge(t, src.manifest(), func(_ *proto.Header, payload []byte) { clear(payload) }),
	}
	for i, b := range forged {
		tr := src.receive(receiver.Config{})
		for range 2 { // as the first packet, and after one
			if err := tr.hear(b, 0); err != receiver.ReasonManifest {
				t.Errorf("forged manifest %d: %v, want %v", i, err, receiver.ReasonManifest)
			}
			tr.hear(src.shard(0, 3), 0)
		}
		if tr.r.Manifest() != nil || count[receiver.Certified](tr) > 0 {
			t.Errorf("forged manifest %d certified the object", i)
		}
		tr.run(nothing, src.sender(sender.Config{}))
		tr.wantFile()
	}
}

// poison gives the receiver a forged parity shard in place of a data shard.
func (tr *transfer) poison() {
	tr.t.Helper()
	tr.hearAll(forge(tr.t, tr.src.shard(0, tr.src.geo.K), func(_ *proto.Header, payload []byte) { payload[7] ^= 1 }))
}

func TestWrongContentStartsAgain(t *testing.T) {
	// "If it differs, some packet was forged or the file changed while it was
	// sent: everything is dropped and receiving starts again" spec.md 7.3
	src := newSource(t, "", 12*256-9, smallest(proto.CodeLeopard8, 12, 12))
	tr := src.receive(receiver.Config{})
	tr.hearAll(src.manifest())
	tr.poison()
	for i := range 11 {
		tr.hearAll(src.shard(0, i))
	}
	tr.wantEvents(receiver.ObjectFound{}, receiver.Certified{}, receiver.Collected{}, receiver.GroupDecoded{}, receiver.Corrupt{})
	if tr.r.Done() {
		t.Fatalf("done with wrong content: %v", tr.r.Err())
	}
	if p := tr.r.Progress(); p.Held != 0 || p.Decoded != 0 || p.Rebuilt != 0 || tr.r.Manifest() == nil {
		t.Errorf("after it started again: %+v", p)
	}
	tr.run(percent(30, 2), src.sender(sender.Config{}))
	tr.wantFile()
}

func TestWrongContentThreeTimesIsAnError(t *testing.T) {
	// "after the third failure it ends" spec.md 7.3
	src := newSource(t, "", 12*256, smallest(proto.CodeLeopard8, 12, 12))
	tr := src.receive(receiver.Config{})
	tr.hearAll(src.manifest())
	for attempt := 1; attempt <= 3; attempt++ {
		if tr.r.Done() {
			t.Fatalf("done before attempt %d", attempt)
		}
		tr.poison()
		for i := range 11 {
			tr.hearAll(src.shard(0, i))
		}
		if got := tr.events[len(tr.events)-1]; got != (receiver.Corrupt{Attempt: attempt}) {
			t.Fatalf("attempt %d ended with %#v", attempt, got)
		}
	}
	if !tr.r.Done() || !errors.Is(tr.r.Err(), receiver.ErrIntegrity) || count[receiver.Verified](tr) > 0 {
		t.Errorf("done %v, error %v, want %v", tr.r.Done(), tr.r.Err(), receiver.ErrIntegrity)
	}
	if err := tr.hear(src.shard(0, 0), 0); err != receiver.ReasonNotNeeded {
		t.Errorf("a packet after the end: %v", err)
	}
}

func TestAFalseHashOfAnEmptyFileIsAnError(t *testing.T) {
	// "An empty object is complete with its manifest." spec.md 7.3. Receiving it
	// again cannot help.
	src := newSource(t, "", 0, smallest(proto.CodeNone, 1, 0))
	src.object.Manifest.Descriptor.SHA256[0] ^= 1
	src.id = src.object.Manifest.Descriptor.Object()
	tr := src.receive(receiver.Config{})
	tr.hearAll(src.manifest())
	if !errors.Is(tr.r.Err(), receiver.ErrIntegrity) || count[receiver.Verified](tr) > 0 {
		t.Errorf("error %v, want %v", tr.r.Err(), receiver.ErrIntegrity)
	}
}
