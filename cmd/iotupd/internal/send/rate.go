// SPDX-License-Identifier: GPL-2.0-or-later

package send

import "iotupd/internal/quantity"

// unlimited is the rate of a sender that takes what the interface gives.
const unlimited = -1

// A rateFlag is a flag that holds a rate in bit/s, or unlimited.
type rateFlag int64

// Set implements pflag.Value.
func (r *rateFlag) Set(s string) error {
	if s == "max" {
		*r = unlimited
		return nil
	}
	return (*quantity.Rate)(r).Set(s)
}

// String implements pflag.Value.
func (r *rateFlag) String() string {
	if *r == unlimited {
		return "max"
	}
	return quantity.Rate(*r).String()
}

// Type implements pflag.Value.
func (r *rateFlag) Type() string { return "rate" }
