// SPDX-License-Identifier: GPL-2.0-or-later

package simnet

import (
	"fmt"
	"math/big"
	"strings"
)

// A Probability counts parts of 10^-18: all decimal texts that people write are
// exact. It is at most Certain; 2*Percent is two percent.
type Probability uint64

const (
	Percent Probability = 1e16
	Certain Probability = 100 * Percent
)

// ParseProbability reads 5% or 0.05, with at most 16 or 18 decimals. From 1 on
// the percent sign must be there, since 1 could mean either.
func ParseProbability(s string) (Probability, error) {
	number, percent := strings.CutSuffix(s, "%")
	ratio := parseDecimal(number)
	if ratio == nil {
		return 0, fmt.Errorf("wants a probability, as in 5%% or 0.05, not %.40q", s)
	}
	whole := big.NewRat(1, 1)
	if percent {
		ratio.Quo(ratio, big.NewRat(100, 1))
	} else if ratio.Cmp(whole) >= 0 {
		return 0, fmt.Errorf("wants a ratio below 1 or a percent sign: did you mean %s%%?", s)
	}
	if ratio.Cmp(whole) > 0 {
		return 0, fmt.Errorf("wants at most 100%%, not %s", s)
	}
	parts := ratio.Mul(ratio, big.NewRat(int64(Certain), 1))
	if !parts.IsInt() {
		return 0, fmt.Errorf("wants fewer decimals than %s", s)
	}
	return Probability(parts.Num().Uint64()), nil
}

// String returns p in percent, exactly.
func (p Probability) String() string {
	return trimZeros(fmt.Sprintf("%d.%016d", p/Percent, p%Percent)) + "%"
}

func (p Probability) ratio() *big.Rat { return big.NewRat(int64(p), int64(Certain)) }

func (p Probability) threshold() uint64 { return threshold(p.ratio()) }

// threshold returns ratio * 2^63, rounded half up: the number of 63-bit values,
// among all, that mean yes.
func threshold(ratio *big.Rat) uint64 {
	twice := new(big.Int).Lsh(ratio.Num(), 64)
	twice.Add(twice, ratio.Denom())
	return twice.Quo(twice, new(big.Int).Lsh(ratio.Denom(), 1)).Uint64()
}

// parseDecimal reads digits with at most one point among them, exactly. It
// returns nil for any other text, also for 1/3 and 1e-3, which a Rat reads by more
// code than this program has other use for.
func parseDecimal(s string) *big.Rat {
	whole, decimals, _ := strings.Cut(s, ".")
	digits := whole + decimals
	if len(s) > 40 || digits == "" || strings.Trim(digits, "0123456789") != "" {
		return nil
	}
	ten, number, unit := big.NewInt(10), new(big.Int), big.NewInt(1)
	for i, digit := range []byte(digits) {
		number.Add(number.Mul(number, ten), big.NewInt(int64(digit-'0')))
		if i >= len(whole) {
			unit.Mul(unit, ten)
		}
	}
	return new(big.Rat).SetFrac(number, unit)
}

func trimZeros(decimals string) string {
	return strings.TrimRight(strings.TrimRight(decimals, "0"), ".")
}
