// SPDX-License-Identifier: GPL-2.0-or-later

package proto

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxNameLen is the longest file name in bytes that a manifest carries.
const MaxNameLen = 200

// CheckName reports why name is not a file name that a manifest may carry
// (spec.md 5.3): one plain component, safe to create in a directory of any
// receiver and to print on its terminal.
func CheckName(name string) error {
	var why string
	switch {
	case name == "":
		why = "is empty"
	case len(name) > MaxNameLen:
		why = fmt.Sprintf("is longer than %d bytes", MaxNameLen)
	case !utf8.ValidString(name):
		why = "is not UTF-8"
	case strings.ContainsAny(name, `/\:`):
		why = `contains "/", "\" or ":"`
	case strings.ContainsFunc(name, unprintable):
		why = "contains a character that does not print"
	case strings.HasPrefix(name, ".") || strings.HasPrefix(name, "-"):
		why = `starts with "." or "-"`
	case strings.HasSuffix(name, ".") || strings.HasPrefix(name, " ") || strings.HasSuffix(name, " "):
		why = `begins with a space, or ends with a space or "."`
	default:
		return nil
	}
	return fmt.Errorf("file name %q %s", name, why)
}

// unprintable finds control and format characters: escape sequences, and the
// direction marks that make a name read as another one.
func unprintable(r rune) bool {
	return !unicode.IsPrint(r)
}
