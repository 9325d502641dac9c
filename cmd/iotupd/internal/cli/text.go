// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import "fmt"

// Events hold texts that are safe to print: see package printable. In JSON that is
// the rule for every text but these.
type (
	// Lines are a text that may have several lines.
	Lines string
	// A Path is one that this user has named, or part of a command. A program that
	// reads it has to find the same file, so that it is the same in JSON, if escaped.
	Path string
)

// Texts returns the texts of values, never nil: in JSON that is an empty list.
func Texts[T fmt.Stringer](values []T) []string {
	s := make([]string, len(values))
	for i, x := range values {
		s[i] = x.String()
	}
	return s
}
