// SPDX-License-Identifier: GPL-2.0-or-later

package stats

import (
	"math"
	"strconv"
)

// Round returns x rounded to so many significant decimal digits, at least 1:
// the floating-point number nearest to that decimal number, so that printing
// it in its shortest form gives just these digits. Zero, infinities and NaN
// stay as they are.
func Round(x float64, digits int) float64 {
	if x == 0 || math.IsInf(x, 0) || math.IsNaN(x) {
		return x
	}
	// strconv rounds the exact binary value, in integer arithmetic.
	r, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'e', max(digits, 1)-1, 64), 64)
	return r
}
