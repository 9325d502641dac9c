// SPDX-License-Identifier: GPL-2.0-or-later

package small

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A command is one of either package, as far as a program uses them alike.
type command interface {
	Name() string
	CommandPath() string
	UseLine() string
	Flags() *pflag.FlagSet
	HasExample() bool
	IsAvailableCommand() bool
	HasAvailableSubCommands() bool
}

// describe says what a command was asked to do.
func describe(c command, args []string) string {
	var flags []string
	c.Flags().Visit(func(f *pflag.Flag) { flags = append(flags, f.Name+"="+f.Value.String()) })
	return fmt.Sprintf("%s %q %q", c.CommandPath(), flags, args)
}

// usage is a help that has all that a command knows of itself.
func usage(c command) string {
	return fmt.Sprintln(c.CommandPath(), c.Name(), c.UseLine(), c.HasExample(), c.IsAvailableCommand(), c.HasAvailableSubCommands())
}

func declare(name string, flags *pflag.FlagSet) {
	flags.BoolP("dry", "n", false, "")
	flags.CountP("verbose", "v", "")
	flags.StringP("output", "o", "", "")
	if name != "man" {
		flags.BoolP("help", "h", false, "")
	}
}

var errUnexpected = errors.New("unexpected argument")

// names are the names of the commands; fit is below bench, man hidden, group does
// nothing.
var names = []string{"send", "recv FILE", "man DIR [flags]", "bench", "group"}

// library runs a program made of the library.
func library(args []string) string {
	var out bytes.Buffer
	newCommand := func(use string) *cobra.Command {
		c := &cobra.Command{Use: use, Short: use, Hidden: strings.HasPrefix(use, "man"), DisableFlagsInUseLine: use == "send"}
		declare(c.Name(), c.Flags())
		if use == "group" {
			return c
		}
		c.Args = func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return errUnexpected
			}
			return nil
		}
		c.RunE = func(c *cobra.Command, args []string) error { out.WriteString("run " + describe(c, args)); return nil }
		return c
	}
	root := &cobra.Command{Use: "prog COMMAND", Long: "long  \n", Example: "x", SilenceErrors: true, SilenceUsage: true, Args: cobra.ArbitraryArgs}
	root.PersistentPreRunE = func(c *cobra.Command, args []string) error { out.WriteString("pre " + c.Name() + "\n"); return nil }
	root.RunE = func(c *cobra.Command, args []string) error {
		root.SuggestionsMinimumDistance = 2
		out.WriteString("root " + describe(c, args) + fmt.Sprintf("%q", root.SuggestionsFor(strings.Join(args, ""))))
		return nil
	}
	for _, use := range names {
		root.AddCommand(newCommand(use))
	}
	bench, _, _ := root.Find([]string{"bench"})
	bench.AddCommand(newCommand("fit"))
	root.SetHelpCommand(&cobra.Command{Use: "help", RunE: func(_ *cobra.Command, args []string) error {
		c, rest, _ := root.Find(args)
		out.WriteString(fmt.Sprintf("helps %q ", rest))
		return c.Help()
	}})
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetUsageFunc(func(c *cobra.Command) error { _, err := fmt.Fprint(c.OutOrStderr(), usage(c)); return err })
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return fmt.Errorf("flags of %s: %w", c.Name(), err) })
	c, err := root.ExecuteContextC(context.Background())
	return fmt.Sprint(out.String(), "\n", c.Name(), " ", err)
}

// own runs the same program made of this package.
func own(args []string) string {
	var out bytes.Buffer
	newCommand := func(use string) *Command {
		c := &Command{Use: use, Short: use, Hidden: strings.HasPrefix(use, "man"), DisableFlagsInUseLine: use == "send"}
		declare(c.Name(), c.Flags())
		if use == "group" {
			return c
		}
		c.Args = func(c *Command, args []string) error {
			if len(args) > 1 {
				return errUnexpected
			}
			return nil
		}
		c.RunE = func(c *Command, args []string) error { out.WriteString("run " + describe(c, args)); return nil }
		return c
	}
	root := &Command{Use: "prog COMMAND", Long: "long  \n", Example: "x", Args: ArbitraryArgs}
	root.PersistentPreRunE = func(c *Command, args []string) error { out.WriteString("pre " + c.Name() + "\n"); return nil }
	root.RunE = func(c *Command, args []string) error {
		root.SuggestionsMinimumDistance = 2
		out.WriteString("root " + describe(c, args) + fmt.Sprintf("%q", root.SuggestionsFor(strings.Join(args, ""))))
		return nil
	}
	for _, use := range names {
		root.AddCommand(newCommand(use))
	}
	bench, _, _ := root.Find([]string{"bench"})
	bench.AddCommand(newCommand("fit"))
	root.SetHelpCommand(&Command{Use: "help", RunE: func(_ *Command, args []string) error {
		c, rest, _ := root.Find(args)
		out.WriteString(fmt.Sprintf("helps %q ", rest))
		return c.Help()
	}})
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetUsageFunc(func(c *Command) error { _, err := fmt.Fprint(c.OutOrStderr(), usage(c)); return err })
	root.SetFlagErrorFunc(func(c *Command, err error) error { return fmt.Errorf("flags of %s: %w", c.Name(), err) })
	c, err := root.ExecuteContextC(context.Background())
	return fmt.Sprint(out.String(), "\n", c.Name(), " ", err)
}

func TestACommandLineMeansWhatItMeansToTheLibrary(t *testing.T) {
	words := []string{
		"send", "recv", "man", "bench", "fit", "group", "help", "sedn", "rec", "Fit", "x", "", "-", "--",
		"-n", "-v", "-vv", "-nv", "-o", "-ox", "-o=x", "--output", "--output=x", "--dry", "--dry=false", "--verbose",
		"-h", "--help", "-z", "--bogus", "--bogus=1",
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	seen := make(map[string]int)
	for range 4_000 {
		args := make([]string, rnd.IntN(5))
		for i := range args {
			args[i] = words[rnd.IntN(len(words))]
		}
		got, want := own(args), library(args)
		if got != want {
			t.Errorf("%q: got\n%s\nwant\n%s", args, got, want)
		}
		kind, _, _ := strings.Cut(strings.TrimSpace(want), " ")
		seen[kind]++
	}
	if len(seen) < 5 {
		t.Errorf("got only results of the kinds %v", seen)
	}
}
