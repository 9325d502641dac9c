// SPDX-License-Identifier: GPL-2.0-or-later

package stats

import (
	"math"
	"sort"
)

// z is the 97.5 % point of the normal distribution, which makes two-sided
// intervals of 95 %; tail is what lies beyond at either side.
const (
	z    = 1.959963984540054
	tail = 0.025
)

// An Estimate is a figure, the interval that holds the true figure with 95 %
// confidence, and the number of values behind it. An infinite end says that
// the sample is too small to bound that side.
type Estimate struct {
	Value, Low, High float64
	N                int
}

// Proportion estimates a probability from k successes in n independent trials,
// with the interval of Wilson (1927), which holds its confidence for few trials
// and for k = 0 and k = n, too. With no trials the value is NaN.
func Proportion(k, n int) Estimate {
	if n <= 0 {
		return Estimate{Value: math.NaN(), Low: 0, High: 1}
	}
	successes, trials := float64(k), float64(n)
	const zz = z * z
	center := successes + zz/2
	half := float64(z * math.Sqrt(float64(successes*(trials-successes))/trials+zz/4))
	e := Estimate{
		Value: successes / trials,
		Low:   (center - half) / (trials + zz),
		High:  (center + half) / (trials + zz),
		N:     n,
	}
	// In exact arithmetic these are the ends.
	if k == 0 {
		e.Low = 0
	}
	if k == n {
		e.High = 1
	}
	return e
}

// QuantileEstimate estimates quantile q of the distribution that the values
// were drawn from, see [Sample.Quantile]. Its interval is a pair of values of
// the sample and assumes nothing but independence.
//
// Of n values, Bin(n, q) lie below the true quantile. So value number l is
// above it with probability P(Bin < l), and value number u below it with
// P(Bin >= u); both are kept to 2.5 %. With ties they are less.
func (s Sample) QuantileEstimate(q float64) Estimate {
	e := Estimate{Value: s.Quantile(q), Low: math.Inf(-1), High: math.Inf(1), N: s.N()}
	var below Binomial
	below.Set(int64(s.N()), q)
	if l := firstRank(s.N(), func(k int) bool { return 1-below.AtLeast(int64(k)) > tail }) - 1; l >= 1 {
		e.Low = s.sorted[l-1]
	}
	if u := firstRank(s.N(), func(k int) bool { return below.AtLeast(int64(k)) <= tail }); u <= s.N() {
		e.High = s.sorted[u-1]
	}
	return e
}

// firstRank returns the first rank, 1 to n+1, from which on reached holds; it
// is taken to hold for n+1.
func firstRank(n int, reached func(rank int) bool) int {
	return 1 + sort.Search(n, func(i int) bool { return reached(i + 1) })
}
