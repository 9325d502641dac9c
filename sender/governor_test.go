// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// A slowLink is an interface with a queue, of which the kernel says how much
// memory it takes.
type slowLink struct {
	rate    float64 // bit/s
	each    float64 // memory of a datagram
	room    float64 // bits; 0: any number
	bits    float64 // that wait
	at      time.Time
	sent    float64 // bits
	longest time.Duration
	dropped uint64
}

func (l *slowLink) until(now time.Time) {
	left := min(l.bits, l.rate*now.Sub(l.at).Seconds())
	l.bits, l.sent, l.at = l.bits-left, l.sent+left, now
}

func (l *slowLink) waiting() int { return int(l.bits / (8 * packetBytes) * l.each) }

func (l *slowLink) write(n int) {
	for range n {
		if l.room > 0 && l.bits > l.room {
			l.dropped++
			continue
		}
		l.bits += 8 * packetBytes
	}
	l.longest = max(l.longest, time.Duration(l.bits/l.rate*float64(time.Second)))
}

// govern writes to a link for so long, and is late for it.
func (l *slowLink) govern(g *governor, d, late time.Duration, rnd *rand.Rand) {
	for end := l.at.Add(d); l.at.Before(end); {
		l.until(l.at.Add(20 * time.Microsecond)) // the loop itself
		before := l.waiting()
		n, pause := g.room(l.at, before, 45)
		if n == 0 {
			l.until(l.at.Add(pause + time.Duration(rnd.Int64N(int64(late)))))
			continue
		}
		l.write(n)
		g.wrote(l.at, n, before, l.waiting())
	}
}

func TestALinkIsFullAndItsQueueShort(t *testing.T) {
	// "It keeps the queue short, to bound the delay, but never empty."
	for _, rate := range []float64{10e6, 100e6, 1e9, 5e9} {
		for _, late := range []time.Duration{100 * time.Microsecond, 1100 * time.Microsecond} {
			for _, each := range []float64{1280, 2304, 4352} {
				t.Run(fmt.Sprintf("rate=%.0f/late=%v/each=%.0f", rate, late, each), func(t *testing.T) {
					l := slowLink{rate: rate, each: each, at: time.Unix(0, 0)}
					g, rnd := newGovernor(packetBytes), rand.New(rand.NewPCG(1, 2))
					l.govern(&g, time.Second, late, rnd)
					l.sent, l.longest = 0, 0
					l.govern(&g, 2*time.Second, late, rnd)
					if part := l.sent / (2 * rate); part < 0.97 {
						t.Errorf("%.3f of the link was used, want all", part)
					}
					if l.longest > 13*time.Millisecond {
						t.Errorf("what waited took %v, want about 6 ms", l.longest)
					}
				})
			}
		}
	}
}

func TestALinkThatChangesIsFollowed(t *testing.T) {
	l := slowLink{rate: 100e6, each: 2304, at: time.Unix(0, 0)}
	g, rnd := newGovernor(packetBytes), rand.New(rand.NewPCG(1, 2))
	for _, rate := range []float64{100e6, 10e6, 1e9, 100e6} {
		l.rate = rate
		l.govern(&g, time.Second, 100*time.Microsecond, rnd)
		l.sent, l.longest = 0, 0
		l.govern(&g, 2*time.Second, 100*time.Microsecond, rnd)
		if part := l.sent / (2 * rate); part < 0.97 || l.longest > 13*time.Millisecond {
			t.Errorf("at %.0f bit/s: %.3f of the link was used, and what waited took %v", rate, part, l.longest)
		}
	}
}

func TestAQueueThatDropsGetsLess(t *testing.T) {
	// "Where it drops some, less is kept in it"
	l := slowLink{rate: 100e6, each: 2304, room: 100e6 * 0.002, at: time.Unix(0, 0)}
	g, rnd := newGovernor(packetBytes), rand.New(rand.NewPCG(1, 2))
	run := func(seconds int) (dropped uint64) {
		before := l.dropped
		for range 5 * seconds {
			l.govern(&g, reportEvery, 100*time.Microsecond, rnd)
			g.drops(l.dropped)
		}
		return l.dropped - before
	}
	run(5)
	l.sent = 0
	if dropped := run(20); float64(dropped) > 0.01*l.sent/(8*packetBytes) {
		t.Errorf("%d datagrams of %.0f were dropped", dropped, l.sent/(8*packetBytes))
	}
	if part := l.sent / (20 * l.rate); part < 0.9 {
		t.Errorf("%.3f of the link was used", part)
	}
}

func TestAnEmptyQueueDoesNotLimit(t *testing.T) {
	g := newGovernor(packetBytes)
	now := time.Unix(0, 0)
	if n, _ := g.room(now, 0, 45); n != firstWrite {
		t.Errorf("%d datagrams first, want %d", n, firstWrite)
	}
	for range 1000 {
		g.wrote(now, 45, 0, 0)
		now = now.Add(50 * time.Microsecond)
		if n, pause := g.room(now, 0, 45); n != 45 || pause != 0 {
			t.Fatalf("%d datagrams after a pause of %v, want 45 at once", n, pause)
		}
	}
}
