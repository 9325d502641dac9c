// SPDX-License-Identifier: GPL-2.0-or-later

package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"iotupd/internal/durable"
	"iotupd/proto"
)

// An installer reads the file after it was verified. Until it is done nobody else
// may be able to change the file: it gets the owner and the mode that let others
// write only when it has been installed.

// owners are the user and group of a file, and its mode.
type owners struct {
	user, group int // -1: as it is
	mode        fs.FileMode
}

// othersWrite are the bits of a mode by which others can change a file.
const othersWrite fs.FileMode = 0o022

// Withhold makes Commit leave the file of m to this user alone, whoever could
// change the old file. It returns the terms for [FileTarget.Release], as a text
// that can be stored; empty: nothing to release. A directory has the modes in its
// inventory from the beginning, and belongs to this user unless owners are preserved.
func (t *FileTarget) Withhold(m *proto.Manifest) (terms string) {
	t.withhold = true
	if t.unpacks(m) {
		return ""
	}
	final := t.finalOwners(t.finalName(m))
	if t.dir.fixed || !final.strangers() {
		return ""
	}
	return fmt.Sprintf("owner:%d:%d:%o", final.user, final.group, final.mode)
}

// Release gives the file of m, which has been installed, the owner and the mode
// that the terms of [FileTarget.Withhold] say. It must be the one that Commit or
// Has has verified. A file that its installer has moved or replaced is left
// alone. Errors are of type [*Error].
func (t *FileTarget) Release(m *proto.Manifest, terms string) error {
	var o owners
	if _, err := fmt.Sscanf(terms, "owner:%d:%d:%o", &o.user, &o.group, &o.mode); err != nil {
		return nil
	}
	name := t.finalName(m)
	f, err := t.dir.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return newError(t.dir.path(name), err)
	}
	defer f.Close()
	verified := t.verified.Load()
	if info, err := f.Stat(); err != nil || verified == nil || !unchanged(*verified, info) || !durable.OwnedAlone(f) {
		return nil
	}
	// Chown takes bits away, so the mode comes after it.
	if err := f.Chmod(o.give(f) & fs.ModePerm); err != nil {
		return newError(t.dir.path(name), err)
	}
	if err := f.Sync(); err != nil {
		return newError(t.dir.path(name), err)
	}
	return nil
}

// unchanged reports whether a file is the same as before. The inode number alone
// does not suffice, since numbers of removed files are reused.
func unchanged(before, now fs.FileInfo) bool {
	return os.SameFile(before, now) && before.Size() == now.Size() && before.ModTime().Equal(now.ModTime())
}

// Exclusive reports whether nobody but this user can change the file of m, as far as
// the file system knows users.
func (t *FileTarget) Exclusive(m *proto.Manifest) bool {
	if t.unpacks(m) {
		return t.exclusiveDirectory(t.finalName(m))
	}
	f, err := t.dir.Open(t.finalName(m))
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	return err == nil && (t.dir.fixed || durable.OwnedAlone(f) && !ownersOf(info).strangers())
}

// finalOwners returns the owners of the old file called name. If it does not
// exist or is a symbolic link, they are the owners of a new file.
func (t *FileTarget) finalOwners(name string) owners {
	if old, err := t.dir.Lstat(name); err == nil && old.Mode().IsRegular() {
		return ownersOf(old)
	}
	return owners{user: -1, group: -1, mode: t.dir.mode}
}

// setOwners gives f, the partial file, the owners that the final file has at first.
func (t *FileTarget) setOwners(f *os.File, name string) error {
	final := t.finalOwners(name)
	if t.withhold {
		final = final.withheld()
	}
	mode := final.give(f)
	info, err := f.Stat()
	if err == nil && info.Mode().Perm() == mode { // some file systems have one mode for all
		return nil
	}
	if err := f.Chmod(mode); err != nil && !t.dir.fixed {
		return durable.Cause(err)
	}
	return nil
}
