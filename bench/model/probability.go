// SPDX-License-Identifier: GPL-2.0-or-later

package model

// either returns the probability that at least one of two independent events
// of probabilities a and b happens. All probabilities here are those of not
// being done, since they must be accurate when they are small.
func either(a, b float64) float64 { return a + float64(b*(1-a)) }

// anyOf returns the probability that at least one of n independent events of
// probability p happens, 1 - (1-p)^n without its loss of accuracy.
func anyOf(p float64, n int64) float64 {
	sum := 0.0
	for ; n > 0; n >>= 1 {
		if n&1 != 0 {
			sum = either(sum, p)
		}
		p = either(p, p)
	}
	return sum
}

// power returns x^n.
func power(x float64, n int64) float64 {
	product := 1.0
	for ; n > 0; n >>= 1 {
		if n&1 != 0 {
			product = float64(product * x)
		}
		x = float64(x * x)
	}
	return product
}
