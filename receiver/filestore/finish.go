// SPDX-License-Identifier: GPL-2.0-or-later

package filestore

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unicode/utf8"

	"iotupd/internal/durable"
)

// Whether a file can be finished is checked as soon as the target is known, so
// that nothing is received that cannot be put into place. Commit checks again
// before it changes the partial file.

// try does in the directory everything that putting a file there takes, and notes
// the mode and owner that files get there.
func (t *FileTarget) try() error {
	t.mode = partMode
	err := durable.Try(t.dir, 0o666, t.noteOwners)
	if isFull(err) && t.continues() {
		err = nil // Reserve says whether there is room for the rest
	}
	if err == nil {
		t.longest = durable.LongestName(t.dir)
	}
	return err
}

// noteOwners notes the mode and the owner of a new file.
func (t *FileTarget) noteOwners(f *os.File) {
	info, err := f.Stat()
	if err != nil {
		return
	}
	t.mode = info.Mode().Perm()
	f.Chmod(partMode)
	info, err = f.Stat()
	t.fixed = err == nil && (!durable.OwnedAlone(f) || info.Mode().Perm()&othersWrite != 0)
}

func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// continues reports whether there is a partial file here, which may have all the room
// that it needs.
func (t *FileTarget) continues() bool {
	entries, err := fs.ReadDir(t.dir.FS(), ".")
	if err != nil {
		return false
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") && strings.HasSuffix(e.Name(), PartSuffix) {
			return true
		}
	}
	return false
}

// possible reports why no file can be put into place under a name, as far as that can
// be known before.
func (t *FileTarget) possible(name string) error {
	if name == filepath.Base(name) && filepath.IsLocal(name) && len(name) <= t.longest {
		if err := durable.TryName(t.dir, "."+t.shorten(name)+trySuffix); err != nil && !isFull(err) {
			return newError(t.path(name), err)
		}
	}
	return t.replaceable(name)
}

// trySuffix ends the name of a file that exists for a moment. It is not longer than
// PartSuffix.
const trySuffix = ".iotupd-try"

// replaceable reports why no file can be renamed to a name. Errors are of type
// [*Error].
func (t *FileTarget) replaceable(name string) error {
	if len(name) > t.longest {
		return newError(t.path(name), fmt.Errorf("the name has %d bytes, and the file system has room for %d", len(name), t.longest))
	}
	if info, err := t.dir.Lstat(name); err == nil && !replaces(info.Mode()) {
		return &Error{Path: t.path(name), Err: fmt.Errorf("%s is in the way: it is not a regular file", t.path(name))}
	}
	return t.movable(name)
}

// movable reports why the entry called name cannot be replaced or removed,
// whatever its type. Errors are of type [*Error].
func (t *FileTarget) movable(name string) error {
	if err := durable.Replaceable(t.dir, name); err != nil {
		if ofDir(err) {
			return dirError(t.dir.Name(), "", err)
		}
		return &Error{Path: t.path(name), Err: fmt.Errorf("%s %w", t.path(name), err)}
	}
	return nil
}

// replaces reports whether a received file replaces an entry with a mode. A
// symbolic link is not followed: see [Dir].
func replaces(mode fs.FileMode) bool { return mode.IsRegular() || mode&fs.ModeType == fs.ModeSymlink }

// shorten returns name, or a shortened form with a hash if the names of the files
// beside it would be too long.
func (t *FileTarget) shorten(name string) string {
	room := t.longest - beside
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

// seal gives the partial file its final size, the mode and the owner of the old file if
// there is one, and makes it durable.
func (t *FileTarget) seal(name string, size int64) error {
	t.placed.Store(nil)
	if err := t.setOwners(name); err != nil {
		return err
	}
	t.store.dropBallast()
	durable.Compact(t.part, size)
	if err := t.part.Truncate(size); err != nil {
		return err
	}
	return t.part.Sync()
}

// maxBehind is how many bytes behind the file are kept in memory until the file
// is in place.
const maxBehind = 1 << 20

// A workspace is the end of a partial file, behind the received file.
type workspace struct {
	size  int64 // of the partial file
	at    int64 // where bytes begin
	bytes []byte
}

// behind returns the bytes that seal cuts off, all of them or only the end.
func (t *FileTarget) behind(size int64) (w workspace, err error) {
	info, err := t.part.Stat()
	if err != nil || info.Size() <= size {
		return w, err
	}
	w.size, w.at = info.Size(), size
	if w.size-w.at > maxBehind {
		w.at = w.size - lastBehind
	}
	w.bytes = make([]byte, w.size-w.at)
	if _, err := t.part.ReadAt(w.bytes, w.at); err != nil && err != io.EOF {
		return workspace{}, err
	}
	return w, nil
}

// lastBehind is how much of the end is kept where there is more than maxBehind.
const lastBehind = 4096

// unseal restores the partial file as it was before seal, so that the next run
// continues from it. The hashes of a large file have to be received again.
func (t *FileTarget) unseal(w workspace) {
	ours := owners{user: os.Geteuid(), group: os.Getegid(), mode: partMode}
	ours.give(t.part)
	t.part.Chmod(partMode)
	if len(w.bytes) > 0 && durable.Allocate(t.part, w.size) == nil {
		t.part.WriteAt(w.bytes, w.at)
	}
}
