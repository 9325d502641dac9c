// SPDX-License-Identifier: GPL-2.0-or-later

package seqno

import (
	"math"
	"testing"
	"unsafe"
)

// bases are first sequence numbers, the wrap-around and the sign bit among them.
var bases = []uint32{
	0, 1, 2, 100, 1 << 16, math.MaxInt32 - 100, math.MaxInt32 - 2, math.MaxInt32 - 1, math.MaxInt32,
	1 << 31, 1<<31 + 1, 0xc0000000, math.MaxUint32 - 100, math.MaxUint32 - 2, math.MaxUint32 - 1, math.MaxUint32,
}

// run counts packets from base on.
func run(base uint32, seqs ...int) (sent, lost int64, jumps int) {
	t := Start(base + uint32(seqs[0]))
	for _, seq := range seqs[1:] {
		s, l, jump := t.Add(base + uint32(seq))
		sent, lost = sent+s, lost+l
		if jump {
			jumps++
		}
	}
	return sent, lost, jumps
}

// upTo lists first to last.
func upTo(first, last int) (seqs []int) {
	for i := first; i <= last; i++ {
		seqs = append(seqs, i)
	}
	return seqs
}

func TestTracker(t *testing.T) {
	late := func(by int) []int { return append(append([]int{0}, upTo(2, 1+by)...), 1) }
	tests := []struct {
		what       string
		seqs       []int
		sent, lost int64
		jumps      int
	}{
		{"the first packet", []int{0}, 0, 0, 0},
		{"no gap", upTo(0, 300), 300, 0, 0},
		{"gaps", []int{0, 1, 3, 100}, 100, 97, 0},
		{"late packets", []int{0, 1, 4, 3, 2}, 4, 0, 0},
		{"copies", []int{0, 1, 1, 3, 3, 0, 2, 2}, 3, 0, 0},
		{"a copy does not stand in for a lost one", []int{0, 2, 2, 2}, 2, 1, 0},
		{"sent before the first packet", []int{0, -1, -2, 1}, 1, 0, 0},
		{"overtaken by 63", late(63), 64, 0, 0},
		{"overtaken by 64", late(64), 65, 1, 0},
		{"a gap of a whole window", []int{0, 64, 1}, 64, 62, 0},
		{"the longest gap", []int{0, MaxGap}, MaxGap, MaxGap - 1, 0},
		{"a jump ahead", []int{0, 2, MaxGap + 3, MaxGap + 5}, 2 + 1 + 2, 1 + 1, 1},
		{"a jump back", []int{0, 1, -MaxGap, -MaxGap + 1}, 1 + 1 + 1, 0, 1},
		{"a sender that restarted a little before", append([]int{100_000}, upTo(0, 80)...), 1 + 16, 0, 1},
	}
	for _, test := range tests {
		for _, base := range bases {
			sent, lost, jumps := run(base, test.seqs...)
			if sent != test.sent || lost != test.lost || jumps != test.jumps {
				t.Errorf("%s, from %#x: sent %d, lost %d, jumps %d; want %d, %d, %d", test.what, base, sent, lost, jumps, test.sent, test.lost, test.jumps)
			}
		}
	}
}

func TestLatePacketsAreNotLostAndCopiesDoNotHideLoss(t *testing.T) {
	// "A packet that comes late by less than 64 packets of its stream is not lost.
	// A jump of seq by more than 2^20 is a new start." spec.md 10.3
	type counts struct{ sent, lost int64 }
	for _, base := range []uint32{0, 1 << 31, 1<<32 - 30, 1<<31 - 30} {
		tracker := Start(base)
		var got counts
		hear := func(seqs ...int) (jumps int) {
			for _, seq := range seqs {
				sent, lost, jump := tracker.Add(base + uint32(seq))
				got.sent, got.lost = got.sent+sent, got.lost+lost
				if jump {
					jumps++
				}
			}
			return jumps
		}
		want := func(why string, w counts) {
			t.Helper()
			if got != w {
				t.Errorf("from %#x: %s: %+v, want %+v", base, why, got, w)
			}
		}
		hear(1, 2, 5)
		want("two are missing", counts{5, 2})
		hear(5, 5, 1, 2, 0, -1, -40)
		want("copies, and what was sent before", counts{5, 2})
		hear(4, 3, 3)
		want("they were late", counts{5, 0})
		hear(105)
		want("a burst of losses", counts{105, 99})
		hear(6, 41)
		want("too late", counts{105, 99})
		hear(42)
		want("just in time", counts{105, 98})
		if jumps := hear(105+2<<20, 105+2<<20+2); jumps != 1 {
			t.Errorf("from %#x: %d new starts, want 1", base, jumps)
		}
		want("and loss after it", counts{105 + 1 + 2, 98 + 1})
	}
}

func TestTrackersAreSmall(t *testing.T) {
	if got := unsafe.Sizeof(Tracker{}); got > 24 {
		t.Errorf("a tracker takes %d bytes, want 24", got)
	}
}
