// SPDX-License-Identifier: GPL-2.0-or-later

package quantity

import (
	"fmt"
	"strings"
)

// A Percent is a proportion in basis points, hundredths of a percent: 500 is
// 5 %, 10000 is the whole. It has no upper limit of its own.
type Percent int64

// Whole is 100 %.
const Whole Percent = 10000

// ParsePercent reads a proportion:
//
//	5%  12.5%  300%       percent
//	0.05  .5  0           a ratio: 5 %, 50 %, nothing
//
// A number without the sign is a ratio and must be less than 1: 50 or 1.5 may
// have been meant either way and is an error. So is what is finer than 0.01 %.
func ParsePercent(s string) (Percent, error) {
	number, unit, err := splitNumber(s)
	if err != nil {
		return 0, fmt.Errorf("%.40q %w; want percent or a ratio, as in 5%% or 0.05", s, err)
	}
	perUnit := Whole / 100
	switch unit {
	case "%":
	case "":
		perUnit = Whole
	default:
		return 0, fmt.Errorf("%.40q: unknown unit %.20q; want percent or a ratio, as in 5%% or 0.05", s, unit)
	}
	n, exact, err := number.times(uint64(perUnit))
	p := Percent(n)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%.40q %w", s, err)
	case !exact:
		return 0, fmt.Errorf("%.40q is finer than 0.01%%; the nearest is %v", s, p)
	case unit == "" && p >= Whole:
		return 0, fmt.Errorf("%.40q without a percent sign; did you mean %.40s%%? (a bare number is a ratio below 1: 0.05 is 5%%)", s, strings.TrimSpace(s))
	}
	return p, nil
}

// String returns p in percent with as many decimals as it needs: 5%, 12.5%.
func (p Percent) String() string {
	sign, v := magnitude(int64(p))
	text := fmt.Sprintf("%d.%02d", v/100, v%100)
	return sign + strings.TrimRight(strings.TrimRight(text, "0"), ".") + "%"
}

// Set makes *p the proportion that s names, see [ParsePercent].
func (p *Percent) Set(s string) error {
	v, err := ParsePercent(s)
	if err == nil {
		*p = v
	}
	return err
}

// Type names the kind of value in usage texts.
func (p Percent) Type() string { return "percent" }
