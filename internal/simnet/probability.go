// SPDX-License-Identifier: GPL-2.0-or-later

package simnet

import (
	"fmt"
	"math/big"
	"math/bits"
	"strings"
)

// A probability counts parts of 10^-18: all decimal texts that people write are
// exact. It is at most certain.
type probability uint64

const certain probability = 1e18

// parseProbability reads 5% or 0.05. From 1 on the percent sign must be there,
// since 1 could mean either.
func parseProbability(s string) (probability, error) {
	number, percent := strings.CutSuffix(s, "%")
	ratio, ok := new(big.Rat).SetString(number)
	if !ok || len(s) > 40 || strings.Trim(number, "0123456789.") != "" { // Rat reads 1/3 and 1e-3 too
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
	parts := ratio.Mul(ratio, big.NewRat(int64(certain), 1))
	if !parts.IsInt() {
		return 0, fmt.Errorf("wants fewer decimals than %s", s)
	}
	return probability(parts.Num().Uint64()), nil
}

// String returns p in percent, exactly.
func (p probability) String() string {
	const percent = certain / 100
	text := fmt.Sprintf("%d.%016d", p/percent, p%percent)
	return strings.TrimRight(strings.TrimRight(text, "0"), ".") + "%"
}

// threshold returns p * 2^63, rounded: the number of 63-bit values, among all,
// that mean yes.
func (p probability) threshold() uint64 {
	hi, lo := bits.Mul64(uint64(p), 1<<63)
	lo, carry := bits.Add64(lo, uint64(certain)/2, 0)
	t, _ := bits.Div64(hi+carry, lo, uint64(certain))
	return t
}
