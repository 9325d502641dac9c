// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import (
	"math"
	"strconv"
	"time"

	"github.com/spf13/pflag"
)

// Every number has an upper bound, which the error states. The bounds below are
// for all flags of their type; a flag that needs a lower one checks that itself.
// Sizes, rates and shares have the bounds of package quantity.
const (
	longestTime = 366 * 24 * time.Hour
	mostOfAll   = math.MaxInt32
)

// CheckNumbers refuses numbers and times that make no sense for any command.
func CheckNumbers(flags *pflag.FlagSet) (err error) {
	flags.VisitAll(func(f *pflag.Flag) {
		if err != nil || !f.Changed {
			return
		}
		switch value := f.Value.String(); f.Value.Type() {
		case "duration":
			if d, _ := time.ParseDuration(value); d > longestTime {
				err = UsageError("--%s %s: want at most %v", f.Name, value, longestTime)
			}
		case "int", "count":
			if n, _ := strconv.ParseInt(value, 10, 64); n > mostOfAll {
				err = UsageError("--%s %s: want at most %d", f.Name, value, mostOfAll)
			}
		}
	})
	return err
}
