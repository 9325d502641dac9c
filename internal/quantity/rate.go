// SPDX-License-Identifier: GPL-2.0-or-later

package quantity

import (
	"fmt"
	"strconv"
	"strings"
)

// A Rate is a number of bits per second. The zero Rate prints, but is not
// accepted by [ParseRate].
type Rate int64

// leastBareRate is the smallest rate in bit/s that is accepted without a unit.
// Whoever types a smaller number means another unit.
const leastBareRate = 64000

// ParseRate reads a rate in SI units, where k is 1000:
//
//	100M  100Mbit/s  100Mb/s  100Mbps       100,000,000 bit/s
//	12.5MB/s  12.5MBps                      the same, in bytes
//	100000000                               the same
//
// The multiplier k, M, G or T is read in either case. Of b and B the small one
// is a bit and the large one a byte, as everywhere. A number alone is bit/s,
// and an error if it is less than 64000. Fractions of a bit/s are rounded.
func ParseRate(s string) (Rate, error) {
	number, unit, err := splitNumber(s)
	if err != nil {
		return 0, fmt.Errorf("rate %.40q %w; want a number and a unit, as in 100M or 12.5MB/s", s, err)
	}
	power, rest := splitMultiplier(unit)
	scale := pow(1000, power)
	switch rest {
	case "", "b/s", "bps", "bit", "bit/s":
	case "B/s", "Bps":
		scale *= 8
	default:
		return 0, fmt.Errorf("rate %.40q: unknown unit %.20q; want k, M or G for bit/s, as in 100M, or B/s, as in 12.5MB/s", s, unit)
	}
	n, _, err := number.times(scale)
	switch {
	case err != nil:
		return 0, fmt.Errorf("rate %.40q %w; the largest is 9223372T", s, err)
	case unit == "" && n < leastBareRate && number.digits > 0:
		text := strings.TrimSpace(s)
		return 0, fmt.Errorf("%.40q is %.40s bit/s; did you mean %.40sM?", text, text, text)
	case n == 0:
		return 0, fmt.Errorf("rate %.40q is zero; want at least 1 bit/s, as in 100M", s)
	}
	return Rate(n), nil
}

// String returns r with three significant digits: 9.84 Mbit/s, 100 kbit/s.
func (r Rate) String() string {
	sign, v := magnitude(int64(r))
	step := uint64(1)
	for v/step >= 1000 {
		step *= 10
	}
	v = (v + step/2) / step * step
	if v < 1000 {
		return fmt.Sprintf("%s%d bit/s", sign, v)
	}
	power := 1
	for v >= pow(1000, power+1) && power < len(multipliers) {
		power++
	}
	unit := pow(1000, power)
	number := strconv.FormatUint(v/unit, 10)
	if rest := v % unit; rest > 0 {
		places := strconv.FormatUint(unit+rest, 10)[1:] // with leading zeros
		number += "." + strings.TrimRight(places, "0")
	}
	return fmt.Sprintf("%s%s %cbit/s", sign, number, "kMGT"[power-1])
}

// Set makes *r the rate that s names, see [ParseRate].
func (r *Rate) Set(s string) error {
	v, err := ParseRate(s)
	if err == nil {
		*r = v
	}
	return err
}

// Type names the kind of value in usage texts.
func (r Rate) Type() string { return "rate" }
