// SPDX-License-Identifier: GPL-2.0-or-later

package sender_test

import (
	"context"
	"testing"
	"time"

	"iotupd/proto"
	"iotupd/sender"
)

func TestAPausedSenderKeepsItsPlaceAndItsRate(t *testing.T) {
	// "The carousel keeps its place", and "It does not catch up with the packets
	// of the pause".
	const packets, gap = 20, time.Minute
	cfg := sender.Config{Rate: 1_000_000, Loops: 3}
	p := smallest(proto.CodeLeopard8, 10, 5)
	want := shards(start(t, 10_000, p, cfg).rest())

	c := start(t, 10_000, p, cfg)
	var got []packet
	for range packets {
		got = append(got, c.next())
	}
	c.s.Pause()
	if b, _ := c.s.AppendDatagrams(nil, c.now.Add(time.Hour), 1); len(b) > 0 || !c.s.Wake().IsZero() {
		t.Errorf("paused: %d bytes, wake at %v, want nothing, ever", len(b), c.s.Wake())
	}
	c.now = c.now.Add(gap)
	c.s.Resume(c.now)
	resumed := c.now
	after := c.rest()
	if first := after[0].at; !first.Equal(resumed) {
		t.Errorf("first packet %v after the pause, want at once", first.Sub(resumed))
	}
	interval := time.Duration(8*(c.s.DatagramLen()+proto.IPv6Overhead)) * time.Second / time.Duration(cfg.Rate)
	for i, p := range after {
		if early := resumed.Add(time.Duration(i) * interval).Sub(p.at); early > interval {
			t.Fatalf("packet %d after the pause is %v early", i, early)
		}
	}
	got = shards(append(got, after...))
	if len(got) != len(want) {
		t.Fatalf("%d shards, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i].id() != want[i].id() {
			t.Fatalf("shard %d is %s, want %s as without a pause", i, got[i].id(), want[i].id())
		}
	}
}

func TestAPausedSenderStopsWithoutAWord(t *testing.T) {
	// "a few packets announce to receivers that this sender is about to stop,
	// unless it is paused"
	c := start(t, 10_000, smallest(proto.CodeLeopard8, 10, 5), sender.Config{})
	c.next()
	c.s.Pause()
	if c.s.Done() {
		t.Error("done by a pause")
	}
	c.s.Stop()
	if !c.s.Done() {
		t.Error("not done after a pause and a stop")
	}
}

func TestRunSendsWhileSomebodyListens(t *testing.T) {
	// "the sender is paused until it says true, and again when it says false"
	for _, rate := range []int64{sender.MinRate, 1_000_000, -1} {
		inBubble(t, sender.Config{Rate: rate}, func(t *testing.T, w *wire) {
			ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second+7*time.Millisecond)
			defer cancel()
			begin, listened := time.Now(), make(chan bool)
			const step = 1333 * time.Millisecond
			const write = 7 * time.Millisecond // or an unpaced one would send endlessly without time passing
			w.fail = func(int) error { time.Sleep(write); return nil }
			go func() {
				for i, news := range []bool{false, true, false, true, false} {
					time.Sleep(time.Until(begin.Add(time.Duration(i+1) * step)))
					listened <- news
				}
			}()
			if err := sender.Run(ctx, w.c.s, w, sender.RunOptions{Listened: listened}); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(begin); took > 9*time.Second+10*time.Millisecond {
				t.Errorf("a paused sender ended %v after its start, want at once at 9.007 s", took)
			}
			if len(w.sent) == 0 {
				t.Fatal("nothing was sent")
			}
			began := map[int]bool{}
			for _, p := range w.sent {
				at := p.at.Sub(begin) - write
				n := int(at / step) // news that came before
				if n != 2 && n != 4 {
					t.Fatalf("rate %d: a packet was sent after %v, when nobody listened", rate, at)
				}
				if since := at - time.Duration(n)*step; !began[n] && since > 2*write {
					t.Errorf("rate %d: first packet %v after somebody listened", rate, since)
				}
				began[n] = true
			}
			if !began[2] || !began[4] {
				t.Errorf("rate %d: sent after news %v, want 2 and 4", rate, began)
			}
		})
	}
}
