// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"slices"

	"github.com/spf13/pflag"
)

// settle prepares flags for being looked at together.
func (o *recvOptions) settle(flags *pflag.FlagSet) error {
	if err := refuseEmpty(flags); err != nil {
		return err
	}
	return giveWay(flags)
}

// refuseEmpty refuses flags on the command line whose value is empty, as that of
// a shell variable is that was never set: without a name, a key or an interface,
// anything would do.
func refuseEmpty(flags *pflag.FlagSet) (err error) {
	flags.VisitAll(func(f *pflag.Flag) {
		empty := f.Value.String() == ""
		if list, ok := f.Value.(pflag.SliceValue); ok {
			empty = len(list.GetSlice()) == 0 || slices.Contains(list.GetSlice(), "")
		}
		if empty && err == nil && onCommandLine(f) {
			err = usageError("--%s has an empty value; leave the flag out for its default", f.Name)
		}
	})
	return err
}

// opposites are flags of recv of which one excludes the other.
var opposites = [][2]string{{"output", "dir"}, {"ipv4", "ipv6"}, {"follow", "timeout"}}

// giveWay takes back what the environment set against a flag on the command
// line: "A flag goes before the environment."
func giveWay(flags *pflag.FlagSet) error {
	for _, pair := range opposites {
		a, b := flags.Lookup(pair[0]), flags.Lookup(pair[1])
		if onCommandLine(b) {
			a, b = b, a
		}
		if onCommandLine(a) && !onCommandLine(b) {
			if err := b.Value.Set(b.DefValue); err != nil {
				return err
			}
		}
	}
	return nil
}
