// SPDX-License-Identifier: GPL-2.0-or-later

package installed

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"strings"

	"iotupd/internal/durable"
)

// The first version kept a note beside each file that was still to be installed: a
// hidden file with the SHA-256 of the content, and perhaps a second line with terms.
const (
	noteSuffix = ".iotupd-exec"
	maxNote    = 256 // bytes
)

// OldNote reports whether the first version has noted that a file with the given
// content is still to be installed. The file is in dir; name is the name of the
// file, or a short form of it. The terms are the terms in [Record].
func OldNote(dir *os.Root, name string, sum [sha256.Size]byte) (terms string, pending bool) {
	b, mine := readNote(dir, "."+name+noteSuffix)
	terms, ours := strings.CutPrefix(string(b), hex.EncodeToString(sum[:])+"\n")
	if !ours || terms != "" && !strings.HasSuffix(terms, "\n") {
		return "", false
	}
	if !mine { // who else could write the note must not say whose the file shall be
		return "", true
	}
	return strings.TrimSuffix(terms, "\n"), true
}

// RemoveOldNote removes the note: there is a [Record] now.
func RemoveOldNote(dir *os.Root, name string) { dir.Remove("." + name + noteSuffix) }

// readNote returns what a note says; nil: there is none. Mine says that nobody else can
// have written that.
func readNote(dir *os.Root, name string) (b []byte, mine bool) {
	if info, err := dir.Lstat(name); err != nil || !info.Mode().IsRegular() {
		return nil, false
	}
	f, err := durable.OpenRegularIn(dir, name, os.O_RDONLY)
	if err != nil {
		return nil, false
	}
	defer f.Close()
	if b, err = io.ReadAll(io.LimitReader(f, maxNote)); err != nil {
		return nil, false
	}
	return b, durable.OwnedAlone(f)
}
