// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// headingKey is the annotation of a flag that holds its heading in the help.
const headingKey = "iotupd-heading"

// under puts the flags that were declared since the last call under a heading.
func under(flags *pflag.FlagSet, heading string) {
	flags.SortFlags = false
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Annotations[headingKey] == nil {
			flags.SetAnnotation(f.Name, headingKey, []string{heading})
		}
	})
}

// The help is made for terminals of 80 columns.
const (
	helpWidth  = 80
	flagColumn = 29 // where the descriptions of flags begin
	exitColumn = 7  // where the meanings of exit codes begin
)

// printUsage prints all of a command's help but its description.
func printUsage(cmd *cobra.Command) error {
	w := cmd.OutOrStderr()
	fmt.Fprintf(w, "Usage:\n  %s\n", cmd.UseLine())
	if cmd.HasExample() {
		fmt.Fprintf(w, "\nExamples:\n%s\n", cmd.Example)
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprint(w, "\nCommands:\n")
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() {
				fmt.Fprintf(w, "  %-12s %s\n", c.Name(), c.Short)
			}
		}
		fmt.Fprintf(w, "\n%s COMMAND --help tells more.\n", cmd.CommandPath())
	}
	heading := ""
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		h := "Flags"
		if a := f.Annotations[headingKey]; a != nil {
			h = a[0]
		}
		if h != heading {
			fmt.Fprintf(w, "\n%s:\n", h)
			heading = h
		}
		printFlag(w, f)
	})
	if cmd.Annotations[exitCodesKey] != "" {
		fmt.Fprint(w, "\nExit codes:\n")
		for _, e := range exitMeaningsOf(cmd.Name()) {
			fmt.Fprintln(w, wrap(fmt.Sprintf("%5d ", e.code), strings.Fields(e.meaning), layout{width: helpWidth, indent: exitColumn}))
		}
	}
	return nil
}

func printFlag(w io.Writer, f *pflag.Flag) {
	h := helpOf(f)
	words := strings.Fields(h.text)
	if h.preset != "" {
		words = append(words, "(default "+h.preset+")")
	}
	label := fmt.Sprintf("%-*s", flagColumn-1, h.label)
	fmt.Fprintln(w, wrap(label, words, layout{width: helpWidth, indent: flagColumn}))
}

// A layout is that of a wrapped text, in columns.
type layout struct{ width, indent int }

// wrap appends words to a line, and goes on in the next ones, indented, where
// they would be too long.
func wrap(line string, words []string, to layout) string {
	var done strings.Builder
	for _, word := range words {
		if len(line)+1+len(word) > to.width && len(line) >= to.indent {
			done.WriteString(line + "\n")
			line = strings.Repeat(" ", to.indent-1)
		}
		line += " " + word
	}
	return done.String() + line
}

// A flagHelp is what the help says about a flag.
type flagHelp struct {
	label  string // what to type
	text   string // what it does
	preset string // the default; empty: nothing, or in words in text
}

func helpOf(f *pflag.Flag) (h flagHelp) {
	value, text := pflag.UnquoteUsage(f)
	h.text = text
	h.label = "      --" + f.Name
	if f.Shorthand != "" {
		h.label = "  -" + f.Shorthand + ", --" + f.Name
	}
	if f.NoOptDefVal == "" {
		h.label += " " + value
	}
	switch f.DefValue {
	case "0", "0%", "0s", "0 bit/s", "[]", "false", "none":
	default:
		h.preset = f.DefValue
	}
	return h
}

// exitCodesKey is the annotation of a command whose help lists exit codes.
const exitCodesKey = "iotupd-exit-codes"
