// SPDX-License-Identifier: GPL-2.0-or-later

package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestQuantileIsAValueOfTheSample(t *testing.T) {
	hundred := make([]float64, 100) // 1 to 100
	for i := range hundred {
		hundred[i] = float64(100 - i)
	}
	for _, c := range []struct {
		values []float64
		q      float64
		want   float64
	}{
		{hundred, 0, 1},
		{hundred, 0.005, 1},
		{hundred, 0.07, 7}, // although 0.07 * 100 > 7
		{hundred, 0.5, 50},
		{hundred, 0.501, 51},
		{hundred, 0.99, 99},
		{hundred, 1, 100},
		{[]float64{3}, 0.5, 3},
		{[]float64{2, 1}, 0.5, 1},
		{[]float64{2, 1, math.NaN()}, 1, 2},
		{[]float64{1, math.Inf(1), 2}, 0.5, 2}, // a third of the receivers never finished
		{[]float64{1, math.Inf(1), 2}, 0.9, math.Inf(1)},
	} {
		if got := NewSample(c.values).Quantile(c.q); got != c.want {
			t.Errorf("quantile %g of %d values: got %g, want %g", c.q, len(c.values), got, c.want)
		}
	}
}

func TestFiguresDoNotDependOnTheOrderOfValues(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 0))
	values := make([]float64, 1000)
	for i := range values {
		values[i] = rnd.Float64() * 1e6
	}
	want := NewSample(values).Mean()
	if want < 4.5e5 || want > 5.5e5 {
		t.Errorf("mean of numbers up to 1e6: %g", want)
	}
	rnd.Shuffle(len(values), func(i, j int) { values[i], values[j] = values[j], values[i] })
	last := values[999]
	s := NewSample(values)
	if got := s.Mean(); got != want {
		t.Errorf("mean of shuffled values: got %v, want %v", got, want)
	}
	if values[999] != last || s.N() != 1000 {
		t.Error("the caller's values were changed")
	}
}

func TestAnEmptySampleSaysNothing(t *testing.T) {
	var s Sample
	for _, e := range []Estimate{
		s.QuantileEstimate(0.5), s.Bootstrap(rand.New(rand.NewPCG(1, 0)), Sample.Mean), Proportion(0, 0),
	} {
		if !math.IsNaN(e.Value) || e.N != 0 || e.Low > 0 || e.High < 1 {
			t.Errorf("got %+v, want NaN in an interval without bounds", e)
		}
	}
}

func TestProportion(t *testing.T) {
	for _, c := range []struct {
		k, n            int
		want, low, high float64
	}{
		// Newcombe (1998), table I, method 3.
		{81, 263, 0.3080, 0.2553, 0.3662},
		{15, 148, 0.1014, 0.0624, 0.1605},
		{0, 20, 0, 0, 0.1611},
		{1, 29, 0.0345, 0.0061, 0.1718},
		{20, 20, 1, 0.8389, 1},
	} {
		got := Proportion(c.k, c.n)
		for _, x := range [][2]float64{{got.Value, c.want}, {got.Low, c.low}, {got.High, c.high}} {
			if math.Abs(x[0]-x[1]) > 0.5e-4+1e-12 {
				t.Errorf("%d of %d: got %+v, want %+v", c.k, c.n, got, c)
				break
			}
		}
		if got.N != c.n {
			t.Errorf("%d of %d: n = %d", c.k, c.n, got.N)
		}
	}
}

// How often the interval holds the true p is a sum over all outcomes: on average
// over p it is 95 %.
func TestProportionCovers(t *testing.T) {
	for _, n := range []int{10, 30, 200} {
		const ps = 199
		total, least := 0.0, 1.0
		for i := range ps {
			p := float64(i+1) / (ps + 1)
			var b Binomial
			b.Set(int64(n), p)
			covered := 0.0
			for k := range n + 1 {
				if e := Proportion(k, n); e.Low <= p && p <= e.High {
					covered += b.At(int64(k))
				}
			}
			total += covered
			least = min(least, covered)
		}
		if mean := total / ps; mean < 0.945 || mean > 0.965 || least < 0.83 {
			t.Errorf("n = %d: covers %.4f on average, %.4f at least", n, mean, least)
		}
	}
}

func TestQuantileEstimateCovers(t *testing.T) {
	const seed, trials = 1, 2000
	rnd := rand.New(rand.NewPCG(seed, 0))
	for _, c := range []struct {
		n int
		q float64
	}{{20, 0.5}, {100, 0.9}, {500, 0.99}, {30, 0.99}} {
		held := 0
		for range trials {
			if e := NewSample(uniform(rnd, c.n)).QuantileEstimate(c.q); e.Low <= c.q && c.q <= e.High {
				held++
			}
		}
		// It promises 95 % or more: more, since ranks are whole or one side is
		// open. Three standard errors are 1.5 %.
		if got := float64(held) / trials; got < 0.935 {
			t.Errorf("-seed=%d quantile %g of %d values: %.4f of the intervals hold it", seed, c.q, c.n, got)
		}
	}
}

func TestQuantileEstimateAdmitsASmallSample(t *testing.T) {
	s := NewSample([]float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
	for _, c := range []struct {
		q    float64
		want Estimate
	}{
		{0.5, Estimate{5, 2, 9, 10}}, // the classic 97.9 % interval of the median
		{0.9, Estimate{9, 7, math.Inf(1), 10}},
		{1, Estimate{10, 10, math.Inf(1), 10}},
		{0, Estimate{1, math.Inf(-1), 1, 10}},
	} {
		if got := s.QuantileEstimate(c.q); got != c.want {
			t.Errorf("quantile %g: got %+v, want %+v", c.q, got, c.want)
		}
	}
}

func TestBootstrapCovers(t *testing.T) {
	const seed, trials = 1, 400
	median := func(s Sample) float64 { return s.Quantile(0.5) }
	square := func(x float64) float64 { return x * x }
	identity := func(x float64) float64 { return x }
	rnd := rand.New(rand.NewPCG(seed, 0))
	for _, c := range []struct {
		name   string
		n      int
		draw   func(uniform float64) float64
		figure func(Sample) float64
		truth  float64
		least  float64
	}{
		{"mean of 20", 20, identity, Sample.Mean, 0.5, 0.90},
		{"mean of 20, skewed", 20, square, Sample.Mean, 1. / 3, 0.88},
		{"mean of 100", 100, identity, Sample.Mean, 0.5, 0.915},
		{"median of 101", 101, identity, median, 0.5, 0.915},
	} {
		held := 0
		for range trials {
			values := uniform(rnd, c.n)
			for i, v := range values {
				values[i] = c.draw(v)
			}
			if e := NewSample(values).Bootstrap(rnd, c.figure); e.Low <= c.truth && c.truth <= e.High {
				held++
			}
		}
		if got := float64(held) / trials; got < c.least || got > 0.985 {
			t.Errorf("-seed=%d %s: %.4f of the intervals hold the true figure", seed, c.name, got)
		}
	}
}

func uniform(rnd *rand.Rand, n int) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = rnd.Float64()
	}
	return values
}

func TestMeanEstimateAgreesWithTheBootstrap(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 0))
	values := make([]float64, 5000)
	for i := range values {
		values[i] = rnd.ExpFloat64()
	}
	s := NewSample(values)
	got, want := s.MeanEstimate(), s.Bootstrap(rnd, Sample.Mean)
	if got.Value != want.Value || math.Abs(got.Low-want.Low) > 0.004 || math.Abs(got.High-want.High) > 0.004 {
		t.Errorf("got %v, want about %v", got, want)
	}
	for _, infinite := range []int{1, 3, 4, 9} {
		for i := range infinite {
			values[i] = math.Inf(1)
		}
		s := NewSample(values)
		got, want := s.MeanEstimate(), s.Bootstrap(rnd, Sample.Mean)
		if math.IsInf(got.Low, 1) != math.IsInf(want.Low, 1) || !math.IsInf(got.Value, 1) || !math.IsInf(got.High, 1) {
			t.Errorf("%d infinite values: got %v, the bootstrap %v", infinite, got, want)
		}
	}
	if got := NewSample(values[:1]).MeanEstimate(); !math.IsInf(got.Low, -1) || !math.IsInf(got.High, 1) {
		t.Errorf("of one value: got %v, want no bounds", got)
	}
}

func TestBootstrapOfOneValueHasNoBounds(t *testing.T) {
	got := NewSample([]float64{7}).Bootstrap(rand.New(rand.NewPCG(1, 0)), Sample.Mean)
	if want := (Estimate{7, math.Inf(-1), math.Inf(1), 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestRound(t *testing.T) {
	for _, c := range []struct {
		x      float64
		digits int
		want   string
	}{
		{1.00502999, 5, "1.005"},
		{1.12849, 5, "1.1285"},
		{2.5, 1, "2"}, // ties to even
		{1.005, 3, "1"},
		{123456789, 3, "1.23e+08"},
		{99.96, 3, "100"},
		{-0.00012345, 2, "-0.00012"},
		{0, 3, "0"},
		{1.5, 0, "2"},
		{math.Inf(-1), 3, "-Inf"},
		{math.NaN(), 3, "NaN"},
		{math.MaxFloat64, 17, "1.7976931348623157e+308"},
	} {
		if got := fmt.Sprint(Round(c.x, c.digits)); got != c.want {
			t.Errorf("%v to %d digits: got %s, want %s", c.x, c.digits, got, c.want)
		}
	}
}

// "The same bytes on every CPU": run with other GOARCH, these must be the same bits.
func TestGoldenBits(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	values := make([]float64, 333)
	for i := range values {
		values[i] = float64(1000+rnd.Uint32N(1000)) / 7
	}
	slices.Reverse(values)
	s := NewSample(values)
	for _, c := range []struct {
		name string
		got  Estimate
		want string
	}{
		{"p90", s.QuantileEstimate(0.9), "0x1.0fdb6db6db6dbp+08 0x1.0bb6db6db6db7p+08 0x1.1592492492492p+08"},
		{"mean of many", s.MeanEstimate(), "0x1.b07431a3f7a73p+07 0x1.a77b1de1f4419p+07 0x1.b96d4565fb0cdp+07"},
		{"mean", s.Bootstrap(rnd, Sample.Mean), "0x1.b07431a3f7a73p+07 0x1.a7bb7841e4fb9p+07 0x1.b97993462d773p+07"},
		{"proportion", Proportion(17, 333), "0x1.a235d0561a236p-05 0x1.0715dd985e8e7p-05 0x1.489c3dacdb1cp-04"},
	} {
		if got := fmt.Sprintf("%x %x %x", c.got.Value, c.got.Low, c.got.High); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func BenchmarkBootstrapMean(b *testing.B) {
	for _, n := range []int{100, 10000} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			rnd := rand.New(rand.NewPCG(1, 0))
			s := NewSample(uniform(rnd, n))
			for b.Loop() {
				s.Bootstrap(rnd, Sample.Mean)
			}
		})
	}
}

func BenchmarkQuantileEstimate(b *testing.B) {
	s := NewSample(uniform(rand.New(rand.NewPCG(1, 0)), 10000))
	for b.Loop() {
		s.QuantileEstimate(0.99)
	}
}
