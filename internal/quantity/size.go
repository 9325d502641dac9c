// SPDX-License-Identifier: GPL-2.0-or-later

package quantity

import "fmt"

// A Size is a number of bytes.
type Size int64

// ParseSize reads a size:
//
//	64M  64Mi  64MiB      64 * 1024 * 1024 bytes
//	64MB                  64,000,000 bytes
//	65536  65536B         bytes
//
// The multiplier k, M, G or T is read in either case. With B alone after it,
// it counts in steps of 1000, else of 1024. Fractions of a byte are rounded.
func ParseSize(s string) (Size, error) {
	number, unit, err := splitNumber(s)
	if err != nil {
		return 0, fmt.Errorf("size %.40q %w; want a number and a unit, as in 64M or 1.5GiB", s, err)
	}
	power, rest := splitMultiplier(unit)
	base := uint64(1024)
	switch {
	case rest == "":
	case rest == "B":
		base = 1000
	case power > 0 && (rest == "i" || rest == "iB"):
	default:
		return 0, fmt.Errorf("size %.40q: unknown unit %.20q; want K, M, G or T, as in 64M, or KB, MB, GB or TB for steps of 1000", s, unit)
	}
	n, _, err := number.times(pow(base, power))
	if err != nil {
		return 0, fmt.Errorf("size %.40q %w; the largest is 8388607T", s, err)
	}
	return Size(n), nil
}

// String returns z in steps of 1024 with one decimal: 24.0 MiB; below 1 KiB
// in bytes: 512 B.
func (z Size) String() string {
	sign, v := magnitude(int64(z))
	if v < 1024 {
		return fmt.Sprintf("%s%d B", sign, v)
	}
	for power := 1; ; power++ {
		unit := pow(1024, power)
		tenths := v/unit*10 + (v%unit*10+unit/2)/unit
		if tenths < 10240 || power == len(multipliers) {
			return fmt.Sprintf("%s%d.%d %ciB", sign, tenths/10, tenths%10, multipliers[power-1])
		}
	}
}

// Set makes *z the size that s names, see [ParseSize].
func (z *Size) Set(s string) error {
	v, err := ParseSize(s)
	if err == nil {
		*z = v
	}
	return err
}

// Type names the kind of value in usage texts.
func (z Size) Type() string { return "size" }
