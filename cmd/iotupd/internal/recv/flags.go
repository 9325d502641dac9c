// SPDX-License-Identifier: GPL-2.0-or-later

package recv

import (
	"github.com/spf13/pflag"

	"iotupd/cmd/iotupd/internal/cli"
)

// opposites are flags of recv of which one excludes the other.
var opposites = [][2]string{{"output", "dir"}, {"ipv4", "ipv6"}, {"follow", "timeout"}}

// overrideEnvironment undoes environment variables that contradict a flag on the
// command line: flags override them.
func overrideEnvironment(flags *pflag.FlagSet) error {
	for _, pair := range opposites {
		a, b := flags.Lookup(pair[0]), flags.Lookup(pair[1])
		if cli.OnCommandLine(b) {
			a, b = b, a
		}
		if cli.OnCommandLine(a) && !cli.OnCommandLine(b) {
			if err := b.Value.Set(b.DefValue); err != nil {
				return err
			}
		}
	}
	return nil
}
