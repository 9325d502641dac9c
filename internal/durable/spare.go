// SPDX-License-Identifier: GPL-2.0-or-later

package durable

import (
	"errors"
	"io/fs"
	"os"
)

// A Spare is a small file that is made now and replaces another one later, so
// that a full disk is noticed now. It is locked by this process, so that the file
// of a killed process is recognised and used again. A nil Spare means that there
// is none.
type Spare struct {
	dir  *os.Root
	name string
	file *os.File
}

// RoomSuffix ends the name of a spare file that is beside a received one, after the name
// of that.
const RoomSuffix = ".iotupd-room"

// NewSpare makes a spare file called name in dir, with room for a page. If another
// process has that one, or there are no locks here, the result is nil: there is room
// now, and nothing can be kept.
func NewSpare(dir *os.Root, name string) (*Spare, error) {
	f, err := reopenSpare(dir, name)
	if f == nil && err == nil {
		f, err = dir.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	}
	if errors.Is(err, fs.ErrExist) || errors.Is(err, errSpareInUse) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s := &Spare{dir: dir, name: name, file: f}
	free, err := Lock(f)
	locks := !errors.Is(err, ErrNoLocks)
	if locks && (err != nil || !free || !s.isOurs()) {
		f.Close()
		return nil, err
	}
	if _, err = f.WriteAt(make([]byte, pageSize), 0); err == nil {
		err = f.Sync()
	}
	if err != nil || !locks {
		s.Close()
		return nil, err
	}
	return s, nil
}

var errSpareInUse = errors.New("the file is in use")

// removeIfThere removes a file that another process may remove at the same time.
func removeIfThere(dir *os.Root, name string) error {
	if err := dir.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// reopenSpare opens the file that a killed process has left behind, or removes
// anything else called name; nil: the name is free.
func reopenSpare(dir *os.Root, name string) (*os.File, error) {
	info, err := dir.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, removeIfThere(dir, name)
	}
	f, err := OpenRegularIn(dir, name, os.O_RDWR)
	if err != nil {
		return nil, removeIfThere(dir, name)
	}
	free, err := Lock(f)
	switch {
	case err == nil && !free:
		f.Close()
		return nil, errSpareInUse
	case err == nil && OwnedAlone(f):
		return f, nil
	}
	f.Close()
	return nil, removeIfThere(dir, name)
}

// isOurs reports whether the name still leads to the file.
func (s *Spare) isOurs() bool {
	mine, err1 := s.file.Stat()
	named, err2 := s.dir.Lstat(s.name)
	return err1 == nil && err2 == nil && os.SameFile(mine, named)
}

// Replace makes the file called name hold content, of one page at most, as the
// function [Replace] does, and uses the spare file up. If it cannot be used, the
// function does it.
func (s *Spare) Replace(dir *os.Root, name string, content []byte, mode fs.FileMode) error {
	if s == nil || s.file == nil || len(content) > pageSize || !s.isOurs() {
		return Replace(dir, name, content, mode)
	}
	_, err := s.file.WriteAt(content, 0)
	if err == nil {
		err = s.file.Truncate(int64(len(content)))
	}
	s.file.Chmod(mode) // of what is the user's own
	if err == nil {
		err = s.file.Sync()
	}
	if err == nil {
		err = dir.Rename(s.name, name)
	}
	if err != nil {
		return err
	}
	s.file.Close()
	s.file = nil
	return SyncDir(dir)
}

// Used reports whether there is no spare file any more.
func (s *Spare) Used() bool { return s == nil || s.file == nil }

// Close removes the spare file, if it was not used.
func (s *Spare) Close() {
	if s.Used() {
		return
	}
	if s.isOurs() {
		s.dir.Remove(s.name)
	}
	s.file.Close()
	s.file = nil
}
