// SPDX-License-Identifier: GPL-2.0-or-later

package simnet

import (
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"testing"
	"time"
)

const ms = time.Millisecond

func mustLink(t testing.TB, cfg LinkConfig, key Key) *Link {
	t.Helper()
	l, err := NewLink(cfg, key)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// wantArrivals sends packets of 1250 bytes, 10,000 bits, at times in ms.
func wantArrivals(t *testing.T, cfg LinkConfig, sent []int, want string) {
	t.Helper()
	l := mustLink(t, cfg, Key{Seed: 1})
	var got []string
	for _, at := range sent {
		got = append(got, fmt.Sprint(l.Send(time.Duration(at)*ms, 1250)))
	}
	if fmt.Sprint(got) != want {
		t.Errorf("%+v: got %v, want %v", cfg, got, want)
	}
}

func TestLinkKeepsItsTimes(t *testing.T) {
	// The zero link delivers at once.
	wantArrivals(t, LinkConfig{}, []int{0, 0, 5}, "[[0s] [0s] [5ms]]")
	wantArrivals(t, LinkConfig{Delay: 3 * ms}, []int{0, 0, 5}, "[[3ms] [3ms] [8ms]]")
	// Behind the bottleneck packets come one by one; it sends 10,000 bits in 1 ms.
	wantArrivals(t, LinkConfig{Rate: 1e7}, []int{0, 0, 0, 10}, "[[1ms] [2ms] [3ms] [11ms]]")
	wantArrivals(t, LinkConfig{Rate: 1e7, Delay: 5 * ms}, []int{0, 0}, "[[6ms] [7ms]]")
	// A packet has left the queue of two when the bottleneck has sent it.
	wantArrivals(t, LinkConfig{Rate: 1e7, Queue: 2}, []int{0, 0, 0, 1, 1, 9, 9, 9}, "[[1ms] [2ms] [] [3ms] [] [10ms] [11ms] []]")
	wantArrivals(t, LinkConfig{Rate: 1e7, Queue: 1}, []int{0, 0, 1, 2}, "[[1ms] [] [2ms] [3ms]]")
	wantArrivals(t, LinkConfig{Queue: 1}, []int{0, 0}, "[[0s] [0s]]") // no bottleneck, no queue
	// The queue is ahead of the loss.
	wantArrivals(t, LinkConfig{Rate: 1e7, Loss: mustRead(t, "periodic:1")}, []int{0, 0}, "[[] []]")
	wantArrivals(t, LinkConfig{Duplicate: Certain, Delay: ms}, []int{0, 1}, "[[1ms 1ms] [2ms 2ms]]")
	wantArrivals(t, LinkConfig{Reorder: Certain, HoldUp: 2 * ms, Delay: ms}, []int{0, 1}, "[[3ms] [4ms]]")
	wantArrivals(t, LinkConfig{Reorder: Certain, HoldUp: 2 * ms, Duplicate: Certain}, []int{0}, "[[2ms 0s]]")
}

// Fractions of a nanosecond are not lost: after a second, a rate that divides
// nothing has sent what it should.
func TestLinkKeepsItsRateExactly(t *testing.T) {
	const rate, size = 7_777_777, 1001
	l := mustLink(t, LinkConfig{Rate: rate}, Key{})
	for i := range 100_000 {
		got := l.Send(0, size)[0]
		bits := uint64(i+1) * size * 8
		if want := time.Duration(bits * 1e9 / rate); got != want {
			t.Fatalf("packet %d: got %d ns, want %d", i, got, want)
		}
	}
}

func TestLinkHasItsShares(t *testing.T) {
	const n = 100_000
	const gap = 100 * ms // nothing waits for anything
	l := mustLink(t, LinkConfig{
		Delay: 10 * ms, Jitter: 4 * ms, Loss: mustRead(t, "bernoulli:5%"),
		Reorder: 2 * Percent, HoldUp: 30 * ms, Duplicate: 3 * Percent,
	}, Key{Seed: 9})
	var arrived, held, copies float64
	var delay samples
	for i := range n {
		now := time.Duration(i) * gap
		arrivals := slices.Clone(l.Send(now, 1250))
		if len(arrivals) == 0 {
			continue
		}
		arrived++
		copies += float64(len(arrivals) - 1)
		if arrivals[0] > now+14*ms {
			held++
			arrivals[0] -= 30 * ms
		}
		for _, at := range arrivals {
			if at < now+10*ms || at > now+14*ms {
				t.Fatalf("packet %d arrives after %v", i, at-now)
			}
		}
		delay.add(float64(arrivals[0] - now))
	}
	wantShare(t, "packets that arrive", arrived, n, 0.95)
	wantShare(t, "packets that are held up", held, arrived, 0.02)
	wantShare(t, "packets of which a copy arrives", copies, arrived, 0.03)
	delay.wantMean(t, "delay", float64(12*ms))
}

// Jitter delays, and does not reorder.
func TestJitterKeepsTheOrder(t *testing.T) {
	l := mustLink(t, LinkConfig{Jitter: 10 * ms, Duplicate: 10 * Percent}, Key{})
	last := time.Duration(0)
	for i := range 10_000 {
		now := time.Duration(i) * ms
		for _, at := range l.Send(now, 1250) {
			if at < last || at > now+10*ms {
				t.Fatalf("packet %d arrives at %v, the one before at %v", i, at, last)
			}
			last = at
		}
	}
}

// Schemes that are compared meet the same losses, whatever the link does to
// what is not lost.
func TestLinkLosesWhatItsStreamLoses(t *testing.T) {
	loss, key := mustRead(t, "gilbert:30%,burst=3"), Key{Seed: 4, Receiver: 2}
	s := loss.Stream(key)
	bare := mustLink(t, LinkConfig{Loss: loss}, key)
	full := mustLink(t, LinkConfig{Loss: loss, Delay: ms, Jitter: ms, Reorder: Percent, HoldUp: ms, Duplicate: Percent, Rate: 1e9}, key)
	for i := range 10_000 {
		now, lost := time.Duration(i)*ms, s.Lost()
		if a, b := len(bare.Send(now, 1250)), len(full.Send(now, 1250)); (a == 0) != lost || (b == 0) != lost {
			t.Fatalf("packet %d: lost is %v, but the links deliver %d and %d", i, lost, a, b)
		}
	}
}

// Nor does one part of a link shift another.
func TestPartsOfALinkDoNotShiftEachOther(t *testing.T) {
	one := mustLink(t, LinkConfig{Duplicate: 20 * Percent}, Key{})
	all := mustLink(t, LinkConfig{Duplicate: 20 * Percent, Jitter: ms, Reorder: 20 * Percent, HoldUp: ms, Rate: 1e6}, Key{})
	for i := range 10_000 {
		if a, b := len(one.Send(0, 1250)), len(all.Send(0, 1250)); a != b {
			t.Fatalf("packet %d: %d and %d copies", i, a, b)
		}
	}
}

func TestGoldenLink(t *testing.T) {
	l := mustLink(t, LinkConfig{
		Rate: 1e7, Queue: 10, Loss: mustRead(t, "gilbert:20%,burst=3"), Delay: 20 * ms, Jitter: 7 * ms,
		Reorder: 5 * Percent, HoldUp: 15 * ms, Duplicate: 5 * Percent,
	}, Key{Seed: 1, Trial: 2, Receiver: 3})
	var first []time.Duration
	h := fnv.New64a()
	count := 0
	for i := range 10_000 {
		for _, at := range l.Send(time.Duration(i)*900*time.Microsecond, 500+i%1000) {
			if count++; len(first) < 8 {
				first = append(first, at)
			}
			fmt.Fprintln(h, i, int64(at))
		}
	}
	const wantCount, wantHash = 8088, 0x64f706171f668e70
	want := []time.Duration{27230476, 27230476, 28170271, 28170271, 28170271, 28170271, 28554512, 43554512}
	if !slices.Equal(first, want) || count != wantCount || h.Sum64() != wantHash {
		t.Errorf("got %d arrivals with hash %#x, first %d; want %d, %#x, %d", count, h.Sum64(), first, wantCount, uint64(wantHash), want)
	}
}

func TestNewLinkRefuses(t *testing.T) {
	for _, cfg := range []LinkConfig{{Rate: -1}, {Queue: -1}, {Delay: -1}, {Jitter: -1}, {HoldUp: math.MinInt64}, {Reorder: Certain + 1}, {Duplicate: math.MaxUint64}} {
		if _, err := NewLink(cfg, Key{}); err == nil {
			t.Errorf("%+v: got no error", cfg)
		}
	}
}

func TestSendDoesNotAllocate(t *testing.T) {
	l := mustLink(t, fullLink(t), Key{})
	now := time.Duration(0)
	if got := testing.AllocsPerRun(1000, func() { now += ms; l.Send(now, 1250) }); got != 0 {
		t.Errorf("got %v allocations, want 0", got)
	}
}

func fullLink(t testing.TB) LinkConfig {
	return LinkConfig{
		Rate: 1e7, Queue: 100, Loss: mustRead(t, "gilbert:10%,burst=5"), Delay: 20 * ms, Jitter: 5 * ms,
		Reorder: Percent, HoldUp: 10 * ms, Duplicate: Percent,
	}
}

func BenchmarkSend(b *testing.B) {
	for name, cfg := range map[string]LinkConfig{"loss": {Loss: mustRead(b, "bernoulli:5%")}, "all": fullLink(b)} {
		b.Run(name, func(b *testing.B) {
			l := mustLink(b, cfg, Key{})
			now := time.Duration(0)
			b.ReportAllocs()
			for b.Loop() {
				now += ms
				l.Send(now, 1250)
			}
		})
	}
}
