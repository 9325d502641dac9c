// SPDX-License-Identifier: GPL-2.0-or-later

package stats

import "slices"

// A Binomial is the distribution of the number of successes in n independent
// trials. The zero value is that of no trials at all. It is not safe for
// concurrent use.
type Binomial struct {
	first   int64     // the probability of less is neglected
	at      []float64 // at[i] is P(first+i)
	atLeast []float64 // atLeast[i] is P(first+i or more)
}

// negligible is the probability, relative to the most probable number, below
// which a number is left out: far less than any tail that can matter, even of
// the slowest of millions of receivers.
const negligible = 1e-36

// Set makes b the distribution for n trials, n >= 0, that succeed with
// probability p, 0 to 1. It reuses b's memory. The time is in proportion to the
// standard deviation, some 25 of which are kept.
//
// The probabilities follow from one another by their ratio,
//
//	P(k+1) / P(k) = (n-k) / (k+1) * p / (1-p),
//
// start with 1 at about the most probable number, and are divided by their sum
// in the end. So this needs no logarithm and no gamma function, loses no
// accuracy in the tails, and is the same on every CPU.
func (b *Binomial) Set(n int64, p float64) {
	b.first, b.at, b.atLeast = 0, b.at[:0], b.atLeast[:0]
	mode := min(n, int64(float64(n)*p))
	if p >= 1 {
		mode = n
	}
	if n == 0 || p <= 0 || p >= 1 {
		b.first, b.at, b.atLeast = mode, append(b.at, 1), append(b.atLeast, 1)
		return
	}
	odds := p / (1 - p)
	w := 1.0
	for k, rest := float64(mode), float64(n-mode); k > 0; k, rest = k-1, rest+1 {
		w *= k / ((rest + 1) * odds)
		if w < negligible {
			break
		}
		b.at = append(b.at, w)
	}
	slices.Reverse(b.at)
	b.first = mode - int64(len(b.at))

	w = 1.0
	b.at = append(b.at, w)
	for k, rest := float64(mode), float64(n-mode); rest > 0; k, rest = k+1, rest-1 {
		w *= rest * odds / (k + 1)
		if w < negligible {
			break
		}
		b.at = append(b.at, w)
	}
	b.normalize()
}

// normalize turns the relative weights in b.at into probabilities.
func (b *Binomial) normalize() {
	b.atLeast = slices.Grow(b.atLeast, len(b.at))[:len(b.at)]
	sum := 0.0
	for i := len(b.at) - 1; i >= 0; i-- { // the small ones first
		sum += b.at[i]
		b.atLeast[i] = sum
	}
	scale := 1 / sum
	for i := range b.at {
		b.at[i] *= scale
		b.atLeast[i] *= scale
	}
	b.atLeast[0] = 1
}

// At returns the probability of exactly k successes.
func (b *Binomial) At(k int64) float64 {
	if i := k - b.first; i >= 0 && i < int64(len(b.at)) {
		return b.at[i]
	}
	return 0
}

// AtLeast returns the probability of k successes or more. It is accurate where
// it is small.
func (b *Binomial) AtLeast(k int64) float64 {
	i := k - b.first
	switch {
	case i <= 0:
		return 1
	case i >= int64(len(b.atLeast)):
		return 0
	}
	return b.atLeast[i]
}

// SumAtLeast returns the probability that a number of a and an independent
// number of b add up to k or more.
func SumAtLeast(a, b *Binomial, k int64) float64 {
	sum := 0.0
	for i, p := range a.at {
		sum += float64(p * b.AtLeast(k-a.first-int64(i)))
	}
	return min(sum, 1)
}
