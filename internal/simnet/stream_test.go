// SPDX-License-Identifier: GPL-2.0-or-later

package simnet

import (
	"math"
	"testing"
)

func mustParse(t testing.TB, s string) Loss {
	t.Helper()
	l, err := ParseLoss(s)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// first64 returns the first outcomes, the first packet in the lowest bit, and
// how many of a million packets are lost.
func first64(s *Stream) (outcomes uint64, lost int) {
	for i := range 1_000_000 {
		if s.Lost() {
			lost++
			if i < 64 {
				outcomes |= 1 << i
			}
		}
	}
	return outcomes, lost
}

// Published results name only model and seed, so the outcomes are frozen.
func TestOutcomesAreFrozen(t *testing.T) {
	tests := []struct {
		loss     string
		key      Key
		outcomes uint64
		lost     int
	}{
		{"bernoulli:50%", Key{}, 0xf19c68a4c26403b7, 499340},
		{"bernoulli:50%", Key{Seed: 1}, 0x9b91ace533aabfa9, 500443},
		{"bernoulli:50%", Key{Trial: 1}, 0x6c355c9b063fcfc2, 500128},
		{"bernoulli:50%", Key{Receiver: 1}, 0xff2bf7c5e16bcd02, 499793},
		{"bernoulli:5%", Key{Seed: 1, Trial: 2, Receiver: 3}, 0x3000020002000000, 50017},
		{"bernoulli:0.001", Key{Seed: math.MaxUint64, Trial: math.MaxUint64, Receiver: math.MaxUint64}, 0, 960},
	}
	for _, test := range tests {
		outcomes, lost := first64(mustParse(t, test.loss).Stream(test.key))
		if outcomes != test.outcomes || lost != test.lost {
			t.Errorf("%s %+v: got {%#x, %d}, want {%#x, %d}", test.loss, test.key, outcomes, lost, test.outcomes, test.lost)
		}
	}
}

func TestNoneAndAllAreExact(t *testing.T) {
	for loss, want := range map[string]int{"none": 0, "bernoulli:0%": 0, "bernoulli:100%": 1_000_000} {
		if _, got := first64(mustParse(t, loss).Stream(Key{Seed: 1})); got != want {
			t.Errorf("%s: %d of a million are lost, want %d", loss, got, want)
		}
	}
}

func TestBernoulliLosesItsShareWithoutMemory(t *testing.T) {
	const n = 1_000_000
	for loss, p := range map[string]float64{"bernoulli:0.1%": 0.001, "bernoulli:5%": 0.05, "bernoulli:50%": 0.5, "bernoulli:97.5%": 0.975} {
		s := mustParse(t, loss).Stream(Key{Seed: 7})
		var single, pairs float64
		last := false
		for range n {
			lost := s.Lost()
			if lost {
				single++
				if last {
					pairs++
				}
			}
			last = lost
		}
		within5Sigma(t, loss+": losses", single, n, p)
		within5Sigma(t, loss+": losses after a loss", pairs, single, p)
	}
}

// within5Sigma fails if a binomial count lies where one in two million does.
// The seeds are fixed, so it fails always or never.
func within5Sigma(t *testing.T, what string, got, n, p float64) {
	t.Helper()
	if sigma := math.Sqrt(n * p * (1 - p)); math.Abs(got-n*p) > 5*sigma {
		t.Errorf("%s: got %.0f of %.0f, want %.0f +- %.0f", what, got, n, n*p, 5*sigma)
	}
}

func TestKeysAreIndependent(t *testing.T) {
	const n = 100_000
	l := mustParse(t, "bernoulli:50%")
	keys := []Key{
		{}, {Seed: 1}, {Trial: 1}, {Receiver: 1}, {Seed: 1, Trial: 1}, {Seed: 1, Receiver: 1}, {Receiver: 2},
		{Seed: 1 << 63}, {Trial: 1 << 63}, {Receiver: 1 << 63},
	}
	for i, a := range keys {
		for _, b := range keys[:i] {
			sa, sb := l.Stream(a), l.Stream(b)
			agree := 0.0
			for range n {
				if sa.Lost() == sb.Lost() {
					agree++
				}
			}
			within5Sigma(t, "outcomes that agree", agree, n, 0.5)
		}
	}
}

// The rate only moves the threshold: what is lost at 5 % is lost at 10 %, too.
func TestMoreLossKeepsTheLosses(t *testing.T) {
	key := Key{Seed: 3, Trial: 1, Receiver: 4}
	few, many := mustParse(t, "bernoulli:5%").Stream(key), mustParse(t, "bernoulli:10%").Stream(key)
	for i := range 10_000 {
		if a, b := few.Lost(), many.Lost(); a && !b {
			t.Fatalf("packet %d is lost at 5 %% but not at 10 %%", i)
		}
	}
}

func TestLostDoesNotAllocate(t *testing.T) {
	s := mustParse(t, "bernoulli:5%").Stream(Key{})
	if got := testing.AllocsPerRun(1000, func() { s.Lost() }); got != 0 {
		t.Errorf("got %v allocations, want 0", got)
	}
}

func BenchmarkLost(b *testing.B) {
	s := mustParse(b, "bernoulli:5%").Stream(Key{})
	b.ReportAllocs()
	for b.Loop() {
		s.Lost()
	}
}
