// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"

	"iotupd/cmd/iotupd/internal/cobra"
)

// DetailsKey is the annotation of a command that holds what --help-all and the man
// page say after its description.
const DetailsKey = "iotupd-details"

// The help is made for terminals of 80 columns.
const (
	HelpWidth  = 80
	FlagColumn = 29 // where the descriptions of flags begin
	exitColumn = 7  // where the meanings of exit codes begin
)

// PrintUsage prints all of a command's help but its description: the first page, or
// everything if --help-all was given.
func PrintUsage(cmd *cobra.Command) error {
	w, all := cmd.OutOrStderr(), wantsAll(cmd)
	if details := cmd.Annotations[DetailsKey]; all && details != "" {
		fmt.Fprintf(w, "%s\n\n", strings.TrimSpace(details))
	}
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
		fmt.Fprintf(w, "\n%s COMMAND --help describes a command.\n", cmd.CommandPath())
	}
	for _, s := range Sections(cmd, all) {
		fmt.Fprintf(w, "\n%s:\n", s.Heading)
		for _, f := range s.Flags {
			printFlag(w, f)
		}
	}
	if cmd.Annotations[ExitCodesKey] != "" {
		fmt.Fprint(w, "\nExit codes:\n")
		for _, e := range ExitMeaningsOf(cmd.Name()) {
			fmt.Fprintln(w, Wrap(fmt.Sprintf("%5d ", e.Code), strings.Fields(e.meaning), Layout{Width: HelpWidth, Indent: exitColumn}))
		}
	}
	if !all && hasMore(cmd) {
		fmt.Fprintf(w, "\nAll flags and details: %s --help-all\n", cmd.CommandPath())
	}
	return nil
}

func printFlag(w io.Writer, f *pflag.Flag) {
	h := HelpOf(f)
	words := strings.Fields(h.Text)
	if h.Default != "" {
		words = append(words, "(default "+h.Default+")")
	}
	label := fmt.Sprintf("%-*s", FlagColumn-1, h.Label)
	fmt.Fprintln(w, Wrap(label, words, Layout{Width: HelpWidth, Indent: FlagColumn}))
}

// A Layout is the width and the indentation of a wrapped text, in columns.
type Layout struct{ Width, Indent int }

// Wrap appends words to a line, and goes on in the next ones, indented, where
// they would be too long.
func Wrap(line string, words []string, to Layout) string {
	var done strings.Builder
	for _, word := range words {
		if len(line)+1+len(word) > to.Width && len(line) >= to.Indent {
			done.WriteString(line + "\n")
			line = strings.Repeat(" ", to.Indent-1)
		}
		line += " " + word
	}
	return done.String() + line
}

// A flagHelp is what the help says about a flag.
type flagHelp struct {
	Label   string // what to type
	Text    string // what it does
	Default string // the default; empty: nothing, or in words in text
}

// HelpOf returns what the help says about a flag.
func HelpOf(f *pflag.Flag) (h flagHelp) {
	value, text := pflag.UnquoteUsage(f)
	h.Text = text
	h.Label = "      --" + f.Name
	if f.Shorthand != "" {
		h.Label = "  -" + f.Shorthand + ", --" + f.Name
	}
	if f.NoOptDefVal == "" {
		h.Label += " " + value
	}
	switch f.DefValue {
	case "0", "0s", "0 B", "0 bit/s", "[]", "false": // the text has it in words, where it is one
	default:
		h.Default = f.DefValue
	}
	return h
}

// ExitCodesKey is the annotation of a command whose help lists exit codes.
const ExitCodesKey = "iotupd-exit-codes"
