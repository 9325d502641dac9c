// SPDX-License-Identifier: GPL-2.0-or-later

package durable

import (
	"crypto/sha256"
	"fmt"
	"unicode/utf8"
)

// ShortName returns name, or a shortened form with a hash if it has more bytes than there is
// room for: names of files that lie beside another one are longer than its name.
func ShortName(name string, room int) string {
	if len(name) <= room {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	hash := fmt.Sprintf("%x", sum[:6])
	name = name[:max(0, room-len(hash))]
	for name != "" && !utf8.ValidString(name) {
		name = name[:len(name)-1]
	}
	return name + hash
}
