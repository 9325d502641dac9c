// SPDX-License-Identifier: GPL-2.0-or-later

package simnet

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

// first64 returns the first outcomes, the first packet in the lowest bit, and
// how many of n packets are lost.
func first64(s *Stream, n int) (outcomes uint64, lost int) {
	for i := range n {
		if s.Lost() {
			lost++
			if i < 64 {
				outcomes |= 1 << i
			}
		}
	}
	return outcomes, lost
}

// Published results name only model and seed, so the outcomes must never change.
func TestGoldenOutcomes(t *testing.T) {
	most := Key{Seed: math.MaxUint64, Trial: math.MaxUint64, Receiver: math.MaxUint64}
	tests := []struct {
		loss     string
		key      Key
		outcomes uint64
		packets  int
		lost     int
	}{
		{"bernoulli:50%", Key{}, 0xf19c68a4c26403b7, 1_000_000, 499340},
		{"bernoulli:50%", Key{Seed: 1}, 0x9b91ace533aabfa9, 1_000_000, 500443},
		{"bernoulli:50%", Key{Trial: 1}, 0x6c355c9b063fcfc2, 1_000_000, 500128},
		{"bernoulli:50%", Key{Receiver: 1}, 0xff2bf7c5e16bcd02, 1_000_000, 499793},
		{"bernoulli:5%", Key{Seed: 1, Trial: 2, Receiver: 3}, 0x3000020002000000, 1_000_000, 50017},
		{"bernoulli:0.001", most, 0, 1_000_000, 960},
		{"gilbert:10%,burst=5", Key{}, 0x3ff, 100_000, 10162},
		{"gilbert:40%,burst=2.5", Key{Seed: 1, Trial: 2, Receiver: 3}, 0xb821fe801e030028, 100_000, 39547},
		{"gilbert:33.3%,burst=20", most, 0xffff000000000000, 100_000, 32670},
		{"ge:p=10%,r=20%,h=30%,k=95%", Key{}, 0x1fc8205419, 100_000, 26985},
		{"ge:p=1%,r=10%,h=0%,k=100%", Key{Seed: 1, Trial: 2, Receiver: 3}, 0xc000000000000000, 100_000, 8906},
		{"ge:p=1%,r=10%,h=50%,k=99.9%", most, 0x2c6e000000, 100_000, 4874},
		{"periodic:20", Key{}, 0x1000010000100001, 100_000, 5000},
		{"periodic:7", most, 0x1020408102040810, 100_000, 14286},
		{"trace:field", Key{}, 0xec000ec000ec00, 100_000, 25000},
		{"trace:begins", most, 0xc6318c6318c6318c, 100_000, 40000},
		{"mix:50%*bernoulli:50%+50%*gilbert:50%,burst=8", Key{}, 0xe7f00800000c03ff, 100_000, 50098},
		{"mix:50%*bernoulli:50%+50%*gilbert:50%,burst=8", Key{Receiver: 1}, 0xfe3fffffffff8100, 100_000, 50089},
		{"mix:50%*bernoulli:50%+50%*gilbert:50%,burst=8", Key{Receiver: 2}, 0xe6509eb1e419afbe, 100_000, 49921},
	}
	for _, test := range tests {
		outcomes, lost := first64(mustRead(t, test.loss).Stream(test.key), test.packets)
		if outcomes != test.outcomes || lost != test.lost {
			t.Errorf("%s %+v: got {%#x, %d}, want {%#x, %d}", test.loss, test.key, outcomes, lost, test.outcomes, test.lost)
		}
	}
}

func TestNoneAndAllAreExact(t *testing.T) {
	const n = 100_000
	for loss, want := range map[string]int{
		"none": 0, "bernoulli:0%": 0, "gilbert:0%,burst=5": 0, "ge:p=0%": 0, "trace:one": 0,
		"bernoulli:100%": n, "ge:p=100%,r=0%": n, "ge:p=5%,h=0%,k=0%": n, "periodic:1": n,
	} {
		if _, got := first64(mustRead(t, loss).Stream(Key{Seed: 1}), n); got != want {
			t.Errorf("%s: %d of %d are lost, want %d", loss, got, n, want)
		}
	}
}

// wantShare fails if a binomial count lies 5 sigma from n*p, where one in two
// million does. The seeds are fixed, so it fails always or never.
func wantShare(t *testing.T, what string, got, n, p float64) {
	t.Helper()
	if within := 5 * math.Sqrt(n*p*(1-p)); math.Abs(got-n*p) > within {
		t.Errorf("%s: got %.0f of %.0f, want %.0f +- %.0f", what, got, n, n*p, within)
	}
}

// What becomes of a packet depends on the one before it as the parameters say,
// and on nothing else: not on the one before that.
func TestChainsHaveTheirShares(t *testing.T) {
	const n = 1_000_000
	for _, test := range []struct {
		loss                     string
		afterReceived, afterLost float64
	}{
		{"bernoulli:0.1%", 0.001, 0.001},
		{"bernoulli:5%", 0.05, 0.05},
		{"bernoulli:50%", 0.5, 0.5},
		{"bernoulli:97.5%", 0.975, 0.975},
		{"gilbert:10%,burst=5", 0.1 / 5 / 0.9, 0.8},
		{"gilbert:30%,burst=1", 0.3 / 0.7, 0},
		{"gilbert:75%,burst=4", 0.75, 0.75},
		{"gilbert:20%,burst=100", 0.2 / 100 / 0.8, 0.99},
	} {
		s := mustRead(t, test.loss).Stream(Key{Seed: 7})
		var all, lost [4]float64 // by the two packets before
		before := 0
		for range n {
			all[before]++
			now := 0
			if s.Lost() {
				now = 1
				lost[before]++
			}
			before = before<<1&2 | now
		}
		for before, want := range []float64{test.afterReceived, test.afterLost, test.afterReceived, test.afterLost} {
			wantShare(t, test.loss+": losses after "+[]string{"rr", "rl", "lr", "ll"}[before], lost[before], all[before], want)
		}
	}
}

// The states of Gilbert and Elliott are hidden, but show in how often two packets
// at a distance are both lost: what they have in common decays by 1-p-r a packet.
func TestElliottHasItsShares(t *testing.T) {
	const streams, n = 500, 2000
	distances := []int{0, 1, 2, 5, 20}
	for _, test := range []struct {
		loss       string
		p, r, h, k float64
	}{
		{"ge:p=1%,r=10%,h=50%,k=99.9%", 0.01, 0.1, 0.5, 0.999},
		{"ge:p=20%,r=30%,h=10%,k=80%", 0.2, 0.3, 0.1, 0.8},
		{"ge:p=90%,r=80%,h=0%,k=90%", 0.9, 0.8, 0, 0.9},
		{"ge:p=0.5%,r=2%,h=40%,k=100%", 0.005, 0.02, 0.4, 1},
	} {
		l := mustRead(t, test.loss)
		pairs := make([]samples, len(distances))
		for receiver := range uint64(streams) {
			s := l.Stream(Key{Seed: 7, Receiver: receiver})
			var lost [n]bool
			for i := range lost {
				lost[i] = s.Lost()
			}
			for j, distance := range distances {
				both := 0.0
				for i := distance; i < n; i++ {
					if lost[i] && lost[i-distance] {
						both++
					}
				}
				pairs[j].add(both / float64(n-distance))
			}
		}
		bad, mean := test.p/(test.p+test.r), l.MeanLoss()
		common := (test.k - test.h) * (test.k - test.h) * bad * (1 - bad)
		pairs[0].wantMean(t, test.loss+": losses", mean)
		for j, distance := range distances[1:] {
			want := mean*mean + common*math.Pow(1-test.p-test.r, float64(distance))
			pairs[j+1].wantMean(t, test.loss+": pairs of losses", want)
		}
	}
}

// samples are of independent streams.
type samples struct{ n, sum, squares float64 }

func (s *samples) add(x float64) { s.n, s.sum, s.squares = s.n+1, s.sum+x, s.squares+x*x }

func (s *samples) wantMean(t *testing.T, what string, want float64) {
	t.Helper()
	mean := s.sum / s.n
	if within := 5 * math.Sqrt((s.squares/s.n-mean*mean)/s.n); math.Abs(mean-want) > within {
		t.Errorf("%s: the mean is %v, want %v +- %v", what, mean, want, within)
	}
}

func TestPeriodicLosesEveryNth(t *testing.T) {
	const n, streams = 20, 2000
	l := mustRead(t, "periodic:20")
	var phases [n]float64
	for receiver := range uint64(streams) {
		s := l.Stream(Key{Receiver: receiver})
		first := 0
		for !s.Lost() {
			first++
		}
		phases[first]++
		for i := 1; i <= 10*n; i++ {
			if s.Lost() != (i%n == 0) {
				t.Fatalf("receiver %d: wrong fate of packet %d after the first loss", receiver, i)
			}
		}
	}
	for phase, got := range phases {
		wantShare(t, fmt.Sprintf("streams whose first loss is packet %d", phase), got, streams, 1.0/n)
	}
}

// The outcomes are the file's, rotated to some place in it.
func TestTraceIsRepeated(t *testing.T) {
	for name, file := range map[string]string{"field": "..........XX.XXX....", "begins": "X...X", "one": "."} {
		l, streams := mustRead(t, "trace:"+name), uint64(200*len(file))
		places := make([]float64, len(file))
		for receiver := range streams {
			s := l.Stream(Key{Receiver: receiver})
			var got strings.Builder
			for range 3 * len(file) {
				got.WriteByte(".X"[bit(s.Lost())])
			}
			place := strings.Index(file+file, got.String()[:len(file)])
			if place < 0 || got.String() != strings.Repeat(got.String()[:len(file)], 3) {
				t.Fatalf("%s for receiver %d: got %v, want %v again and again", name, receiver, got.String(), file)
			}
			places[place]++
		}
		for place, got := range places {
			wantShare(t, fmt.Sprintf("streams of %s that begin at packet %d", name, place), got, float64(streams), 1/float64(len(file)))
		}
	}
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Whoever joins late meets the same network: the loss of the n-th packet, over
// many receivers, is the mean for every n.
func TestStreamsBeginInTheSteadyState(t *testing.T) {
	const streams = 20_000
	for _, loss := range []string{
		"bernoulli:5%", "gilbert:10%,burst=5", "gilbert:30%,burst=100", "ge:p=1%,r=10%,h=50%,k=99.9%", "ge:p=60%,r=70%,h=10%,k=99%",
		"periodic:20", "trace:field", "mix:80%*bernoulli:1%+20%*gilbert:15%,burst=8",
	} {
		l := mustRead(t, loss)
		var lost [10]float64
		for receiver := range uint64(streams) {
			s := l.Stream(Key{Seed: 3, Receiver: receiver})
			for i := range lost {
				lost[i] += float64(bit(s.Lost()))
			}
		}
		for i, got := range lost {
			wantShare(t, fmt.Sprintf("%s: streams that lose packet %d", loss, i), got, streams, l.MeanLoss())
		}
	}
}

// A receiver of a mix is one of its parts, with the losses that it would have
// under this part alone.
func TestMixDrawsOnePartAStream(t *testing.T) {
	const streams = 5000
	parts := []Loss{mustRead(t, "bernoulli:1%"), mustRead(t, "gilbert:15%,burst=8"), {}}
	mix := mustRead(t, "mix:70%*bernoulli:1%+20%*gilbert:15%,burst=8+10%*none")
	count := make(map[float64]float64)
	for receiver := range uint64(streams) {
		s := mix.Stream(Key{Seed: 5, Receiver: receiver})
		count[s.MeanLoss()]++
		for _, part := range parts {
			if part.MeanLoss() == s.MeanLoss() {
				alone := part.Stream(Key{Seed: 5, Receiver: receiver})
				for i := range 100 {
					if s.Lost() != alone.Lost() {
						t.Fatalf("receiver %d: packet %d has another fate than under %v alone", receiver, i, part)
					}
				}
			}
		}
	}
	for mean, share := range map[float64]float64{0.01: 0.7, 0.15: 0.2, 0: 0.1} {
		wantShare(t, fmt.Sprintf("streams with mean loss %v", mean), count[mean], streams, share)
	}
}

func TestKeysAreIndependent(t *testing.T) {
	const n = 100_000
	keys := []Key{
		{}, {Seed: 1}, {Trial: 1}, {Receiver: 1}, {Seed: 1, Trial: 1}, {Seed: 1, Receiver: 1}, {Receiver: 2},
		{Seed: 1 << 63}, {Trial: 1 << 63}, {Receiver: 1 << 63},
	}
	l := mustRead(t, "bernoulli:50%")
	for i, a := range keys {
		for _, b := range keys[:i] {
			sa, sb := l.Stream(a), l.Stream(b)
			agree := 0.0
			for range n {
				if sa.Lost() == sb.Lost() {
					agree++
				}
			}
			wantShare(t, "outcomes that agree", agree, n, 0.5)
		}
	}
}

// Two receivers lose the same packet as often as chance wants it.
func TestReceiversAreIndependent(t *testing.T) {
	const pairs, n = 500, 1000
	for _, loss := range []string{"gilbert:40%,burst=5", "ge:p=20%,r=30%,h=10%,k=80%", "trace:field", "periodic:4"} {
		l := mustRead(t, loss)
		var both samples
		for pair := range uint64(pairs) {
			a, b := l.Stream(Key{Seed: 2, Receiver: 2 * pair}), l.Stream(Key{Seed: 2, Receiver: 2*pair + 1})
			count := 0.0
			for range n {
				count += float64(bit(a.Lost()) & bit(b.Lost()))
			}
			both.add(count / n)
		}
		both.wantMean(t, loss+": packets that two receivers lose", l.MeanLoss()*l.MeanLoss())
	}
}

// A receiver or a scheme more shifts nothing: streams share no state.
func TestStreamsDoNotDependOnEachOther(t *testing.T) {
	for _, loss := range []string{"bernoulli:50%", "gilbert:50%,burst=3", "ge:p=20%,r=30%,h=10%,k=80%", "periodic:7", "trace:field"} {
		l, key := mustRead(t, loss), Key{Seed: 1}
		want, _ := first64(l.Stream(key), 64)
		s, other := l.Stream(key), l.Stream(Key{Seed: 1, Receiver: 1})
		got := uint64(0)
		for i := range 64 {
			other.Lost()
			got |= uint64(bit(s.Lost())) << i
			l.Stream(key).Lost()
		}
		if got != want {
			t.Errorf("%s: got %#x among others, want %#x as alone", loss, got, want)
		}
	}
}

// The rate only moves the threshold: what is lost at 5 % is lost at 10 %, too.
func TestMoreLossKeepsTheLosses(t *testing.T) {
	key := Key{Seed: 3, Trial: 1, Receiver: 4}
	few, many := mustRead(t, "bernoulli:5%").Stream(key), mustRead(t, "bernoulli:10%").Stream(key)
	for i := range 10_000 {
		if a, b := few.Lost(), many.Lost(); a && !b {
			t.Fatalf("packet %d is lost at 5 %% but not at 10 %%", i)
		}
	}
}

// Gilbert with a burst of 1/(1-p) has no memory, so it is Bernoulli, packet by
// packet.
func TestGilbertWithoutMemoryIsBernoulli(t *testing.T) {
	a, b := mustRead(t, "gilbert:50%,burst=2").Stream(Key{}), mustRead(t, "bernoulli:50%").Stream(Key{})
	for i := range 10_000 {
		if a.Lost() != b.Lost() {
			t.Fatalf("they differ at packet %d", i)
		}
	}
}

var kinds = []string{
	"none", "bernoulli:5%", "gilbert:10%,burst=5", "ge:p=1%,r=10%,h=50%,k=99.9%", "periodic:20", "trace:field",
	"mix:80%*bernoulli:1%+20%*gilbert:15%,burst=8",
}

func TestLostDoesNotAllocate(t *testing.T) {
	for _, loss := range kinds {
		s := mustRead(t, loss).Stream(Key{})
		if got := testing.AllocsPerRun(1000, func() { s.Lost() }); got != 0 {
			t.Errorf("%s: got %v allocations, want 0", loss, got)
		}
	}
}

func BenchmarkLost(b *testing.B) {
	for _, loss := range kinds {
		b.Run(loss, func(b *testing.B) {
			s := mustRead(b, loss).Stream(Key{})
			b.ReportAllocs()
			for b.Loop() {
				s.Lost()
			}
		})
	}
}
