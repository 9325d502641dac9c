// SPDX-License-Identifier: GPL-2.0-or-later

package recv

import (
	"github.com/spf13/pflag"

	"iotupd/cmd/iotupd/internal/cli"
)

// opposites are flags of recv of which one excludes the other.
var opposites = [][2]string{{"output", "dir"}, {"ipv4", "ipv6"}, {"follow", "timeout"}}

// giveWay takes back what the environment set against a flag on the command
// line: "A flag goes before the environment."
func giveWay(flags *pflag.FlagSet) error {
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
