// SPDX-License-Identifier: GPL-2.0-or-later

// Package quantity reads and prints the quantities of the command line: rates,
// sizes, percentages, durations.
//
// [Rate], [Size] and [Percent] have the methods Set, String and Type, so that a
// flag writes straight into them. What String prints parses back to the same
// value, up to the digits that String rounds away. Numbers are decimal digits
// with at most one point and no exponent, and are computed in integers: 0.1M is
// 100000, on every CPU. Spaces around the number and before the unit are
// allowed. Every error is one line and names the input.
package quantity

import (
	"errors"
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// A decimal is the number digits / 10^places.
type decimal struct {
	digits uint64
	places int // 0..19
}

// splitNumber reads the number at the start of s and returns the unit after it.
func splitNumber(s string) (d decimal, unit string, err error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return decimal{}, "", errors.New("is empty")
	}
	if s[0] == '-' {
		return decimal{}, "", errors.New("is negative")
	}
	end := strings.IndexFunc(s, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	if end < 0 {
		end = len(s)
	}
	whole, fraction, _ := strings.Cut(s[:end], ".")
	if whole+fraction == "" || strings.Contains(fraction, ".") {
		return decimal{}, "", errors.New("is not a number")
	}
	fraction = strings.TrimRight(fraction, "0")
	d.places = len(fraction)
	d.digits, err = strconv.ParseUint(whole+fraction, 10, 64)
	if err != nil || d.places > 19 {
		return decimal{}, "", errors.New("has too many digits")
	}
	return d, strings.TrimLeft(s[end:], " "), nil
}

// times returns d*unit rounded to the nearest integer, halves up, and whether
// nothing was rounded away.
func (d decimal) times(unit uint64) (n int64, exact bool, err error) {
	divisor := pow(10, d.places)
	half := divisor / 2
	hi, lo := bits.Mul64(d.digits, unit)
	lo, carry := bits.Add64(lo, half, 0)
	hi += carry // no overflow: hi was at most 2^64-2
	if hi >= divisor {
		return 0, false, errors.New("is too large")
	}
	quotient, rest := bits.Div64(hi, lo, divisor)
	if quotient > math.MaxInt64 {
		return 0, false, errors.New("is too large")
	}
	return int64(quotient), rest == half, nil
}

// multipliers are the letters before a unit, smallest first.
const multipliers = "KMGT"

// splitMultiplier takes the multiplier, in either case, off the start of unit.
// The power is 0 if there is none, else 1 for K, 2 for M, and so on.
func splitMultiplier(unit string) (power int, rest string) {
	if unit == "" {
		return 0, ""
	}
	power = 1 + strings.IndexByte(multipliers, unit[0]&^0x20) // upper case
	return power, unit[min(power, 1):]
}

// pow returns base^power, which the callers keep below 2^64.
func pow(base uint64, power int) uint64 {
	n := uint64(1)
	for range power {
		n *= base
	}
	return n
}

// magnitude splits off the sign, so that String can print any value.
func magnitude(n int64) (sign string, abs uint64) {
	if n < 0 {
		return "-", -uint64(n)
	}
	return "", uint64(n)
}
