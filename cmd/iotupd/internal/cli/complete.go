// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import (
	"net"

	"iotupd/cmd/iotupd/internal/cobra"
	"iotupd/internal/netif"
)

// OneOf completes a flag by fixed words.
func OneOf(words ...string) cobra.CompletionFunc {
	return cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
}

// InterfaceNames completes a flag by the interfaces that are up.
func InterfaceNames(*cobra.Command, []string, string) (names []string, _ cobra.ShellCompDirective) {
	all, _ := netif.List() // none to offer if they cannot be listed
	for _, ifi := range all {
		if ifi.Flags&net.FlagUp != 0 {
			names = append(names, ifi.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// CompleteFlags says how the shell completes the values of flags. A name that
// the command does not have is a mistake of this program.
func CompleteFlags(cmd *cobra.Command, flags map[string]cobra.CompletionFunc) {
	for name, complete := range flags {
		if err := cmd.RegisterFlagCompletionFunc(name, complete); err != nil {
			panic("iotupd: internal error: " + err.Error())
		}
	}
}
