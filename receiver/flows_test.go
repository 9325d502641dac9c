// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"fmt"
	"math"
	"net/netip"
	"testing"
)

// A listening is a receiver's measurement of loss. Its verbs count from base.
type listening struct {
	t    *testing.T
	fs   flows
	base uint32
}

var here = Origin{From: netip.MustParseAddrPort("[fe80::1]:4000"), Interface: 2}

func (l *listening) hear(seqs ...int) {
	for _, seq := range seqs {
		l.fs.observe(here, 0, l.base+uint32(seq))
	}
}

func (l *listening) hearRange(from, to int) {
	for seq := from; seq <= to; seq++ {
		l.hear(seq)
	}
}

func (l *listening) want(why string, spanned, lost uint64) {
	l.t.Helper()
	if got, want := l.fs.total(), (Loss{Spanned: spanned, Lost: lost}); got != want {
		l.t.Errorf("from %#x: %s: %+v, want %+v", l.base, why, got, want)
	}
}

// fromAnywhere runs the same script from sixteen first sequence numbers, the
// wrap-around and the sign bit among them.
func fromAnywhere(t *testing.T, script func(l *listening)) {
	for _, base := range []uint32{
		0, 1, 2, 100, 1 << 16, math.MaxInt32 - 100, math.MaxInt32 - 2, math.MaxInt32 - 1, math.MaxInt32,
		1 << 31, 1<<31 + 1, 0xc0000000, math.MaxUint32 - 100, math.MaxUint32 - 2, math.MaxUint32 - 1, math.MaxUint32,
	} {
		script(&listening{t: t, base: base})
	}
}

func TestLossIsTheGapsInTheSequence(t *testing.T) {
	// "It measures loss. Nothing else may depend on it." spec.md 6.4
	fromAnywhere(t, func(l *listening) {
		l.want("nothing heard", 0, 0)
		l.hear(0)
		l.want("one packet", 1, 0)
		l.hearRange(1, 9)
		l.want("no gap", 10, 0)
		l.hear(11)
		l.want("a gap of one", 12, 1)
		l.hear(100)
		l.want("a long gap", 101, 89)
		l.hearRange(101, 300)
		l.want("and on", 301, 89)
	})
}

func TestLateAndDoublePacketsAreNotLost(t *testing.T) {
	fromAnywhere(t, func(l *listening) {
		l.hear(0, 1, 4)
		l.want("two are missing", 5, 2)
		l.hear(3)
		l.want("one comes late", 5, 1)
		l.hear(2)
		l.want("the other too", 5, 0)
		l.hear(-1, -2)
		l.want("sent before we joined", 5, 0)
		l.hear(4, 4, 4)
		l.want("copies of one that was there", 5, 0)
		l.hear(9)
		if got := l.fs.total(); got.Spanned != 10 || got.Lost > 4 {
			l.t.Errorf("from %#x: %+v, want at most 4 of 10 lost", l.base, got)
		}
	})
}

func TestANewStartOfASenderIsNoLoss(t *testing.T) {
	// "maxGap is the jump of a sequence number that is taken for a sender's new
	// start, not for loss."
	fromAnywhere(t, func(l *listening) {
		l.hear(0, 2)
		l.want("before", 3, 1)
		l.hear(1_000_000_000)
		l.want("a jump ahead", 4, 1)
		l.hear(1_000_000_003)
		l.want("loss after it", 7, 3)
		l.hear(5)
		l.want("a jump back", 8, 3)
		l.hear(5 + maxGap)
		l.want("the longest gap", 8+maxGap, 3+maxGap-1)
	})
}

func TestEveryCopyOfAStreamIsMeasuredAlone(t *testing.T) {
	// "An Origin says where a datagram came from: one copy of one sender's
	// stream." The same sender heard on two interfaces loses on each its own.
	other := here
	other.Interface = 3
	port := here
	port.From = netip.AddrPortFrom(here.From.Addr(), 4001)
	var fs flows
	for seq := range uint32(100) {
		fs.observe(here, 0, seq)
		if seq%10 != 5 {
			fs.observe(other, 0, seq)
		}
		fs.observe(here, 1, 1_000_000+seq)
		fs.observe(port, 0, 2_000_000+2*seq)
	}
	if got, want := fs.total(), (Loss{Spanned: 100 + 100 + 100 + 199, Lost: 10 + 99}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestStreamsAreBounded(t *testing.T) {
	// "streams of which loss is measured: 64" spec.md 7.5: addresses may be
	// forged.
	var fs flows
	fs.observe(here, 0, 7)
	for i := range 10_000 {
		addr := netip.MustParseAddr(fmt.Sprintf("10.0.%d.%d", i>>8, i&255))
		fs.observe(Origin{From: netip.AddrPortFrom(addr, 1)}, i%16, uint32(i))
	}
	if got := len(fs.streams); got != maxFlows {
		t.Errorf("%d streams are measured, want %d", got, maxFlows)
	}
	before := fs.total()
	fs.observe(here, 0, 9)
	if got, want := fs.total(), before.Add(Loss{Spanned: 2, Lost: 1}); got != want {
		t.Errorf("the stream that came first: %+v, want %+v", got, want)
	}
}

func TestLossRatio(t *testing.T) {
	for _, test := range []struct {
		loss Loss
		want float64
	}{
		{Loss{}, 0}, {Loss{Spanned: 10}, 0}, {Loss{Spanned: 10, Lost: 5}, 0.5}, {Loss{Spanned: 4, Lost: 4}, 1},
	} {
		if got := test.loss.Ratio(); got != test.want {
			t.Errorf("%+v: ratio %v, want %v", test.loss, got, test.want)
		}
	}
}
