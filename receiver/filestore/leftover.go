// SPDX-License-Identifier: GPL-2.0-or-later

package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"iotupd/internal/durable"
)

// reopen opens and locks the partial file that an earlier run left behind. If no
// file can be continued, it returns nil and the name is free: links are not
// followed, and a file that has another name, or that belongs to another user, is
// removed. A file that another process is writing is an error.
func (d *folder) reopen(name string) (*os.File, error) {
	info, err := d.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, d.Remove(name)
	}
	f, err := d.OpenFile(name, os.O_RDWR, 0)
	readOnly := errors.Is(err, fs.ErrPermission)
	if readOnly {
		f, err = d.Open(name)
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, d.foreign(name, info)
	}
	if err != nil {
		return nil, err
	}
	// Without locks, two processes could continue from the same file.
	locks, err := d.lock(name, f)
	if err == nil && locks && !readOnly && durable.OwnedAlone(f) {
		f.Chmod(partMode) // it may have another; some file systems have one mode for all
		return f, nil
	}
	if err == nil {
		err = d.Remove(name)
	}
	f.Close() // unlocks, after the removal
	return nil, err
}

// foreign returns the error for the file called name, which this user may not
// open: it names the owner.
func (d *folder) foreign(name string, info fs.FileInfo) error {
	whose := "another user"
	switch user := ownersOf(info).user; {
	case user == os.Geteuid():
		return fs.ErrPermission // for another reason
	case user == 0:
		whose = "root, as with sudo"
	case user > 0:
		whose = fmt.Sprintf("the user with the number %d", user)
	}
	return fmt.Errorf("%w, %s; remove it, or receive as that user: sudo rm %s", ErrForeign, whose, shellWord(d.path(name)))
}

// shellWord quotes a path for a shell.
func shellWord(path string) string {
	if strings.Trim(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-") == "" {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

// create makes and locks a new partial file.
func (d *folder) create(name string) (*os.File, error) {
	f, err := d.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, partMode)
	if err != nil {
		return nil, err
	}
	if _, err := d.lock(name, f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// lock locks f, which was opened by name, for this process, and reports whether
// this file system has locks. It fails if another process has the lock, or has
// removed or replaced the file before it was locked.
func (d *folder) lock(name string, f *os.File) (locks bool, err error) {
	free, err := durable.Lock(f)
	locks = !errors.Is(err, durable.ErrNoLocks)
	if locks && err != nil {
		return true, err
	}
	if locks && !free || !d.means(name, f) {
		return locks, ErrInUse
	}
	return locks, nil
}

// means reports whether name is still the name of f.
func (d *folder) means(name string, f *os.File) bool {
	mine, err1 := f.Stat()
	named, err2 := d.Lstat(name)
	return err1 == nil && err2 == nil && os.SameFile(mine, named)
}

// isPartOfObject reports whether name is the name of a partial file of --dir: a
// dot, the id of an object, a tag and PartSuffix.
func isPartOfObject(name, tag string) bool {
	id, ok := strings.CutSuffix(name, tag+PartSuffix)
	return ok && len(id) == 33 && id[0] == '.' && strings.Trim(id[1:], "0123456789abcdef") == ""
}

// isLeft reports whether name belongs to a file that a killed process may have
// left behind in --dir. The files of a collection are its own, since they have no locks.
func (d *folder) isLeft(name string) bool {
	return isPartOfObject(name, "") || d.shared && isPartOfObject(name, collected) ||
		strings.HasPrefix(name, ".") && strings.HasSuffix(name, durable.RoomSuffix)
}

// sweep removes the partial files of other objects that have not been written to
// for long, and the space that was kept for notes. A partial file in use is
// locked; without lock support, every file counts as in use. own is a file that is
// locked already.
func (d *folder) sweep(now time.Time, own *os.File) {
	if _, err := durable.Lock(own); err != nil { // a second time, which has no effect
		return
	}
	entries, _ := fs.ReadDir(d.FS(), ".")
	for _, e := range entries {
		if !e.Type().IsRegular() || !d.isLeft(e.Name()) {
			continue
		}
		if info, err := e.Info(); err != nil || now.Sub(info.ModTime()) < keepParts {
			continue
		}
		if f, _ := d.reopen(e.Name()); f != nil {
			d.Remove(e.Name())
			f.Close()
		}
	}
}
