// SPDX-License-Identifier: GPL-2.0-or-later

package stats

import (
	"math"
	"slices"
)

// A Sample is a set of measured values. It is immutable, so it may be shared.
// The zero value is an empty sample, whose figures are NaN.
type Sample struct {
	sorted []float64
}

// NewSample returns the sample of values, which it copies. A receiver that did
// not finish counts as +Inf; NaN is not a value and is left out.
func NewSample(values []float64) Sample {
	sorted := slices.DeleteFunc(slices.Clone(values), math.IsNaN)
	slices.Sort(sorted)
	return Sample{sorted}
}

// N returns the number of values.
func (s Sample) N() int { return len(s.sorted) }

// Mean returns the arithmetic mean.
func (s Sample) Mean() float64 {
	sum := 0.0
	for _, v := range s.sorted {
		sum += v
	}
	return sum / float64(len(s.sorted))
}

// Quantile returns the smallest value that at least the share q, 0 to 1, of all
// values does not exceed: the inverse of the empirical distribution, type 1 of
// Hyndman and Fan (1996). It is always a value of the sample, so a packet count
// stays whole and a quantile is finite as long as enough receivers finished.
// Quantile(0) is the minimum, Quantile(1) the maximum.
func (s Sample) Quantile(q float64) float64 {
	if s.N() == 0 {
		return math.NaN()
	}
	return s.sorted[rank(q, s.N())-1]
}

// rank returns the rank, 1 to n, of quantile q.
func rank(q float64, n int) int {
	const slack = 1e-9 // 0.07 * 100 is 7.000000000000001
	return min(max(1, int(math.Ceil(float64(q*float64(n))-slack))), n)
}
