// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"testing"
	"time"

	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/receiver/layers"
	"iotupd/sender"
)

// hearLayers lets time pass until the file is there. Of each datagram, heard
// says by its path word whether it arrives.
func (tr *transfer) hearLayers(s *sender.Sender, heard func(proto.Path) bool) {
	tr.t.Helper()
	for n := 0; !tr.r.Done(); n++ {
		if n > 1_000_000 {
			tr.t.Fatal("the file does not arrive")
		}
		if at := s.Wake(); at.After(tr.now) {
			tr.now = at
		}
		b, err := s.AppendDatagrams(nil, tr.now, 1)
		if err != nil {
			tr.t.Fatal(err)
		}
		h, _, err := proto.Parse(b)
		if err != nil {
			tr.t.Fatal(err)
		}
		if heard(h.Path) {
			tr.hear(b, 0)
		}
	}
}

func TestAnyPrefixOfLayersBringsTheFile(t *testing.T) {
	// "So layers 0 to i together send each shard once before they repeat any,
	// from any start" spec.md 10.1, and what proves them.
	eachKind(t, func(t *testing.T, newSource maker) {
		rnd := newRand(t)
		for _, size := range []int{0, 1, 513, 65536, 200_000} {
			src := newSource(t, "", size, auto(t, size))
			for top := range 3 {
				tr := src.receive(receiver.Config{})
				tr.hearLayers(src.sender(sender.Config{Rate: -1, Layers: 3, Start: rnd.IntN(10001)}), func(p proto.Path) bool {
					return p.Layer <= top && rnd.IntN(10) > 0
				})
				tr.wantFile()
			}
		}
	})
}

func TestAReceiverClimbsWhileItReceives(t *testing.T) {
	src := newTree(t, "", 2_000_000, auto(t, 2_000_000))
	tr := src.receive(receiver.Config{})
	policy := layers.New(tr.r.Streams(), layers.Config{Rand: newRand(t)})
	levels := []time.Time{}
	tr.hearLayers(src.sender(sender.Config{Rate: 250_000, Layers: 3}), func(p proto.Path) bool {
		policy.Hear(tr.now, tr.r.Streams().Take()) // earlier packets
		for len(levels) <= policy.Level() {
			levels = append(levels, tr.now)
		}
		return p.Layer <= policy.Level()
	})
	tr.wantFile()
	if len(levels) != 3 {
		t.Fatalf("levels 0 to %d were reached, want 0 to 2", len(levels)-1)
	}
	for level, want := range []time.Duration{4 * time.Second, 8 * time.Second} {
		if got := levels[level+1].Sub(epoch); got < want || got > want+2*time.Second {
			t.Errorf("level %d after %v, want %v", level+1, got, want)
		}
	}
}
