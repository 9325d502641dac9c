// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"io"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// stdio is where a command writes.
type stdio struct{ out, err io.Writer }

// oneArgument is cobra.ExactArgs(1) with a message for people.
func oneArgument(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usageError("want one %s, got %d arguments; see %s --help", what, len(args), cmd.CommandPath())
		}
		return nil
	}
}

func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError("unexpected argument %q; see %s --help", args[0], cmd.CommandPath())
	}
	return nil
}

// version is set by the Makefile for releases.
var version = ""

func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
