// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"net"

	"github.com/spf13/cobra"
)

// oneOf completes a flag by fixed words.
func oneOf(words ...string) cobra.CompletionFunc {
	return cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
}

// interfaceNames completes a flag by the interfaces that are up.
func interfaceNames(*cobra.Command, []string, string) (names []string, _ cobra.ShellCompDirective) {
	all, _ := net.Interfaces() // none to offer if they cannot be listed
	for _, ifi := range all {
		if ifi.Flags&net.FlagUp != 0 {
			names = append(names, ifi.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeFlags says how the shell completes the values of flags. A name that
// the command does not have is a mistake of this program.
func completeFlags(cmd *cobra.Command, flags map[string]cobra.CompletionFunc) {
	for name, complete := range flags {
		if err := cmd.RegisterFlagCompletionFunc(name, complete); err != nil {
			panic("iotupd: internal error: " + err.Error())
		}
	}
}
