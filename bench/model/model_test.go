// SPDX-License-Identifier: GPL-2.0-or-later

package model

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// unfinishedGroup is the definition: the shards of a group are independent, and
// shard i of n is missing with probability p to the power of how often it was sent.
func unfinishedGroup(k, n, packets int, loss float64) float64 {
	held := make([]float64, n+1) // held[h]: probability of h shards
	held[0] = 1
	for i := range n {
		sent := packets / n
		if i < packets%n {
			sent++
		}
		missing := math.Pow(loss, float64(sent))
		for h := i + 1; h >= 0; h-- {
			held[h] *= missing
			if h > 0 {
				held[h] += held[h-1] * (1 - missing)
			}
		}
	}
	p := 0.0
	for h := range k {
		p += held[h]
	}
	return p
}

func TestAGroupMissesWhatTwoBinomialsSay(t *testing.T) {
	for _, g := range []Groups{{1, 0, 1}, {1, 3, 1}, {5, 0, 1}, {5, 3, 1}, {20, 40, 1}} {
		for _, loss := range []float64{0, 0.01, 0.3, 0.95} {
			m := completion(t, g, loss)
			for s := range 4 * (g.K + g.M) {
				got, want := m.Unfinished(int64(s)), unfinishedGroup(g.K, g.K+g.M, s, loss)
				if math.Abs(got-want) > 1e-12 {
					t.Fatalf("%+v, loss %g, %d packets: got %g, want %g", g, loss, s, got, want)
				}
			}
		}
	}
}

// simulate sends the packets of a scheme to a receiver that joins at a random
// place. next returns the group and the shard at a position.
func simulate(rnd *rand.Rand, g Groups, loss float64, next func(pos int64) (group, shard int64)) int64 {
	n := int64(g.K + g.M)
	held := make(map[[2]int64]bool)
	count := make([]int, g.Count)
	left := g.Count
	join := rnd.Int64N(n * g.Count)
	for s := int64(0); ; s++ {
		group, shard := next(join + s)
		if rnd.Float64() < loss || held[[2]int64{group, shard}] {
			continue
		}
		held[[2]int64{group, shard}] = true
		if count[group]++; count[group] == g.K {
			if left--; left == 0 {
				return s + 1
			}
		}
	}
}

func TestGroupsAgreeWithPacketsSentOneByOne(t *testing.T) {
	const seed, trials = 1, 20000
	rnd := rand.New(rand.NewPCG(seed, 0))
	for _, g := range []Groups{{4, 2, 3}, {10, 10, 2}, {6, 0, 1}} {
		for _, loss := range []float64{0.1, 0.6} {
			m := completion(t, g, loss)
			p90, late := m.Quantile(0.9), 0
			sum, squares := 0.0, 0.0
			for range trials {
				s := simulate(rnd, g, loss, func(pos int64) (int64, int64) {
					return pos % g.Count, pos / g.Count % int64(g.K+g.M)
				})
				sum += float64(s)
				squares += float64(s) * float64(s)
				if s > p90 {
					late++
				}
			}
			mean := sum / trials
			sigma := math.Sqrt((squares/trials - mean*mean) / trials)
			if got := m.Mean(); math.Abs(got-mean) > 4*sigma {
				t.Errorf("-seed=%d %+v, loss %g: mean %.3f, simulated %.3f +- %.3f", seed, g, loss, got, mean, sigma)
			}
			got, want := float64(late)/trials, m.Unfinished(p90)
			if math.Abs(got-want) > 4*math.Sqrt(want*(1-want)/trials) {
				t.Errorf("-seed=%d %+v, loss %g: unfinished at p90 %.4f, simulated %.4f", seed, g, loss, want, got)
			}
		}
	}
}

func TestRepeatSendsAShardSeveralTimes(t *testing.T) {
	const loss = 0.4
	for _, r := range []Repeat{{1, 1}, {1, 4}, {5, 3}} {
		m := completion(t, r, loss)
		for s := range int64(40) {
			done := 1.0
			for shard := range r.Shards {
				sent := 0
				for i := range s {
					if i/int64(r.Times)%r.Shards == shard {
						sent++
					}
				}
				done *= 1 - math.Pow(loss, float64(sent))
			}
			if got, want := m.Unfinished(s), 1-done; math.Abs(got-want) > 1e-12 {
				t.Errorf("%+v, %d packets: got %g, want %g", r, s, got, want)
			}
		}
	}
}

func TestAPlainLoopIsOneLoop(t *testing.T) {
	a := completion(t, Groups{K: 400, Count: 3}, 0.2)
	b := completion(t, Repeat{Shards: 1200, Times: 1}, 0.2)
	for s := int64(0); s < 12000; s += 7 {
		if got, want := a.Unfinished(s), b.Unfinished(s); math.Abs(got-want) > 1e-12 {
			t.Fatalf("%d packets: groups without parity %g, repeated once %g", s, got, want)
		}
	}
}

func TestFountainNeedsTheBound(t *testing.T) {
	for _, shards := range []int64{1, 1000, 1e6} {
		for _, loss := range []float64{0, 0.1, 0.95} {
			m := completion(t, Fountain{shards}, loss)
			if got := m.Inefficiency(m.Mean()); math.Abs(got-1) > 1e-5 {
				t.Errorf("%d shards, loss %g: mean inefficiency %g, want 1", shards, loss, got)
			}
		}
	}
}

func TestRaptorQFollowsItsLaw(t *testing.T) {
	m := completion(t, RaptorQ{1000}, 0)
	for over, want := range []float64{1e-2, 1e-4, 1e-6, 1e-8} {
		if got := m.Unfinished(1000 + int64(over)); math.Abs(got/want-1) > 1e-9 {
			t.Errorf("%d packets more than needed: fails with %g, want %g", over, got, want)
		}
	}
}

func TestWithoutLossNothingIsWasted(t *testing.T) {
	for _, s := range []Scheme{Groups{10, 5, 7}, Groups{1, 0, 1}, Repeat{70, 1}, Fountain{70}} {
		m := completion(t, s, 0).Slowest(1e6)
		if got := m.Mean(); got != float64(s.shards()) {
			t.Errorf("%T%v: mean %v packets, want %d", s, s, got, s.shards())
		}
		if got := m.Quantile(0.999); got != s.shards() {
			t.Errorf("%T%v: p99.9 %v packets, want %d", s, s, got, s.shards())
		}
	}
	// The last shard comes after all others were repeated.
	if got := completion(t, Repeat{10, 3}, 0).Mean(); got != 28 {
		t.Errorf("every shard thrice: mean %v packets, want 28", got)
	}
}

func TestMeanIsTheSumOfAllThatIsUnfinished(t *testing.T) {
	schemes := []Scheme{
		Groups{128, 128, 103}, Groups{32, 16, 410}, Groups{4096, 4096, 4}, Groups{20000, 5000, 1},
		Groups{1, 0, 1000}, Groups{5, 3, 2}, Repeat{1000, 1}, Repeat{1000, 3}, Fountain{10000}, RaptorQ{100000},
	}
	for _, s := range schemes {
		for _, loss := range []float64{0.001, 0.1, 0.5} {
			for _, receivers := range []int64{1, 1e6} {
				m := completion(t, s, loss).Slowest(receivers)
				want := 0.0
				begin, end := m.first(1-1e-12), m.first(1e-12)
				if testing.Short() && end-begin > 5000 {
					continue
				}
				for i := begin; i < end; i++ {
					want += m.Unfinished(i)
				}
				want += float64(begin)
				if got := m.Mean(); math.Abs(got-want) > max(0.5, 1e-5*want) {
					t.Errorf("%T%v, loss %g, %d receivers: got %.3f, want %.3f", s, s, loss, receivers, got, want)
				}
			}
		}
	}
}

func TestQuantileIsTheFirstToReachIt(t *testing.T) {
	m := completion(t, Groups{K: 64, M: 64, Count: 10}, 0.2)
	for _, q := range []float64{0.001, 0.5, 0.9, 0.99, 0.999999} {
		s := m.Quantile(q)
		if m.Unfinished(s) > 1-q || m.Unfinished(s-1) <= 1-q {
			t.Errorf("quantile %g: unfinished after %d packets %g, before %g",
				q, s, m.Unfinished(s), m.Unfinished(s-1))
		}
	}
	if last := m.Quantile(1); last < m.Quantile(0.999999) || m.Unfinished(last) != 0 {
		t.Errorf("quantile 1: unfinished after %d packets %g", last, m.Unfinished(last))
	}
	// Median of the slowest of 1000: all are done with probability 1/2.
	if got, want := m.Slowest(1000).Quantile(0.5), m.Quantile(math.Pow(0.5, 1e-3)); got != want {
		t.Errorf("median of the slowest of 1000: %d, want %d", got, want)
	}
	if got, want := m.Slowest(10).Slowest(100).Mean(), m.Slowest(1000).Mean(); got != want {
		t.Errorf("slowest of 100 times 10: %v, of 1000: %v", got, want)
	}
}

func TestExtremesStayInRange(t *testing.T) {
	for _, s := range []Scheme{
		Groups{65535, 65535, 1500}, Groups{1, 65535, 1}, Groups{1000, 250, 100000}, Repeat{1e8, 1}, RaptorQ{1e8},
	} {
		for _, loss := range []float64{0, 0.95} {
			m := completion(t, s, loss).Slowest(1e6)
			mean := m.Inefficiency(m.Mean())
			if p50 := m.Inefficiency(float64(m.Quantile(0.5))); mean < 1 || mean > 100 || math.Abs(mean/p50-1) > 0.1 {
				t.Errorf("%T%v, loss %g: mean %g, p50 %g", s, s, loss, mean, p50)
			}
		}
	}
}

func TestNewRefusesWhatItCannotCompute(t *testing.T) {
	for _, c := range []struct {
		scheme Scheme
		loss   float64
	}{
		{Fountain{10}, -0.1}, {Fountain{10}, 1}, {Fountain{10}, math.NaN()},
		{Fountain{0}, 0.1}, {Fountain{MaxShards + 1}, 0.1},
		{RaptorQ{0}, 0.1}, {Repeat{0, 1}, 0.1}, {Repeat{1, 0}, 0.1},
		{Groups{0, 1, 1}, 0.1}, {Groups{1, -1, 1}, 0.1}, {Groups{65536, 0, 1}, 0.1},
		{Groups{1, 1, 0}, 0.1}, {Groups{65535, 1, MaxShards}, 0.1},
	} {
		if _, err := New(c.scheme, c.loss); !errors.Is(err, ErrScheme) {
			t.Errorf("%T%v, loss %g: error %v, want %v", c.scheme, c.scheme, c.loss, err, ErrScheme)
		}
	}
}

// "The same bytes on every CPU": run with other GOARCH, these must be the same
// bits. arm64, ppc64le, riscv64 and s390x would fuse multiplications and additions.
func TestGoldenBits(t *testing.T) {
	for _, c := range []struct {
		scheme    Scheme
		loss      float64
		receivers int64
		want      string
	}{
		{Groups{128, 128, 103}, 0.3, 1, "0x1.20e4c993047f6p+00 21199 0x1.ffeab1d65029cp-02"},
		{Groups{200, 50, 66}, 0.1, 1e6, "0x1.47a0a00c114d8p+00 18692 0x1.ff98c5983955dp-02"},
		{Groups{4033, 4033, 13}, 0.5, 1, "0x1.09660d90c938ap+00 108614 0x1.ffb4cbf59a568p-02"},
		{Groups{7, 3, 5}, 0.95, 1000, "0x1.3ea6c8c466a83p+02 3434 0x1.ff10ccb9026p-02"},
		{Repeat{52429, 1}, 0.1, 1000, "0x1.d579db7dd1efep+02 417556 0x1.fffdbfe9223e2p-02"},
		{Repeat{1000, 3}, 0.25, 1, "0x1.297b6bb4ebbefp+02 5914 0x1.fa3d182d0e09fp-02"},
		{Fountain{52429}, 0.1, 1e6, "0x1.01bd533908518p+00 58647 0x1.fbfe521fe2304p-02"},
		{RaptorQ{100000}, 0.1, 1, "0x1.0034024d370f5p+00 111196 0x1.fe59417a6f1f6p-02"},
	} {
		m := completion(t, c.scheme, c.loss).Slowest(c.receivers)
		p50 := m.Quantile(0.5)
		got := fmt.Sprintf("%x %d %x", m.Inefficiency(m.Mean()), p50, m.Unfinished(p50))
		if got != c.want {
			t.Errorf("%T%v, loss %g, %d receivers: got %s, want %s", c.scheme, c.scheme, c.loss, c.receivers, got, c.want)
		}
	}
}

func BenchmarkCell(b *testing.B) {
	for _, c := range []struct {
		name      string
		scheme    Scheme
		loss      float64
		receivers int64
	}{
		{"loop/shards=52429/loss=0.1", Repeat{52429, 1}, 0.1, 1},
		{"k=128/m=128/groups=410/loss=0.1", Groups{128, 128, 410}, 0.1, 1},
		{"k=8192/m=8192/groups=7/loss=0.1", Groups{8192, 8192, 7}, 0.1, 1},
		{"k=26215/m=26215/groups=2/loss=0.5", Groups{26215, 26215, 2}, 0.5, 1},
		{"k=65535/m=65535/groups=1500/loss=0.95/receivers=1e6", Groups{65535, 65535, 1500}, 0.95, 1e6},
		{"raptorq/symbols=52429/loss=0.1", RaptorQ{52429}, 0.1, 1},
		{"fountain/shards=52429/loss=0.1", Fountain{52429}, 0.1, 1},
		{"fountain/shards=1e8/loss=0.1/receivers=1e6", Fountain{1e8}, 0.1, 1e6},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				m := completion(b, c.scheme, c.loss).Slowest(c.receivers)
				m.Mean()
				m.Quantile(0.5)
				m.Quantile(0.9)
				m.Quantile(0.99)
			}
		})
	}
}
