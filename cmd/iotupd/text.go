// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"fmt"
	"strings"
	"unicode"
)

// printable replaces what would not print, or would change how the rest does.
// The text is somebody else's.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// printableLines is printable for a text of several lines.
func printableLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = printable(line)
	}
	return strings.Join(lines, "\n")
}

func texts[T fmt.Stringer](values []T) []string {
	s := make([]string, len(values))
	for i, x := range values {
		s[i] = x.String()
	}
	return s
}
