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

// What installs a file reads it after it was verified. Until then nobody else may be
// able to change it: a file of another user is given back to that one, and a mode that
// lets others write is set, when the file has been installed.

// Owners are whose a file is, and who may use it.
type owners struct {
	user, group int // -1: as it is
	mode        fs.FileMode
}

// othersWrite are the bits of a mode by which others can change a file.
const othersWrite fs.FileMode = 0o022

// Withhold has Commit leave the file of m to this user alone, whoever could change
// the old file. It returns what [FileTarget.Release] is to do, as a word that can be
// kept; empty: nothing.
func (t *FileTarget) Withhold(m *proto.Manifest) (terms string) {
	t.withhold = true
	final := t.finalOwners(t.finalName(m))
	if t.fixed || !final.strangers() {
		return ""
	}
	return fmt.Sprintf("owner:%d:%d:%o", final.user, final.group, final.mode)
}

// Release gives the file of m, which has been installed, the owner and the mode that
// the terms of [FileTarget.Withhold] say. It must be the one that Commit or Has has
// verified. A file that whoever installed it has moved or replaced is left alone.
// Errors are of type [*Error].
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
		return newError(t.path(name), err)
	}
	defer f.Close()
	verified := t.verified.Load()
	if info, err := f.Stat(); err != nil || verified == nil || !unchanged(*verified, info) || !durable.OwnedAlone(f) {
		return nil
	}
	// Chown takes bits away, so the mode comes after it.
	if err := f.Chmod(o.give(f) & fs.ModePerm); err != nil {
		return newError(t.path(name), err)
	}
	if err := f.Sync(); err != nil {
		return newError(t.path(name), err)
	}
	return nil
}

// unchanged reports whether a file is the same as before. Its number may be that of one
// that was removed.
func unchanged(before, now fs.FileInfo) bool {
	return os.SameFile(before, now) && before.Size() == now.Size() && before.ModTime().Equal(now.ModTime())
}

// Exclusive reports whether nobody but this user can change the file of m, as far as
// the file system knows users.
func (t *FileTarget) Exclusive(m *proto.Manifest) bool {
	f, err := t.dir.Open(t.finalName(m))
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	return err == nil && (t.fixed || durable.OwnedAlone(f) && !ownersOf(info).strangers())
}

// finalOwners are those of the old file called name, or those of a new one, as also in
// the place of a symbolic link.
func (t *FileTarget) finalOwners(name string) owners {
	if old, err := t.dir.Lstat(name); err == nil && old.Mode().IsRegular() {
		return ownersOf(old)
	}
	return owners{user: -1, group: -1, mode: t.mode}
}

// setOwners gives the partial file the owners that the final file has at first.
func (t *FileTarget) setOwners(name string) error {
	final := t.finalOwners(name)
	if t.withhold {
		final = final.withheld()
	}
	mode := final.give(t.part)
	info, err := t.part.Stat()
	if err == nil && info.Mode().Perm() == mode { // some file systems have one mode for all
		return nil
	}
	if err := t.part.Chmod(mode); err != nil && !t.fixed {
		return durable.Cause(err)
	}
	return nil
}
