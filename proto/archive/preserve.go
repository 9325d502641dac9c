// SPDX-License-Identifier: GPL-2.0-or-later

package archive

import (
	"fmt"
	"strings"
)

// Preserve says which attributes are sent, or set, that are not so by default.
type Preserve struct {
	Owners  bool // user and group, by number
	Xattrs  bool // extended attributes
	Special bool // devices, FIFOs, setuid and setgid bits
}

// ParsePreserve reads a list of owners, xattrs and special, or all, separated by commas.
func ParsePreserve(s string) (p Preserve, err error) {
	for _, word := range strings.Split(s, ",") {
		switch word {
		case "owners":
			p.Owners = true
		case "xattrs":
			p.Xattrs = true
		case "special":
			p.Special = true
		case "all":
			p = Preserve{Owners: true, Xattrs: true, Special: true}
		default:
			return p, fmt.Errorf("%q is none of owners, xattrs, special, all", word)
		}
	}
	return p, nil
}

// String returns what [ParsePreserve] reads; empty: nothing.
func (p Preserve) String() string {
	var words []string
	for _, w := range []struct {
		is   bool
		word string
	}{{p.Owners, "owners"}, {p.Xattrs, "xattrs"}, {p.Special, "special"}} {
		if w.is {
			words = append(words, w.word)
		}
	}
	return strings.Join(words, ",")
}
