// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"fmt"
	"math"
	"net/netip"
	"testing"
	"time"

	"iotupd/internal/seqno"
	"iotupd/proto"
)

// A listening is a receiver's measurement of loss. Its verbs count from base.
type listening struct {
	t    *testing.T
	ss   Streams
	base uint32
}

var here = Origin{From: netip.MustParseAddrPort("[fe80::1]:4000"), Interface: 2}

func (l *listening) hear(seqs ...int) {
	for _, seq := range seqs {
		l.ss.Note(time.Time{}, here, &proto.Path{Seq: l.base + uint32(seq)})
	}
}

func (l *listening) hearRange(from, to int) {
	for seq := from; seq <= to; seq++ {
		l.hear(seq)
	}
}

func (l *listening) want(why string, spanned, lost uint64) {
	l.t.Helper()
	if got, want := l.ss.Loss(), (Loss{Spanned: spanned, Lost: lost}); got != want {
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
		l.want("copies do not stand in for others", 10, 4)
	})
}

func TestARestartOfASenderDoesNotCountAsLoss(t *testing.T) {
	// "A jump of seq by more than 2^20 is a new start." spec.md 10.3
	fromAnywhere(t, func(l *listening) {
		l.hear(0, 2)
		l.want("before", 3, 1)
		l.hear(1_000_000_000)
		l.want("a jump ahead", 4, 1)
		l.hear(1_000_000_003)
		l.want("loss after it", 7, 3)
		l.hear(5)
		l.want("a jump back", 8, 3)
		l.hear(5 + seqno.MaxGap)
		l.want("the longest gap", 8+seqno.MaxGap, 3+seqno.MaxGap-1)
	})
}

func TestEveryCopyOfAStreamIsMeasuredAlone(t *testing.T) {
	// "An Origin says where a datagram came from: one copy of one sender's
	// stream." The same sender heard on two interfaces loses on each its own.
	other := here
	other.Interface = 3
	port := here
	port.From = netip.AddrPortFrom(here.From.Addr(), 4001)
	var ss Streams
	hear := func(from Origin, layer int, seq uint32) {
		ss.Note(time.Time{}, from, &proto.Path{Layer: layer, Seq: seq})
	}
	for seq := range uint32(100) {
		hear(here, 0, seq)
		if seq%10 != 5 {
			hear(other, 0, seq)
		}
		hear(here, 1, 1_000_000+seq)
		hear(port, 0, 2_000_000+2*seq)
	}
	if got, want := ss.Loss(), (Loss{Spanned: 100 + 100 + 100 + 199, Lost: 10 + 99}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestStreamsAreBounded(t *testing.T) {
	// "streams of which loss is measured | 256 | with more, no layer is joined"
	// spec.md 7.5: addresses may be forged.
	var ss Streams
	now := time.Unix(1e9, 0)
	ss.Note(now, here, &proto.Path{Seq: 7})
	for i := range 10_000 {
		addr := netip.MustParseAddr(fmt.Sprintf("10.0.%d.%d", i>>8, i&255))
		ss.Note(now, Origin{From: netip.AddrPortFrom(addr, 1)}, &proto.Path{Layer: i % 16, Seq: uint32(i)})
	}
	if got := len(ss.byKey); got != maxStreams || len(ss.paths) > got {
		t.Errorf("%d streams on %d paths are measured, want %d", got, len(ss.paths), maxStreams)
	}
	if !ss.Crowded(now) {
		t.Error("there is room for more streams")
	}
	before := ss.Loss()
	now = now.Add(ForgetAfter)
	ss.Note(now, here, &proto.Path{Seq: 9})
	if got, want := ss.Loss(), (Loss{before.Spanned + 2, before.Lost + 1}); got != want {
		t.Errorf("the stream that came first: %+v, want %+v", got, want)
	}
	ss.Note(now, Origin{}, &proto.Path{Seq: 9})
	if got := len(ss.byKey); got != 2 || ss.Crowded(now) {
		t.Errorf("%d streams are measured after the others were silent, want 2", got)
	}
}

func TestALayerThatNobodyListensToLosesNothing(t *testing.T) {
	// "Packets of a layer do not count while the receiver does not listen to it."
	var ss Streams
	hear := func(layer int, seq uint32) { ss.Note(time.Time{}, here, &proto.Path{Layer: layer, Seq: seq}) }
	want := func(why string, want Loss) {
		t.Helper()
		if got := ss.Loss(); got != want {
			t.Errorf("%s: %+v, want %+v", why, got, want)
		}
	}
	hear(0, 10)
	hear(1, 20)
	hear(1, 22)
	want("two layers", Loss{Spanned: 4, Lost: 1})
	ss.Listen(0)
	hear(1, 23)
	hear(0, 11)
	want("after leaving", Loss{Spanned: 5, Lost: 1})
	ss.Listen(1)
	hear(1, 500)
	hear(1, 502)
	want("after joining again", Loss{Spanned: 8, Lost: 2})
	ss.Listen(-1)
	hear(0, 100)
	want("after leaving all", Loss{Spanned: 8, Lost: 2})
}

func TestPacketsAreListedOnlyAfterKeep(t *testing.T) {
	var ss Streams
	hear := func(seq uint32) { ss.Note(time.Time{}, here, &proto.Path{Layers: 4, Flags: proto.PathSync, Seq: seq}) }
	hear(1)
	if got := ss.Take(); len(got) != 0 {
		t.Errorf("%d packets listed, want none", len(got))
	}
	ss.Keep()
	for _, seq := range []uint32{2, 5, 4, 4, 5 + 2<<20} {
		hear(seq)
	}
	want := []Heard{{Seq: 2, Sent: 1}, {Seq: 5, Sent: 3, Lost: 2}, {Seq: 4, Lost: -1}, {Seq: 4}, {Seq: 5 + 2<<20, Sent: 1, Jump: true}}
	got := ss.Take()
	if len(got) != len(want) {
		t.Fatalf("%d packets listed, want %d", len(got), len(want))
	}
	for i, w := range want {
		w.Stream, w.Flags, w.Layers = got[i].Stream, proto.PathSync, 4
		if got[i] != w || got[i].Origin != here {
			t.Errorf("packet %d: %+v, want %+v", i, got[i], w)
		}
	}
	for seq := range uint32(2 * maxHeard) {
		hear(seq)
	}
	if got := len(ss.Take()); got != maxHeard {
		t.Errorf("%d packets are listed, want %d", got, maxHeard)
	}
	if got := ss.Take(); len(got) != 0 {
		t.Errorf("%d packets are listed twice", len(got))
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
