// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"iotupd/proto"
)

// packetBytes is a datagram of the default size with its IPv6 and UDP headers.
const packetBytes = 64 + 1152 + proto.IPv6Overhead

// A waker is a clock that never wakes anybody in time.
type waker struct {
	rnd       *rand.Rand
	late      time.Duration // of every wake-up, at most
	stall     time.Duration // now and then, at most
	nextStall time.Time
}

// wakeFrom returns when somebody wakes who went to sleep at now.
func (w *waker) wakeFrom(now, at time.Time) time.Time {
	next := now.Add(time.Microsecond) // the loop itself
	if at.After(next) {
		next = at
		if w.late > 0 {
			next = next.Add(time.Duration(w.rnd.Int64N(int64(w.late))))
		}
	}
	if w.stall > 0 && now.After(w.nextStall) {
		w.nextStall = now.Add(time.Duration(w.rnd.Int64N(int64(3 * time.Second))))
		next = next.Add(time.Duration(w.rnd.Int64N(int64(w.stall))))
	}
	return next
}

var pacedRates = []int64{
	100_000, 1_000_000, 5_000_000, 8_000_000, 10_000_000, 12_000_000, 15_000_000, 20_000_000,
	50_000_000, 100_000_000, 200_000_000, 400_000_000, 1_000_000_000,
}

func TestRateHoldsOverAnyTenSecondsWhateverTheClock(t *testing.T) {
	// "Packets are due on an absolute schedule, one each I, so that a late
	// wake-up costs no rate." "At one moment at most 64 KiB leave, and at most
	// 40 ms of packets at the rate, but one packet in any case." spec.md 6.3
	clocks := map[string]waker{
		"exact":                       {},
		"precise sleep":               {late: 120 * time.Microsecond},
		"runtime timer":               {late: 1100 * time.Microsecond},
		"precise sleep, 80 ms stalls": {late: 120 * time.Microsecond, stall: 80 * time.Millisecond},
		"runtime timer, 80 ms stalls": {late: 1100 * time.Microsecond, stall: 80 * time.Millisecond},
	}
	for name, clock := range clocks {
		for _, rate := range pacedRates {
			if clock.late > time.Millisecond && rate > 400_000_000 {
				continue // 64 KiB last for less than one wake-up
			}
			for _, gather := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/rate=%d/gather=%t", name, rate, gather), func(t *testing.T) {
					clock := clock
					clock.rnd = rand.New(rand.NewPCG(uint64(rate), 1))
					checkRate(t, rate, gather, &clock)
				})
			}
		}
	}
}

// checkRate runs a pacer for 14 s and fails if a window of 10 s has more or
// less than it should, or a single moment has too much.
func checkRate(t *testing.T, rate int64, gather bool, clock *waker) {
	const (
		bin    = 20 * time.Millisecond
		window = int(10 * time.Second / bin)
		bins   = int(14 * time.Second / bin)
	)
	p := newPacer(rate, packetBytes)
	if gather {
		p.gather()
	}
	epoch := time.Unix(0, 0)
	clock.nextStall = epoch
	limit := max(1, min(int(maxBurst/p.interval), 64<<10/packetBytes))
	sent := make([]int, bins+1) // before the bin
	for now := epoch; ; now = clock.wakeFrom(now, p.wake()) {
		b := int(now.Sub(epoch) / bin)
		if b >= bins {
			break
		}
		burst := 0
		for p.ready(now) {
			p.sent(now)
			burst++
		}
		if burst > limit {
			t.Fatalf("%d packets at %v, want at most %d at one moment", burst, now.Sub(epoch), limit)
		}
		sent[b+1] += burst
	}
	for i := range bins {
		sent[i+1] += sent[i]
	}
	want := float64(rate) * 10 / (packetBytes * 8)
	for i := 0; i+window <= bins; i++ {
		got := float64(sent[i+window] - sent[i])
		if got < 0.98*want-1 || got > 1.02*want+1 {
			t.Fatalf("%.0f packets in the 10 s from %v on, want %.0f within 2 %%", got, time.Duration(i)*bin, want)
		}
	}
}

func TestAfterALongStallTheRestIsForgotten(t *testing.T) {
	// "A delay beyond 100 ms is not made up for, so that in any 10 s at most 1 %
	// more than the rate is sent." spec.md 6.3
	const rate = 10_000_000
	p := newPacer(rate, packetBytes)
	now := time.Unix(0, 0)
	p.ready(now)
	p.sent(now)
	now = now.Add(time.Hour)
	end := now.Add(10 * time.Second)
	n := 0
	for ; now.Before(end); now = p.wake() {
		for p.ready(now) {
			p.sent(now)
			n++
		}
	}
	if most := 10.1 * rate / (packetBytes * 8); float64(n) > most+1 {
		t.Errorf("%d packets in the 10 s after a stall of an hour, want at most %.0f", n, most)
	}
}

func TestANegativeRateIsUnlimited(t *testing.T) {
	p := newPacer(-1, packetBytes)
	now := time.Unix(0, 0)
	for range 100_000 {
		if !p.ready(now) {
			t.Fatal("an unpaced sender has to wait")
		}
		p.sent(now)
	}
}

func TestWakeUpsAreFew(t *testing.T) {
	// "waking for every packet would cost more than sending it"
	for _, test := range []struct {
		rate   int64
		gather bool
		most   int // in a second
	}{
		{1_000_000_000, false, 5500},
		{1_000_000_000, true, 3000}, // 3/4 of 64 KiB each
		{100_000_000, true, 350},    // 32 packets each
		{16_000_000, true, 60},      // 20 ms each
		{200_000, true, 30},         // a packet each
	} {
		p := newPacer(test.rate, packetBytes)
		if test.gather {
			p.gather()
		}
		start := time.Unix(0, 0)
		wakes := 0
		for now := start; now.Before(start.Add(time.Second)); now = p.wake() {
			for p.ready(now) {
				p.sent(now)
			}
			wakes++
		}
		if wakes > test.most {
			t.Errorf("%d wake-ups in a second at %d bit/s, gathering %t, want at most %d", wakes, test.rate, test.gather, test.most)
		}
	}
}
