// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"fmt"
	"strings"

	"iotupd/proto"
)

// Suffixes of hidden names.
const (
	lockSuffix    = ".iotupd-lock"
	hashesSuffix  = ".iotupd-hashes"
	extractSuffix = ".iotupd-extract"
	newSuffix     = ".iotupd-new"
	oldSuffix     = ".iotupd-old"
	nextSuffix    = ".iotupd-next"
	recordSuffix  = ".iotupd-directory"
	linkSuffix    = ".iotupd-link"
	trashSuffix   = ".iotupd-trash-" // and a number
	linkedSuffix  = ".iotupd-"       // and linkedDigits, and perhaps a dot and a number

	linkedDigits = 16

	// beside is how much longer than the name of a directory the hidden names are.
	beside = 1 + len(linkedSuffix) + linkedDigits + 3
)

// hidden are the names of files that belong to one directory.
type hidden struct{ stem string } // the name, or a short form of it

func (h hidden) with(suffix string) string { return "." + h.stem + suffix }

// linked returns a name for the directory that a link leads to.
func (h hidden) linked(id proto.ObjectID, n int) string {
	name := h.with(linkedSuffix) + id.String()[:linkedDigits]
	if n > 0 {
		name += fmt.Sprintf(".%d", n)
	}
	return name
}

// isLinked reports whether name is one that linked returns.
func (h hidden) isLinked(name string) bool {
	rest, ok := strings.CutPrefix(name, h.with(linkedSuffix))
	digits, number, more := strings.Cut(rest, ".")
	return ok && len(digits) == linkedDigits && isMadeOf(digits, "0123456789abcdef") && (!more || isNumber(number))
}

func isMadeOf(s, characters string) bool { return strings.Trim(s, characters) == "" }

func isNumber(s string) bool { return s != "" && len(s) < 3 && isMadeOf(s, "0123456789") }

// stemOf returns the stem that a hidden name has, if it is of a kind that a killed process
// may have left.
func stemOf(name string) (stem string, ok bool) {
	rest, ok := strings.CutPrefix(name, ".")
	if !ok {
		return "", false
	}
	for _, suffix := range []string{lockSuffix, hashesSuffix, extractSuffix, newSuffix, oldSuffix, nextSuffix, recordSuffix, linkSuffix} {
		if stem, ok := strings.CutSuffix(rest, suffix); ok {
			return stem, stem != ""
		}
	}
	i := strings.LastIndex(rest, linkedSuffix)
	if i <= 0 {
		return "", false
	}
	number, isTrash := strings.CutPrefix(rest[i:], trashSuffix)
	return rest[:i], isTrash && isNumber(number) || hidden{rest[:i]}.isLinked(name)
}
