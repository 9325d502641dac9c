// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !nocompletion

package cobra

import "github.com/spf13/cobra"

type (
	Command            = cobra.Command
	PositionalArgs     = cobra.PositionalArgs
	CompletionFunc     = cobra.CompletionFunc
	Completion         = cobra.Completion
	ShellCompDirective = cobra.ShellCompDirective
)

const (
	ShellCompDirectiveNoFileComp = cobra.ShellCompDirectiveNoFileComp
	ShellCompDirectiveFilterDirs = cobra.ShellCompDirectiveFilterDirs
)

// NoFileCompletions completes by nothing.
func NoFileCompletions(cmd *Command, args []string, typed string) ([]Completion, ShellCompDirective) {
	return cobra.NoFileCompletions(cmd, args, typed)
}

// FixedCompletions completes by fixed words.
func FixedCompletions(words []Completion, directive ShellCompDirective) CompletionFunc {
	return cobra.FixedCompletions(words, directive)
}

// ArbitraryArgs refuses no arguments.
func ArbitraryArgs(cmd *Command, args []string) error { return cobra.ArbitraryArgs(cmd, args) }

// Commands are listed in the order in which they were added, as by package small.
func init() { cobra.EnableCommandSorting = false }
