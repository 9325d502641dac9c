// SPDX-License-Identifier: GPL-2.0-or-later

package small

// What completion would need is kept by nobody.
type (
	CompletionFunc     func(cmd *Command, args []string, typed string) ([]Completion, ShellCompDirective)
	Completion         = string
	ShellCompDirective int
)

const (
	ShellCompDirectiveNoFileComp ShellCompDirective = iota
	ShellCompDirectiveFilterDirs
)

// NoFileCompletions completes nothing.
func NoFileCompletions(*Command, []string, string) ([]Completion, ShellCompDirective) {
	return nil, ShellCompDirectiveNoFileComp
}

// FixedCompletions completes nothing.
func FixedCompletions([]Completion, ShellCompDirective) CompletionFunc { return nil }

func (c *Command) MarkFlagDirname(string) error                            { return nil }
func (c *Command) RegisterFlagCompletionFunc(string, CompletionFunc) error { return nil }
