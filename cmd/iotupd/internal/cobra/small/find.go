// SPDX-License-Identifier: GPL-2.0-or-later

package small

import (
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// Find returns the command that the arguments name, and the other arguments. It
// has no error that is not nil.
func (c *Command) Find(args []string) (*Command, []string, error) {
	at := firstArgument(args, c.Flags())
	if at < 0 {
		return c, args, nil
	}
	for _, sub := range c.commands {
		if sub.Name() == args[at] {
			return sub.Find(slices.Delete(slices.Clone(args), at, at+1))
		}
	}
	return c, args, nil
}

// firstArgument returns the place of the first argument that is neither a flag nor
// the value of one; -1 if there is none. What is unknown is a flag with a value.
func firstArgument(args []string, flags *pflag.FlagSet) int {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		name, long := strings.CutPrefix(arg, "--")
		switch {
		case arg == "--":
			return -1
		case strings.HasPrefix(arg, "-") && strings.Contains(arg, "="):
		case long && takesValue(flags.Lookup(name)),
			!long && len(arg) == 2 && arg[0] == '-' && takesValue(flags.ShorthandLookup(arg[1:])):
			i++
		case arg != "" && arg[0] != '-':
			return i
		}
	}
	return -1
}

func takesValue(f *pflag.Flag) bool { return f == nil || f.NoOptDefVal == "" }

// SuggestionsFor lists commands with names like that.
func (c *Command) SuggestionsFor(name string) (near []string) {
	name = strings.ToLower(name)
	for _, sub := range c.commands {
		if !sub.IsAvailableCommand() {
			continue
		}
		if distance(name, sub.Name()) <= c.SuggestionsMinimumDistance || strings.HasPrefix(sub.Name(), name) {
			near = append(near, sub.Name())
		}
	}
	return near
}

// distance is that of Levenshtein.
func distance(s, t string) int {
	row := make([]int, len(t)+1) // of the first i letters of s to each beginning of t
	for j := range row {
		row[j] = j
	}
	for i := range len(s) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(t) {
			next := diagonal
			if s[i] != t[j] {
				next = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(t)]
}
