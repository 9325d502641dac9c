// SPDX-License-Identifier: GPL-2.0-or-later

// Package cli is what all commands share in dealing with a person and a shell:
// output, exit codes, help, types of flags, signals, passwords and man pages.
package cli

import (
	"io"

	"iotupd/cmd/iotupd/internal/cobra"
)

// Stdio is where a command writes.
type Stdio struct{ Out, Err io.Writer }

// StdioOf returns where cmd writes.
func StdioOf(cmd *cobra.Command) Stdio {
	return Stdio{Out: cmd.OutOrStdout(), Err: cmd.ErrOrStderr()}
}

// OneArgument is cobra.ExactArgs(1) with a message for people.
func OneArgument(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return UsageError("want one %s, got %d arguments; see %s --help", what, len(args), cmd.CommandPath())
		}
		return nil
	}
}

// NoArguments is cobra.NoArgs with a message for people.
func NoArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return UsageError("unexpected argument %q; see %s --help", args[0], cmd.CommandPath())
	}
	return nil
}
