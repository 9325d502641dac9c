// SPDX-License-Identifier: GPL-2.0-or-later

// Package printable has the one rule for texts that come from outside, such as from a
// manifest, from DNS or from a command that runs: what would not print, or would change
// how the rest is read, does not reach a terminal, a log or an event.
package printable

import (
	"strings"
	"unicode"
)

// Text replaces control and format characters, and bytes that are not UTF-8, by
// U+FFFD.
func Text(s string) string { return strings.Map(one, s) }

// Lines is [Text] for a text that may have several lines, and tabs.
func Lines(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return r
		}
		return one(r)
	}, s)
}

// Is reports whether a character stays as it is.
func Is(r rune) bool { return unicode.IsPrint(r) }

func one(r rune) rune {
	if !Is(r) {
		return unicode.ReplacementChar
	}
	return r
}
