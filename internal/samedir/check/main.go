// SPDX-License-Identifier: GPL-2.0-or-later

// Command check compares two directories, with all attributes of the files in them:
//
//	go run ./internal/samedir/check DIRECTORY COPY
//	go run ./internal/samedir/check -ignore owner,nanoseconds DIRECTORY COPY
//
// It prints each difference, and ends with exit code 1 if there is one.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"iotupd/internal/samedir"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run does what the arguments say, and returns the exit code.
func run(args []string, out, errors io.Writer) int {
	flags := flag.NewFlagSet("check", flag.ContinueOnError)
	flags.SetOutput(errors)
	ignore := flags.String("ignore", "", "attributes that may differ, separated by commas")
	if flags.Parse(args) != nil {
		return 3
	}
	var attributes []samedir.Attribute
	for word := range strings.FieldsFuncSeq(*ignore, func(c rune) bool { return c == ',' }) {
		attributes = append(attributes, samedir.Attribute(word))
	}
	unknown := slices.ContainsFunc(attributes, func(a samedir.Attribute) bool { return !slices.Contains(samedir.Attributes, a) })
	if flags.NArg() != 2 || unknown {
		fmt.Fprintln(errors, "usage: check [-ignore ATTRIBUTES] DIRECTORY COPY")
		fmt.Fprintln(errors, "attributes:", samedir.Attributes)
		return 3
	}
	entries, differences, err := samedir.Compare(flags.Arg(0), flags.Arg(1), attributes...)
	if err != nil {
		fmt.Fprintln(errors, "check:", err)
		return 3
	}
	for _, d := range differences {
		fmt.Fprintln(out, d)
	}
	fmt.Fprintf(out, "%d entries, %d differences\n", entries, len(differences))
	if len(differences) > 0 {
		return 1
	}
	return 0
}
