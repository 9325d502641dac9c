// SPDX-License-Identifier: GPL-2.0-or-later

// Package small is a small one of github.com/spf13/cobra: commands with flags and
// help, and what of that this program uses. The tests compare the two.
package small

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"github.com/spf13/pflag"
)

// A Command is as in the library.
type Command struct {
	Use, Short, Long, Example string
	Annotations               map[string]string

	Hidden                bool
	DisableFlagsInUseLine bool
	SilenceErrors         bool // always
	SilenceUsage          bool // always

	Args                       PositionalArgs // nil: any
	PersistentPreRunE          func(cmd *Command, args []string) error
	RunE                       func(cmd *Command, args []string) error
	ValidArgsFunction          CompletionFunc // not used
	SuggestionsMinimumDistance int

	parent   *Command
	commands []*Command
	help     *Command // one of these
	flags    *pflag.FlagSet

	// Of the root.
	ctx       context.Context
	args      []string
	out, err  io.Writer
	usage     func(*Command) error
	flagError func(*Command, error) error
}

// PositionalArgs refuse arguments that a command does not take.
type PositionalArgs func(cmd *Command, args []string) error

// ArbitraryArgs refuses none.
func ArbitraryArgs(*Command, []string) error { return nil }

// Setters of the root, and getters of a command.
func (c *Command) SetArgs(args []string)                          { c.args = args }
func (c *Command) SetOut(w io.Writer)                             { c.out = w }
func (c *Command) SetErr(w io.Writer)                             { c.err = w }
func (c *Command) SetUsageFunc(f func(*Command) error)            { c.usage = f }
func (c *Command) SetFlagErrorFunc(f func(*Command, error) error) { c.flagError = f }
func (c *Command) SetHelpCommand(help *Command)                   { c.help = help }
func (c *Command) Context() context.Context                       { return c.Root().ctx }
func (c *Command) Commands() []*Command                           { return c.commands }
func (c *Command) HasExample() bool                               { return c.Example != "" }

// AddCommand adds commands below c.
func (c *Command) AddCommand(commands ...*Command) {
	for _, sub := range commands {
		sub.parent = c
		c.commands = append(c.commands, sub)
	}
}

// Name is the first word of Use.
func (c *Command) Name() string {
	name, _, _ := strings.Cut(c.Use, " ")
	return name
}

// Root returns the command above all.
func (c *Command) Root() *Command {
	for c.parent != nil {
		c = c.parent
	}
	return c
}

// CommandPath returns the names of all commands from the root to c.
func (c *Command) CommandPath() string {
	if c.parent == nil {
		return c.Name()
	}
	return c.parent.CommandPath() + " " + c.Name()
}

// UseLine returns how to call c.
func (c *Command) UseLine() string {
	line := c.Use
	if c.parent != nil {
		line = c.parent.CommandPath() + " " + line
	}
	if !c.DisableFlagsInUseLine && c.Flags().HasAvailableFlags() && !strings.Contains(line, "[flags]") {
		line += " [flags]"
	}
	return line
}

// Flags returns the flags of c.
func (c *Command) Flags() *pflag.FlagSet {
	if c.flags == nil {
		c.flags = pflag.NewFlagSet(c.Name(), pflag.ContinueOnError)
		c.flags.SetOutput(io.Discard)
	}
	return c.flags
}

// OutOrStdout, OutOrStderr and ErrOrStderr return where to write.
func (c *Command) OutOrStdout() io.Writer { return either(c.Root().out, os.Stdout) }
func (c *Command) OutOrStderr() io.Writer { return either(c.Root().out, os.Stderr) }
func (c *Command) ErrOrStderr() io.Writer { return either(c.Root().err, os.Stderr) }

func either(w, otherwise io.Writer) io.Writer {
	if w != nil {
		return w
	}
	return otherwise
}

// IsAvailableCommand reports whether c is listed in the help.
func (c *Command) IsAvailableCommand() bool {
	return !c.Hidden && (c.parent == nil || c.parent.help != c) && (c.RunE != nil || c.HasAvailableSubCommands())
}

// HasAvailableSubCommands reports whether a command below c is.
func (c *Command) HasAvailableSubCommands() bool {
	for _, sub := range c.commands {
		if sub.IsAvailableCommand() {
			return true
		}
	}
	return false
}

// Help prints what c does, and how.
func (c *Command) Help() error {
	text := c.Long
	if text == "" {
		text = c.Short
	}
	if text = strings.TrimRightFunc(text, unicode.IsSpace); text != "" {
		fmt.Fprintf(c.OutOrStdout(), "%s\n\n", text)
	}
	if c.RunE == nil && len(c.commands) == 0 {
		return nil
	}
	return c.Root().usage(c)
}

// ExecuteContextC runs the command that the arguments name, and returns it.
func (c *Command) ExecuteContextC(ctx context.Context) (*Command, error) {
	c.ctx = ctx
	if c.help != nil {
		c.AddCommand(c.help)
	}
	cmd, rest, err := c.Find(c.args)
	if err == nil {
		err = cmd.execute(rest)
	}
	if errors.Is(err, pflag.ErrHelp) {
		err = cmd.Help()
	}
	return cmd, err
}

func (c *Command) execute(args []string) error {
	flags, root := c.Flags(), c.Root()
	if flags.Lookup("help") == nil {
		flags.BoolP("help", "h", false, "help for "+c.Name())
	}
	if err := flags.Parse(args); err != nil {
		return root.flagError(c, err)
	}
	if help, _ := flags.GetBool("help"); help || c.RunE == nil {
		return pflag.ErrHelp
	}
	args = flags.Args()
	if c.Args != nil {
		if err := c.Args(c, args); err != nil {
			return err
		}
	}
	for p := c; p != nil; p = p.parent {
		if p.PersistentPreRunE != nil {
			if err := p.PersistentPreRunE(c, args); err != nil {
				return err
			}
			break
		}
	}
	return c.RunE(c, args)
}
