// SPDX-License-Identifier: GPL-2.0-or-later

package stats

import (
	"math"
	"math/rand/v2"
	"slices"
)

// resamples is the number of bootstrap samples: 2.5 % and 97.5 % of one more
// are whole numbers.
const resamples = 999

// Bootstrap estimates any figure of a sample, as in
//
//	s.Bootstrap(rng, stats.Sample.Mean)
//
// with the percentile interval of Efron (1979): the figure of 999 samples of
// the same size drawn from s with replacement, without the lowest and the
// highest 2.5 %. The same rng gives the same interval on every CPU.
//
// It is an approximation that gets good with the size of the sample. Of the
// intervals for the mean of 10, 20, 50 and 100 values, these shares hold the
// true mean: 90, 93, 95 and 94 % for a normal distribution, 86, 90, 93 and 95 %
// for an exponential one. For quantiles, [Sample.QuantileEstimate] is exact,
// and faster. The figure must not keep its sample. It takes 999 N draws: 0.1 s
// for 10,000 values. For the mean of more, there is [Sample.MeanEstimate].
func (s Sample) Bootstrap(rng *rand.Rand, figure func(Sample) float64) Estimate {
	n := s.N()
	e := Estimate{Value: figure(s), Low: math.Inf(-1), High: math.Inf(1), N: n}
	if n < 2 {
		return e // it would vary by nothing, which says nothing
	}
	drawn := make([]uint32, n) // how often each value was drawn
	resample := Sample{make([]float64, 0, n)}
	figures := make([]float64, resamples)
	for i := range figures {
		clear(drawn)
		for range n {
			drawn[rng.Uint32N(uint32(n))]++
		}
		resample.sorted = resample.sorted[:0]
		for j, times := range drawn {
			for range times {
				resample.sorted = append(resample.sorted, s.sorted[j])
			}
		}
		figures[i] = figure(resample)
	}
	slices.Sort(figures)
	const cut = (resamples + 1) / 40 // 2.5 %
	e.Low, e.High = figures[cut-1], figures[resamples-cut]
	return e
}

// MeanEstimate estimates the mean with the interval of the normal distribution,
// which the mean of thousands of values has nearly, whatever theirs is; the
// bootstrap would find the same, slowly. With infinite values the mean is
// infinite, and so is Low from 4 of them on: without any of them are less than
// 2.5 % of all samples drawn again.
func (s Sample) MeanEstimate() Estimate {
	n := s.N()
	e := Estimate{Value: s.Mean(), Low: math.Inf(-1), High: math.Inf(1), N: n}
	switch {
	case n < 2:
		return e
	case math.IsInf(e.Value, 1):
		if n >= 4 && math.IsInf(s.sorted[n-4], 1) {
			e.Low = e.Value
		}
		return e
	}
	squares := 0.0
	for _, v := range s.sorted {
		d := v - e.Value
		squares += float64(d * d) // not fused, on any CPU
	}
	half := float64(z * math.Sqrt(squares/float64(n-1)/float64(n)))
	e.Low, e.High = e.Value-half, e.Value+half
	return e
}
