// SPDX-License-Identifier: GPL-2.0-or-later

package filestore

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"iotupd/internal/durable"
	"iotupd/proto"
	"iotupd/receiver"
)

// The partial file is where an object is received. It is hidden beside the
// Target, locked by the process that writes it, and left in place by any end of
// a transfer but success: the next one continues from it. Nothing in it is
// trusted, since the receiver compares every shard with its leaf (spec.md 7.3).
const (
	PartSuffix = ".iotupd-part"

	// partMode keeps others from reading the file, which may be secret, as the
	// old file or a sealed one may be. The file gets its own mode when it is
	// whole.
	partMode = 0o600

	// beside is how much longer than a file's name the names of the files beside
	// it are: a dot before it, and a suffix.
	beside = 15

	// keepParts is how long --dir keeps the partial files of other objects. Each
	// file has one name with --output, but there every release has its own.
	keepParts = 7 * 24 * time.Hour
)

// Open implements [Target]. It continues from the partial file of an earlier run, of
// this object or of the one before. Errors are of type [*Error]; one of them wraps
// [ErrInUse].
func (t *FileTarget) Open(id proto.ObjectID, p proto.Params) (receiver.Store, error) {
	name := t.hidden(cmp.Or(t.name, id.String()))
	found, err := t.takePart(name)
	if err != nil {
		return nil, newError(t.path(name), err)
	}
	if t.name == "" {
		t.sweep(time.Now())
	}
	t.store = &store{file: t.part, dir: t.dir, place: t.path(name), size: int64(p.Size), found: found, giveBack: t.giveBack}
	t.place()
	return t.store, nil
}

// hidden returns the name of the partial file of a file, or of an object.
func (t *FileTarget) hidden(name string) string { return "." + t.shorten(name) + PartSuffix }

// takePart makes the file called name the partial file, and returns its size. It is
// the file of an earlier run. If there is none, the current partial file is
// renamed, which holds an object that this one replaces: an older release often
// has much in common with it.
func (t *FileTarget) takePart(name string) (size int64, err error) {
	t.placed.Store(nil)
	if t.part != nil && !t.means(t.partName, t.part) {
		t.leave() // it was removed
	}
	if t.part == nil || t.partName != name {
		if err := t.change(name); err != nil {
			return 0, err
		}
	}
	info, err := t.part.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// change makes a file of another name the partial file.
func (t *FileTarget) change(name string) error {
	f, err := t.reopen(name)
	made := f == nil
	switch {
	case err != nil:
		return err
	case made && t.part != nil:
		if err := t.dir.Rename(t.partName, name); err != nil {
			return err
		}
		t.partName = name
		return nil
	case made:
		if f, err = t.create(name); err != nil {
			return err
		}
	}
	t.Discard() // one transfer leaves one file behind
	t.part, t.partName, t.made = f, name, made
	return nil
}

// reopen opens and locks the partial file that an earlier run left behind. If no
// file can be continued, it returns nil and the name is free: links are not
// followed, and a file that has another name, or that belongs to another user, is
// removed. A file that another process is writing is an error.
func (t *FileTarget) reopen(name string) (*os.File, error) {
	info, err := t.dir.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, t.dir.Remove(name)
	}
	f, err := t.dir.OpenFile(name, os.O_RDWR, 0)
	readOnly := errors.Is(err, fs.ErrPermission)
	if readOnly {
		f, err = t.dir.Open(name)
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, t.foreign(name, info)
	}
	if err != nil {
		return nil, err
	}
	// Without locks, two processes could continue from the same file.
	locks, err := t.lock(name, f)
	if err == nil && locks && !readOnly && durable.OwnedAlone(f) {
		f.Chmod(partMode) // it may have another; some file systems have one mode for all
		return f, nil
	}
	if err == nil {
		err = t.dir.Remove(name)
	}
	f.Close() // unlocks, after the removal
	return nil, err
}

// foreign returns the error for the file called name, which this user may not
// open: it names the owner.
func (t *FileTarget) foreign(name string, info fs.FileInfo) error {
	whose := "another user"
	switch user := ownersOf(info).user; {
	case user == os.Geteuid():
		return fs.ErrPermission // for another reason
	case user == 0:
		whose = "root, as with sudo"
	case user > 0:
		whose = fmt.Sprintf("the user with the number %d", user)
	}
	return fmt.Errorf("%w, %s; remove it, or receive as that user: sudo rm %s", ErrForeign, whose, shellWord(t.path(name)))
}

// shellWord quotes a path for a shell.
func shellWord(path string) string {
	if strings.Trim(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-") == "" {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

// create makes and locks a new partial file.
func (t *FileTarget) create(name string) (*os.File, error) {
	f, err := t.dir.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, partMode)
	if err != nil {
		return nil, err
	}
	if _, err := t.lock(name, f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// lock locks f, which was opened by name, for this process, and reports whether
// this file system has locks. It fails if another process has the lock, or has
// removed or replaced the file before it was locked.
func (t *FileTarget) lock(name string, f *os.File) (locks bool, err error) {
	free, err := durable.Lock(f)
	locks = !errors.Is(err, durable.ErrNoLocks)
	if locks && err != nil {
		return true, err
	}
	if locks && !free || !t.means(name, f) {
		return locks, ErrInUse
	}
	return locks, nil
}

// means reports whether name is still the name of f.
func (t *FileTarget) means(name string, f *os.File) bool {
	mine, err1 := f.Stat()
	named, err2 := t.dir.Lstat(name)
	return err1 == nil && err2 == nil && os.SameFile(mine, named)
}

// isPartOfObject reports whether name is the name of a partial file of --dir: a
// dot, the id of an object and PartSuffix.
func isPartOfObject(name string) bool {
	id, ok := strings.CutSuffix(name, PartSuffix)
	return ok && len(id) == 33 && id[0] == '.' && strings.Trim(id[1:], "0123456789abcdef") == ""
}

// isLeft reports whether name belongs to a file that a killed process may have
// left behind in --dir.
func isLeft(name string) bool {
	return isPartOfObject(name) || strings.HasPrefix(name, ".") && strings.HasSuffix(name, durable.RoomSuffix)
}

// sweep removes the partial files of other objects that have not been written to
// for long, and the space that was kept for notes. A partial file in use is
// locked; without lock support, every file counts as in use.
func (t *FileTarget) sweep(now time.Time) {
	if _, err := durable.Lock(t.part); err != nil { // a second time, which has no effect
		return
	}
	entries, _ := fs.ReadDir(t.dir.FS(), ".")
	for _, e := range entries {
		if e.Name() == t.partName || !e.Type().IsRegular() || !isLeft(e.Name()) {
			continue
		}
		if info, err := e.Info(); err != nil || now.Sub(info.ModTime()) < keepParts {
			continue
		}
		if f, _ := t.reopen(e.Name()); f != nil {
			t.dir.Remove(e.Name())
			f.Close()
		}
	}
}

// Discard removes the partial file, if it is still this process's.
func (t *FileTarget) Discard() {
	t.placed.Store(nil)
	if t.part != nil && t.means(t.partName, t.part) {
		t.dir.Remove(t.partName)
	}
	t.leave()
}

// giveBack frees the space that this run has taken, and lets others have the file.
func (t *FileTarget) giveBack() {
	if !t.made {
		t.part.Truncate(t.store.found)
		t.leave()
		return
	}
	t.Discard()
}

// leave closes the partial file, which others may continue from now.
func (t *FileTarget) leave() {
	t.placed.Store(nil)
	if t.store != nil {
		t.store.dropBallast()
	}
	if t.part != nil {
		t.part.Close()
		t.part = nil
	}
}

// Close implements [Target].
func (t *FileTarget) Close() {
	if t.part != nil && !t.worthwhile() {
		t.Discard()
	}
	t.leave()
	if t.dir != nil {
		t.dir.Close()
	}
}

// worthwhile reports whether a later run could continue from the partial file:
// not if no received object was wanted or fit, nor if the object has no hashes
// that show which bytes are right.
func (t *FileTarget) worthwhile() bool {
	info, err := t.part.Stat()
	switch {
	case err != nil:
		return true
	case info.Size() == 0:
		return false
	case t.store.discarded || t.store.refused:
		return !t.made
	}
	return !t.store.bare
}
