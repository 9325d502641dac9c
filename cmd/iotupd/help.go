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

// flagColumn is where the descriptions of flags begin, so that those of up to
// 50 characters fit a terminal of 80.
const flagColumn = 29

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
	if codes := cmd.Annotations[exitCodesKey]; codes != "" {
		fmt.Fprintf(w, "\n%s\n", codes)
	}
	return nil
}

func printFlag(w io.Writer, f *pflag.Flag) {
	label, text := flagHelp(f)
	text = strings.ReplaceAll(text, "\n", "\n"+strings.Repeat(" ", flagColumn))
	fmt.Fprintf(w, "%-*s%s\n", flagColumn, label, text)
}

// flagHelp returns what the help says about a flag: what to type and what it
// does.
func flagHelp(f *pflag.Flag) (label, text string) {
	value, text := pflag.UnquoteUsage(f)
	label = "      --" + f.Name
	if f.Shorthand != "" {
		label = "  -" + f.Shorthand + ", --" + f.Name
	}
	if f.NoOptDefVal == "" {
		label += " " + value
	}
	switch f.DefValue {
	case "", "0", "0%", "0s", "[]", "false", "none":
		return label, text
	}
	return label, fmt.Sprintf("%s (default %s)", text, f.DefValue)
}

// exitCodesKey is the annotation of a command that holds its exit codes.
const exitCodesKey = "iotupd-exit-codes"
