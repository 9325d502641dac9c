// SPDX-License-Identifier: GPL-2.0-or-later

package installed

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
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

	before []byte // what it said before Write; nil: there was none

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

// Write makes the note in the room that was kept for it, nil if none was. It survives a
// power cut. Errors are of type [*Error].
func (n *Note) Write(room *Room) error {
	if n == nil {
		return nil
	}
	n.before, _ = n.read()
	text := n.text()
	if n.Terms != "" {
		text += n.Terms + "\n"
	}
	var spare *durable.Spare
	if room.isFor(n.dir, n.name) {
		spare = room.spare
	}
	if err := spare.Replace(n.dir, n.name, []byte(text), 0o600); err != nil {
		return &Error{Path: n.path(), Err: durable.Cause(err)}
	}
	return nil
}

// TakeBack undoes Write: the file was not put into place, and what the note said of the
// old one counts.
func (n *Note) TakeBack() {
	switch {
	case n == nil:
	case n.before == nil:
		n.dir.Remove(n.name)
	default:
		durable.Replace(n.dir, n.name, n.before, 0o600)
	}
}

// read returns what the note says; nil: there is none. Mine says that nobody else can
// have written that.
func (n *Note) read() (b []byte, mine bool) {
	if info, err := n.dir.Lstat(n.name); err != nil || !info.Mode().IsRegular() {
		return nil, false
	}
	f, err := durable.OpenRegularIn(n.dir, n.name, os.O_RDONLY)
	if err != nil {
		return nil, false
	}
	defer f.Close()
	if b, err = io.ReadAll(io.LimitReader(f, maxNote)); err != nil {
		return nil, false
	}
	return b, durable.OwnedAlone(f)
}

// Pending reports whether the file has not been installed yet.
func (n *Note) Pending() bool {
	if n == nil {
		return false
	}
	b, mine := n.read()
	terms, ours := strings.CutPrefix(string(b), n.text())
	if !ours || terms != "" && !strings.HasSuffix(terms, "\n") {
		return false
	}
	// Who else could write the note must not say whose the file shall be.
	if n.Terms = strings.TrimSuffix(terms, "\n"); !mine {
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

// A Room is kept for a [Note] from before a file is received, so that a full disk does
// not show when the file is complete. A nil Room is none.
type Room struct {
	dir   *os.Root
	name  string // of the note
	spare *durable.Spare
}

// KeepRoom sees that the note of a file can be written, which [NewNote] has the same
// arguments for, and keeps the room. Errors are of type [*Error].
func KeepRoom(dir *os.Root, name string) (*Room, error) {
	r := &Room{dir: dir, name: "." + name + noteSuffix}
	err := durable.Replaceable(dir, r.name)
	if info, e := dir.Lstat(r.name); e == nil && info.IsDir() {
		err = errors.New("is a directory")
	}
	if err == nil {
		r.spare, err = durable.NewSpare(dir, "."+name+durable.RoomSuffix)
	}
	if err != nil {
		err = fmt.Errorf("it could not be noted that the file is to be installed: %w", durable.Cause(err))
		return nil, &Error{Path: filepath.Join(dir.Name(), r.name), Err: err}
	}
	return r, nil
}

// isFor reports whether the room is that of a note of a name.
func (r *Room) isFor(dir *os.Root, name string) bool {
	return r != nil && r.dir == dir && r.name == name
}

// Keeps reports whether the room is still kept for the note of a file.
func (r *Room) Keeps(dir *os.Root, file string) bool {
	return r.isFor(dir, "."+file+noteSuffix) && !r.spare.Used()
}

// Close gives the room back.
func (r *Room) Close() {
	if r != nil {
		r.spare.Close()
	}
}
