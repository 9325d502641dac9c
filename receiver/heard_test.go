// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"slices"
	"testing"

	"iotupd/proto"
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
	hear := func(s *source, seq uint32, damage byte) {
		b := forge(t, s.shard(0, 3), func(h *proto.Header, _ []byte) { h.Path.Seq = seq })
		b[len(b)-1] ^= damage
		r.Handle(epoch, receiver.Origin{}, b)
	}
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
	if want := []uint32{7, 11, 10, 10}; !slices.Equal(got, want) {
		t.Errorf("heard packets %v, want %v", got, want)
	}
}
