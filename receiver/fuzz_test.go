// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"iotupd/proto"
	"iotupd/receiver"
)

// A script tells FuzzHandle what arrives, four bytes at a time: which datagram
// of the pool and what happens to it; where; and by what it is changed.
const (
	asItIs      = 0 << 6
	damaged     = 1 << 6 // a byte is changed on the way
	forged      = 2 << 6 // a byte is changed, and the checksum is right
	afterAWhile = 3 << 6 // up to 16 s later
	whichMask   = 1<<6 - 1
)

// pool returns what a script chooses from: two small objects, an
// empty one, and forgeries that no single changed byte makes; and the files that
// may be verified.
func pool(f *testing.F) (all [][]byte, files map[proto.ObjectID][]byte) {
	files = map[proto.ObjectID][]byte{}
	for _, s := range []*source{
		newSource(f, "a", 5*256-3, smallest(proto.CodeLeopard8, 3, 3)),
		newSource(f, "b", 4*256, smallest(proto.CodeLeopard8, 4, 2)),
		newSource(f, "empty", 0, smallest(proto.CodeNone, 1, 0)),
	} {
		files[s.id] = s.file
		all = append(all, s.manifest())
		for _, shard := range s.real() {
			if len(s.file) > 0 {
				all = append(all, s.shard(uint32(shard[0]), shard[1]))
			}
		}
		if len(s.file) > 0 {
			all = append(all,
				forge(f, s.shard(0, s.geo.K), func(_ *proto.Header, payload []byte) { clear(payload) }),
				forge(f, s.shard(0, 0), func(h *proto.Header, _ []byte) { h.Size, h.K, h.M, h.Code = 60_000, 17, 5, proto.CodeLeopard16 }),
				forge(f, s.manifest(), func(h *proto.Header, _ []byte) { h.Type = proto.TypeDigest }))
		}
	}
	if len(all) > whichMask+1 {
		f.Fatalf("a pool of %d datagrams", len(all))
	}
	return all, files
}

func FuzzHandle(f *testing.F) {
	// Whatever arrives: no panic, no memory beyond the limits, and never a word
	// of success about bytes that are not those of the object.
	const maxSize = 1 << 16
	all, files := pool(f)
	inOrder, backwards := []byte{}, []byte{}
	for i := range all {
		inOrder = append(inOrder, byte(i)|asItIs, 0, 0, 0)
		backwards = append(backwards, byte(len(all)-1-i)|asItIs, 0, 0, 0)
	}
	f.Add(inOrder)
	f.Add(backwards)
	f.Add(append(bytes.Repeat(inOrder[4:], 4), inOrder...))
	f.Add(append([]byte{1 | forged, 0, 45, 1, 2 | damaged, 0, 99, 7, 3 | afterAWhile, 0, 0, 15}, backwards...))
	f.Add(append([]byte{13 | asItIs, 0, 0, 0, 13 | afterAWhile, 0, 0, 0}, inOrder...))

	f.Fuzz(func(t *testing.T, script []byte) {
		now := epoch
		var store *receiver.MemStore
		verified := false
		r, err := receiver.New(receiver.Config{
			MaxSize: maxSize,
			Memory:  1 << 20,
			Workers: 1,
			Open: func(_ proto.ObjectID, p proto.Params) (receiver.Store, error) {
				if p.Size > maxSize {
					t.Fatalf("opened a store of %d bytes", p.Size)
				}
				if store != nil && !store.Discarded {
					t.Fatal("opened a second store")
				}
				store = receiver.NewMemStore(int(p.Size))
				return store, nil
			},
			Observe: func(_ time.Time, e receiver.Event) {
				if _, ok := e.(receiver.Verified); ok {
					verified = true
				}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		for ; len(script) >= 4 && !r.Done(); script = script[4:] {
			op, at, by := script[0], int(binary.BigEndian.Uint16(script[1:])), script[3]
			b := bytes.Clone(all[int(op&whichMask)%len(all)])
			switch op &^ whichMask {
			case damaged:
				b[at%len(b)] ^= by
			case forged:
				b[at%len(b)] ^= by
				if 8*int(b[7]) <= len(b) {
					proto.PutChecksum(b)
				}
			case afterAWhile:
				now = now.Add(time.Duration(by) * time.Second / 16)
				r.Tick(now)
			}
			if err := r.Handle(now, receiver.Origin{}, b); err != nil {
				if _, ok := err.(proto.Reason); !ok {
					t.Fatalf("Handle returned %v, want a proto.Reason", err)
				}
			}
			clear(b) // it must not be kept
			for j := r.NextJob(); j != nil; j = r.NextJob() {
				j.Run()
				r.Finish(now, j)
			}
		}
		p := r.Progress()
		if p.Held > p.Needed || p.Decoded > p.Groups || p.Rebuilt > p.Needed {
			t.Errorf("progress %+v", p)
		}
		if verified != (r.Done() && r.Err() == nil) {
			t.Errorf("verified %v, done %v, error %v", verified, r.Done(), r.Err())
		}
		if file, known := files[p.Object]; verified && (!known || !bytes.Equal(store.Bytes(), file)) {
			t.Errorf("verified bytes that are not those of object %v", p.Object)
		}
	})
}
