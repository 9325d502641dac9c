// SPDX-License-Identifier: GPL-2.0-or-later

package report

import (
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// draw returns a range with ends of any magnitude.
func draw(rnd *rand.Rand) (lo, hi float64) {
	lo = math.Pow(10, rnd.Float64()*12-5)
	return lo, lo * (1 + math.Pow(10, rnd.Float64()*9-6))
}

// Ticks ascend, enclose the values, and say what they are.
func TestTicks(t *testing.T) {
	const seed = 1
	rnd := rand.New(rand.NewPCG(seed, 0))
	for range 2000 {
		lo, hi := draw(rnd)
		n := 1 + rnd.IntN(12)
		for _, c := range []struct {
			name   string
			lo, hi float64
			scale
		}{
			{"linear", lo, hi, newLinear(lo, hi, n, " %")},
			{"linear from 0", 0, hi, newLinear(0, hi, n, "")},
			{"log", lo, hi, newLog(lo, hi)},
			{"excess", 1, 1 + hi, newExcess(1 + hi)},
		} {
			checkTicks(t, c.name, c.scale)
			slack := c.hi * 1e-8
			if c.scale.lo > c.lo+slack || c.scale.hi < c.hi-slack {
				t.Fatalf("seed %d: %s axis for %v to %v is from %v to %v", seed, c.name, c.lo, c.hi, c.scale.lo, c.scale.hi)
			}
			if most := n + 2; c.kind == linear && len(c.ticks) > most {
				t.Fatalf("seed %d: %d ticks from %v to %v, want at most %d", seed, len(c.ticks), c.lo, c.hi, most)
			}
		}
	}
}

func checkTicks(t *testing.T, name string, s scale) {
	t.Helper()
	if len(s.ticks) < 2 || !(s.lo < s.hi) {
		t.Fatalf("%s: %d ticks from %v to %v", name, len(s.ticks), s.lo, s.hi)
	}
	last := math.Inf(-1)
	for _, tick := range s.ticks {
		v, err := strconv.ParseFloat(strings.TrimSuffix(tick.label, " %"), 64)
		if err != nil || math.Abs(v-tick.value) > 1e-9*math.Abs(v) {
			t.Fatalf("%s: tick %v has label %q", name, tick.value, tick.label)
		}
		if tick.value <= last {
			t.Fatalf("%s: tick %v after %v", name, tick.value, last)
		}
		last = tick.value
	}
}

// The steps of a linear axis are 1, 2 or 5 times a power of ten.
func TestNiceStep(t *testing.T) {
	for _, c := range []struct{ least, want float64 }{
		{0.011, 0.02}, {0.02, 0.02}, {0.3, 0.5}, {0.51, 1}, {1, 1}, {12, 20}, {21, 50}, {51, 100}, {1e-12, 1e-9}, {1e99, 1e15},
	} {
		if got := niceStep(c.least).value(); got != c.want {
			t.Errorf("niceStep(%v) = %v, want %v", c.least, got, c.want)
		}
	}
}

// A single value is in the middle of something.
func TestAxesForOneValue(t *testing.T) {
	for _, v := range []float64{0, 0.5, 1, 1e6, 1e15} {
		s := newLinear(v, v, 6, "")
		checkTicks(t, "linear", s)
		if s.lo > v || s.hi < v {
			t.Errorf("axis for %v is from %v to %v", v, s.lo, s.hi)
		}
	}
	s := newTimes(5, 5)
	if s.at(5) <= 0 || s.at(5) >= 1 {
		t.Errorf("5 s is at %v of an axis from %v to %v", s.at(5), s.lo, s.hi)
	}
}

// Places go from 0 to 1 with the value, whatever it is.
func TestPlaces(t *testing.T) {
	for name, s := range map[string]scale{
		"linear": newLinear(1, 7, 6, ""), "log": newLog(1, 900), "excess": newExcess(12), "times": newTimes(0.2, 1e5),
	} {
		last := 0.0
		for v := 0.0; v < s.hi*1.1; v += s.hi / 5000 {
			p := s.at(v)
			if p < last || p > 1 {
				t.Fatalf("%s: %v is at %v, after %v", name, v, p, last)
			}
			last = p
		}
		for v, want := range map[float64]float64{s.lo: 0, s.hi: 1, math.Inf(1): 1, math.Inf(-1): 0, math.NaN(): 0} {
			if got := s.at(v); got != want {
				t.Errorf("%s: %v is at %v, want %v", name, v, got, want)
			}
		}
	}
}

func TestLog2(t *testing.T) {
	rnd := rand.New(rand.NewPCG(2, 0))
	for range 2000 {
		v := math.Pow(10, rnd.Float64()*30-15)
		if got, want := log2(v), math.Log2(v); math.Abs(got-want) > 1e-13*math.Max(1, math.Abs(want)) {
			t.Fatalf("log2(%v) = %v, want %v", v, got, want)
		}
	}
}

// Names never touch, and stay in order and between the ends if they fit.
func TestSpread(t *testing.T) {
	const seed = 3
	rnd := rand.New(rand.NewPCG(seed, 0))
	for range 1000 {
		top, bottom := px(500), px(500+rnd.IntN(5000))
		places := make([]px, rnd.IntN(25))
		at := top
		for i := range places {
			at = min(bottom, at+px(rnd.IntN(400)*rnd.IntN(2)))
			places[i] = at
		}
		asked := append([]px(nil), places...)
		spread(places, top, bottom)
		fits := lineHeight*px(len(places)-1) <= bottom-top
		for i, p := range places {
			if i > 0 && p-places[i-1] < lineHeight || p < top || fits && p > bottom {
				t.Fatalf("seed %d: %v became %v between %v and %v", seed, asked, places, top, bottom)
			}
		}
	}
}
