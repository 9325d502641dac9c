// SPDX-License-Identifier: GPL-2.0-or-later

package sender_test

import (
	"testing"
	"time"

	"iotupd/proto"
	"iotupd/sender"
)

// A cable is a Queue in virtual time: what was written leaves at a rate, and
// writes wait where there is no room.
type cable struct {
	*wire
	rate    float64 // bytes/s
	bytes   float64 // that wait
	at      time.Time
	room    float64 // 0: any number of bytes
	longest time.Duration
	waited  time.Duration
	unknown bool
}

func (c *cable) leave() {
	now := time.Now()
	c.bytes = max(0, c.bytes-c.rate*now.Sub(c.at).Seconds())
	c.at = now
}

// WriteSegments implements [sender.Conn].
func (c *cable) WriteSegments(b []byte, segment int) error {
	c.leave()
	if over := c.bytes + float64(len(b)) - c.room; c.room > 0 && over > 0 {
		d := time.Duration(over / c.rate * float64(time.Second))
		time.Sleep(d)
		c.waited += d
		c.leave()
	}
	c.bytes += float64(len(b))
	c.longest = max(c.longest, time.Duration(c.bytes/c.rate*float64(time.Second)))
	return c.wire.WriteSegments(b, segment)
}

// Waiting implements [sender.Queue].
func (c *cable) Waiting() int {
	if c.unknown {
		return -1
	}
	c.leave()
	return int(c.bytes)
}

// Dropped implements [sender.Queue].
func (c *cable) Dropped() uint64 { return 0 }

// Waited implements [sender.Queue].
func (c *cable) Waited() time.Duration { return c.waited }

// runCable sends for some seconds, and returns the last report.
func runCable(t *testing.T, w *wire, c *cable, d time.Duration) (last sender.Progress) {
	t.Helper()
	c.wire, c.at = w, time.Now()
	end := time.Now().Add(d)
	enough := errEnded{}
	err := sender.Run(t.Context(), w.c.s, c, sender.RunOptions{Report: func(now time.Time, p sender.Progress) error {
		last = p
		if now.After(end) {
			return enough
		}
		return nil
	}})
	if err != enough {
		t.Errorf("Run returned %v", err)
	}
	return last
}

type errEnded struct{}

func (errEnded) Error() string { return "ended" }

func TestWithoutARateTheQueueSetsThePace(t *testing.T) {
	// "If negative, there is none: Run sends what the interface takes"
	const rate = 2e6 // bytes/s
	inBubble(t, sender.Config{Rate: -1}, func(t *testing.T, w *wire) {
		c, start := &cable{rate: rate}, time.Now()
		p := runCable(t, w, c, 3*time.Second)
		sent := float64(len(w.sent)*w.c.s.DatagramLen()) / time.Since(start).Seconds()
		if sent < 0.95*rate || c.longest > 20*time.Millisecond {
			t.Errorf("%.0f bytes/s of %.0f, and what waited took %v", sent, rate, c.longest)
		}
		if p.Bound != sender.ByLink {
			t.Errorf("bound by %d, want the link", p.Bound)
		}
		// "A sender without a rate of its own [...] states in its packets the rate that
		// it had in the last second, and until then none" spec.md 6.3
		if first := w.sent[0].Path.Rate; first != 0 {
			t.Errorf("the first packet states the rate %v, want none", first)
		}
		ip := 8 * sent / float64(w.c.s.DatagramLen()) * float64(w.c.s.DatagramLen()+proto.IPv6Overhead)
		stated := float64(w.sent[len(w.sent)-1].Path.Rate.BitsPerSecond())
		if stated < ip/1.1 || stated > ip*1.1 { // nearest of its values
			t.Errorf("the last packet states the rate %.0f, want %.0f", stated, ip)
		}
	})
}

func TestTheRateOfTheLinkIsNotExceeded(t *testing.T) {
	inBubble(t, sender.Config{Rate: -1, LinkRate: 10_000_000}, func(t *testing.T, w *wire) {
		c, start := &cable{rate: 1e12}, time.Now()
		p := runCable(t, w, c, 5*time.Second)
		frame := w.c.s.DatagramLen() + proto.IPv6Overhead + 38 // of Ethernet
		if bits := float64(8*len(w.sent)*frame) / time.Since(start).Seconds(); bits < 9_800_000 || bits > 10_100_000 {
			t.Errorf("%.0f bit/s on the link, want 10 Mbit/s", bits)
		}
		if p.Bound != sender.ByRate {
			t.Errorf("bound by %d, want nothing but the link's rate", p.Bound)
		}
	})
}

func TestARateThatTheLinkDoesNotTake(t *testing.T) {
	for _, unknown := range []bool{false, true} {
		inBubble(t, sender.Config{Rate: 20_000_000}, func(t *testing.T, w *wire) {
			p := runCable(t, w, &cable{rate: 1e6, room: 100_000, unknown: unknown}, 3*time.Second)
			if p.Bound != sender.ByLink {
				t.Errorf("bound by %d, want the link", p.Bound)
			}
		})
	}
	inBubble(t, sender.Config{Rate: 2_000_000}, func(t *testing.T, w *wire) {
		p := runCable(t, w, &cable{rate: 1e6, room: 100_000}, 3*time.Second)
		if p.Bound != sender.ByRate {
			t.Errorf("bound by %d, want the rate asked for", p.Bound)
		}
	})
}
