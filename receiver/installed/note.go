// SPDX-License-Identifier: GPL-2.0-or-later

package installed

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"iotupd/internal/durable"
)

// A Note is a small file beside a received one, there from before that is put
// into place until it has been installed. By it, the next run knows that the
// installation failed, or was cut off by a signal or a power cut. It is not
// trusted with more than that: what is installed is a file whose content has been
// verified. A nil Note does nothing, and is not pending.
type Note struct {
	dir  *os.Root
	name string
	sum  [sha256.Size]byte

	// Terms are what is to be done with the file when it has been installed, a word
	// that its target knows; empty: nothing. Write keeps them, Pending reads them.
	Terms string
}

const (
	noteSuffix = ".iotupd-exec"
	maxNote    = 256 // bytes
)

// NewNote returns the note about a file with the given content. The file is in
// dir, which stays the caller's; name is that of the file, or another one that is
// always the same for it.
func NewNote(dir *os.Root, name string, sum [sha256.Size]byte) *Note {
	return &Note{dir: dir, name: "." + name + noteSuffix, sum: sum}
}

func (n *Note) text() string { return hex.EncodeToString(n.sum[:]) + "\n" }

func (n *Note) path() string { return filepath.Join(n.dir.Name(), n.name) }

// Write makes the note. It is durable once the directory is synced, as it is when
// the file is put into place. Errors are of type [*Error].
func (n *Note) Write() error {
	if n == nil {
		return nil
	}
	err := n.dir.Remove(n.name) // a link, or a file of somebody else
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	var f *os.File
	if err == nil {
		f, err = n.dir.OpenFile(n.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	}
	if err == nil {
		text := n.text()
		if n.Terms != "" {
			text += n.Terms + "\n"
		}
		_, err = f.WriteString(text)
		err = errors.Join(err, f.Sync(), f.Close())
	}
	if err != nil {
		return &Error{Path: n.path(), Err: durable.Cause(err)}
	}
	return nil
}

// Pending reports whether the file has not been installed yet.
func (n *Note) Pending() bool {
	if n == nil {
		return false
	}
	if info, err := n.dir.Lstat(n.name); err != nil || !info.Mode().IsRegular() {
		return false
	}
	f, err := durable.OpenRegularIn(n.dir, n.name, os.O_RDONLY)
	if err != nil {
		return false
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxNote))
	terms, ours := strings.CutPrefix(string(b), n.text())
	if err != nil || !ours || terms != "" && !strings.HasSuffix(terms, "\n") {
		return false
	}
	// Who else could write the note must not say whose the file shall be.
	if n.Terms = strings.TrimSuffix(terms, "\n"); !durable.OwnedAlone(f) {
		n.Terms = ""
	}
	return true
}

// Remove ends the note: the file is installed. Errors are of type
// [*PendingError].
func (n *Note) Remove() error {
	if n == nil {
		return nil
	}
	err := n.dir.Remove(n.name)
	if err == nil || errors.Is(err, fs.ErrNotExist) { // who installed may have moved all
		return nil
	}
	return &PendingError{Path: n.path(), Err: durable.Cause(err)}
}
