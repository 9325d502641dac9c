// SPDX-License-Identifier: GPL-2.0-or-later

//go:build nocompletion

package cobra

import "iotupd/cmd/iotupd/internal/cobra/small"

type (
	Command            = small.Command
	PositionalArgs     = small.PositionalArgs
	CompletionFunc     = small.CompletionFunc
	Completion         = small.Completion
	ShellCompDirective = small.ShellCompDirective
)

const (
	ShellCompDirectiveNoFileComp = small.ShellCompDirectiveNoFileComp
	ShellCompDirectiveFilterDirs = small.ShellCompDirectiveFilterDirs
)

// NoFileCompletions and FixedCompletions complete nothing.
func NoFileCompletions(cmd *Command, args []string, typed string) ([]Completion, ShellCompDirective) {
	return small.NoFileCompletions(cmd, args, typed)
}

func FixedCompletions(words []Completion, directive ShellCompDirective) CompletionFunc {
	return small.FixedCompletions(words, directive)
}

// ArbitraryArgs refuses no arguments.
func ArbitraryArgs(cmd *Command, args []string) error { return small.ArbitraryArgs(cmd, args) }
