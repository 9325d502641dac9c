// SPDX-License-Identifier: GPL-2.0-or-later

package sender_test

import (
	"fmt"
	"testing"

	"iotupd/proto"
	"iotupd/sender"
)

// usefulness returns which part of the shards was new to a receiver of layers 0
// to top of several senders, until it has k of each group.
func usefulness(together []*carousel, top, k int) float64 {
	seen := map[headerID]bool{}
	held := map[uint32]int{}
	heard, full := 0, 0
	for full < int(together[0].geo.Groups) {
		for _, c := range together {
			h := c.nextHeader()
			if h.Type != proto.TypeData && h.Type != proto.TypeParity || h.Path.Layer > top || held[h.Group] == k {
				continue
			}
			heard++
			if seen[idOf(h)] {
				continue
			}
			seen[idOf(h)] = true
			if held[h.Group]++; held[h.Group] == k {
				full++
			}
		}
	}
	return float64(len(seen)) / float64(heard)
}

func TestCoordinatedSendersOfLayersDoNotRepeatEachOther(t *testing.T) {
	// "Senders of several layers share out the cycle of layer 0 (10.1): L counts
	// rows that do not exist too, and an even D is replaced by D+1." spec.md 6.2.
	// As long as each sends at most that share of the rows, no receiver of any
	// prefix gets a shard twice.
	const k, m, groups, layers = 200, 200, 4, 4
	o := headersOnly(k, m, groups*k)
	rnd := newRand(t)
	for _, senders := range []int{1, 2, 3, 4, 6, 8} {
		for top := range layers {
			var together []*carousel
			for i := range senders {
				together = append(together, startObject(t, o,
					sender.Config{Rate: -1, Layers: layers, Sender: i + 1, Senders: senders}))
			}
			join := rnd.IntN(10_000)
			for range join {
				for _, c := range together {
					c.nextHeader()
				}
			}
			if got := usefulness(together, top, k); got < 0.97 {
				t.Errorf("%d senders, layers 0 to %d, from packet %d on: %.3f of the shards were new", senders, top, join, got)
			}
		}
	}
}

func TestHalfACycleApartIsInStep(t *testing.T) {
	// "Senders that are half a cycle apart are a whole number of such periods
	// apart, and so would send the same shards to it." spec.md 10.1
	const k, m, groups, layers = 200, 200, 4, 4
	o := headersOnly(k, m, groups*k)
	for top, want := range []string{"1.00", "0.50", "0.50", "0.50"} {
		var together []*carousel
		for _, start := range []int{0, 5000} {
			together = append(together, startObject(t, o, sender.Config{Rate: -1, Layers: layers, Start: start}))
		}
		if got := fmt.Sprintf("%.2f", usefulness(together, top, k)); got != want {
			t.Errorf("layers 0 to %d: %s of the shards were new, want %s", top, got, want)
		}
	}
}
