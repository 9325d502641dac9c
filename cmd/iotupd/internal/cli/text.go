// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import (
	"fmt"
	"strings"
	"unicode"
)

// Printable replaces what would not print, or would change how the rest does.
// The text is somebody else's.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// PrintableLines is printable for a text of several lines.
func PrintableLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = Printable(line)
	}
	return strings.Join(lines, "\n")
}

// Texts returns the texts of values, never nil: in JSON that is an empty list.
func Texts[T fmt.Stringer](values []T) []string {
	s := make([]string, len(values))
	for i, x := range values {
		s[i] = x.String()
	}
	return s
}
