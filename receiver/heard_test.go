// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"slices"
	"testing"

	"iotupd/proto"
	"iotupd/proto/keys"
	"iotupd/receiver"
)

func TestEveryUndamagedPacketOfTheObjectIsListed(t *testing.T) {
	file := newSource(t, "a", 10*proto.MinShardSize, smallest(proto.CodeLeopard8, 10, 10))
	other := newSource(t, "b", 10*proto.MinShardSize, smallest(proto.CodeLeopard8, 10, 10))
	r, err := receiver.New(receiver.Config{
		Object: file.id,
		Open:   func(proto.ObjectID, proto.Params) (receiver.Store, error) { return pond{}, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Streams().Keep()
	heard := func(b []byte, seq uint32, damage byte) {
		b = forge(t, b, func(h *proto.Header, _ []byte) { h.Path.Seq = seq })
		b[len(b)-1] ^= damage
		r.Handle(epoch, receiver.Origin{}, b)
		openStore(r, epoch)
	}
	hear := func(s *source, seq uint32, damage byte) { heard(s.shard(0, 3), seq, damage) }
	heard(file.shard(0, 5), 3, 0) // waits for the manifest
	heard(file.shard(0, 6), 4, 0)
	heard(other.shard(0, 5), 5, 0)
	heard(file.manifest(), 6, 0)
	hear(file, 7, 0)
	hear(file, 8, 1)  // damaged
	hear(other, 9, 0) // of another object
	hear(file, 11, 0)
	hear(file, 10, 0)
	hear(file, 10, 0) // a copy
	var got []uint32
	for _, h := range r.Streams().Take() {
		got = append(got, h.Seq)
	}
	if want := []uint32{3, 4, 6, 7, 11, 10, 10}; !slices.Equal(got, want) {
		t.Errorf("heard packets %v, want %v", got, want)
	}
}

func TestAPathOutlivesItsObject(t *testing.T) {
	// The way from a host is the same for its next release: what a policy of layers
	// knows of the loss on it stays true. Loss is counted from the new object on.
	key := keys.Generate()
	p := small(proto.CodeLeopard8, 10, 10)
	old, next := newTree(t, "old", 30*512, p), newTree(t, "next", 40*512, p)
	tr := next.receive(receiver.Config{Trust: trusting(key)})
	tr.r.Streams().Keep()
	hear := func(b []byte, seq uint32) *receiver.Path {
		t.Helper()
		tr.hearAll(forge(t, b, func(h *proto.Header, _ []byte) { h.Path.Seq = seq }))
		heard := tr.r.Streams().Take()
		if len(heard) != 1 || heard[0].Lost > 0 || heard[0].Jump {
			t.Fatalf("heard %+v", heard)
		}
		return heard[0].Path
	}
	path := hear(old.signed(key, sequence(1)), 100)
	hear(old.shard(0, 0), 101)
	if got := hear(next.signed(key, sequence(2)), 110); got != path || path.Gone() {
		t.Errorf("the path is %p, was %p, gone: %v", got, path, path.Gone())
	}
	hear(next.shard(0, 0), 111)
	if got, want := tr.r.Progress().Loss, (receiver.Loss{Spanned: 2}); got != want {
		t.Errorf("loss %+v, want %+v", got, want)
	}
}
