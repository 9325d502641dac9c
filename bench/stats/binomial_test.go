// SPDX-License-Identifier: GPL-2.0-or-later

package stats

import (
	"fmt"
	"math"
	"math/big"
	"testing"
)

// exact returns P(k) of Bin(n, p) in 300 bits.
func exact(n, k int64, p float64) *big.Float {
	x := new(big.Float).SetPrec(300).SetInt(new(big.Int).Binomial(n, k))
	success := new(big.Float).SetPrec(300).SetFloat64(p)
	failure := new(big.Float).SetPrec(300).Sub(big.NewFloat(1), success)
	for range k {
		x.Mul(x, success)
	}
	for range n - k {
		x.Mul(x, failure)
	}
	return x
}

func TestBinomialIsExactFarIntoItsTails(t *testing.T) {
	var b Binomial
	for _, n := range []int64{0, 1, 7, 300} {
		for _, p := range []float64{0, 1e-12, 0.01, 0.5, 0.9, 1 - 1e-9, 1} {
			b.Set(n, p)
			atLeast := new(big.Float).SetPrec(300)
			for k := n; k >= 0; k-- {
				at := exact(n, k, p)
				atLeast.Add(atLeast, at)
				for _, c := range []struct {
					name      string
					got, want float64
				}{
					{"at", b.At(k), float64Of(at)},
					{"at least", b.AtLeast(k), float64Of(atLeast)},
				} {
					if math.Abs(c.got-c.want) > 1e-30+1e-12*c.want {
						t.Errorf("Bin(%d, %g) %s %d: got %g, want %g", n, p, c.name, k, c.got, c.want)
					}
				}
			}
			if below, above := b.At(-1), b.At(n+1); below != 0 || above != 0 {
				t.Errorf("Bin(%d, %g) out of range: got %g and %g, want 0", n, p, below, above)
			}
			if got := b.AtLeast(0); got != 1 {
				t.Errorf("Bin(%d, %g) at least 0: got %g, want 1", n, p, got)
			}
		}
	}
}

func float64Of(x *big.Float) float64 { f, _ := x.Float64(); return f }

func TestBinomialsOfManyTrialsKeepTheirMean(t *testing.T) {
	var b Binomial
	for _, n := range []int64{1e5, 1e8, 1e10} {
		b.Set(n, 0.3)
		mean := 0.0 // less 0.3 n
		for i, p := range b.at {
			mean += p * (float64(b.first) + float64(i) - 0.3*float64(n))
		}
		if sigma := math.Sqrt(0.21 * float64(n)); math.Abs(mean) > 1e-6*sigma {
			t.Errorf("n = %d: mean is off by %g of a standard deviation of %g", n, mean, sigma)
		}
	}
}

func TestSumOfTwoBinomialsOfOneKindIsOneBinomial(t *testing.T) {
	var a, b, sum Binomial
	a.Set(30, 0.2)
	b.Set(170, 0.2)
	sum.Set(200, 0.2)
	for k := int64(-1); k <= 201; k++ {
		got, want := SumAtLeast(&a, &b, k), sum.AtLeast(k)
		if math.Abs(got-want) > 1e-30+1e-12*want {
			t.Errorf("at least %d: got %g, want %g", k, got, want)
		}
	}
}

func TestBinomialReusesItsMemory(t *testing.T) {
	var b Binomial
	b.Set(10000, 0.5)
	if got := testing.AllocsPerRun(10, func() { b.Set(9000, 0.4) }); got != 0 {
		t.Errorf("%v allocations, want 0", got)
	}
}

func BenchmarkBinomial(b *testing.B) {
	for _, n := range []int64{1e3, 1e5, 1e8} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			var d Binomial
			b.ReportAllocs()
			for b.Loop() {
				d.Set(n, 0.1)
			}
		})
	}
}
