// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"slices"
	"testing"
	"time"

	"iotupd/proto"
	"iotupd/receiver"
)

func TestHeardTellsEveryUndamagedPacketOfTheObject(t *testing.T) {
	file := newSource(t, "a", 10*proto.MinShardSize, smallest(proto.CodeLeopard8, 10, 10))
	other := newSource(t, "b", 10*proto.MinShardSize, smallest(proto.CodeLeopard8, 10, 10))
	var got []uint32
	r, err := receiver.New(receiver.Config{
		IndexOnly: true,
		Object:    file.id,
		Heard:     func(_ time.Time, _ receiver.Origin, p proto.Path) { got = append(got, p.Seq) },
	})
	if err != nil {
		t.Fatal(err)
	}
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
	if want := []uint32{7, 11, 10, 10}; !slices.Equal(got, want) {
		t.Errorf("heard packets %v, want %v", got, want)
	}
}
