// SPDX-License-Identifier: GPL-2.0-or-later

package filestore

import (
	"cmp"
	"os"
	"time"

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
	name := t.hidden(cmp.Or(t.name, id.String()+t.tag))
	found, err := t.takePart(name)
	if err != nil {
		return nil, newError(t.dir.path(name), err)
	}
	if t.sweeps {
		t.part.use(func(f *os.File) error { t.dir.sweep(time.Now(), f); return nil })
	}
	t.store = &store{part: t.part, dir: t.dir.ballastDir(), place: t.dir.path(name), size: int64(p.Size), found: found, giveBack: t.giveBack}
	t.place()
	return t.store, nil
}

// hidden returns the name of the partial file of a file, or of an object.
func (t *FileTarget) hidden(name string) string { return "." + t.dir.shorten(name) + PartSuffix }

// takePart makes the file called name the partial file, and returns its size. It is
// the file of an earlier run. If there is none, the current partial file is
// renamed, which holds an object that this one replaces: an older release often
// has much in common with it.
func (t *FileTarget) takePart(name string) (size int64, err error) {
	t.placed.Store(nil)
	if t.part != nil && !t.has(t.part) {
		t.leave() // it was removed
	}
	if t.part == nil || t.part.name != name {
		if err := t.change(name); err != nil {
			return 0, err
		}
	}
	err = t.part.use(func(f *os.File) error {
		info, err := f.Stat()
		if err == nil {
			size = info.Size()
		}
		return err
	})
	return size, err
}

// change makes a file of another name the partial file.
func (t *FileTarget) change(name string) error {
	made := false
	next, err := t.dir.parts.add(t.dir, name, func() (*os.File, error) {
		f, err := t.dir.reopen(name)
		if made = f == nil; err == nil && made && t.part == nil {
			f, err = t.dir.create(name)
		}
		return f, err
	})
	switch {
	case err != nil:
		return err
	case next == nil:
		return t.part.rename(name)
	}
	t.Discard() // one transfer leaves one file behind
	t.part, t.made = next, made
	return nil
}

// has reports whether a partial file still has its name.
func (t *FileTarget) has(f *part) bool {
	return f.use(func(*os.File) error {
		named, err := t.dir.Lstat(f.name)
		if err == nil && !f.is(named) {
			err = ErrRemoved
		}
		return err
	}) == nil
}

// Discard removes the partial file, if it is still this process's.
func (t *FileTarget) Discard() {
	t.placed.Store(nil)
	if t.part != nil && t.has(t.part) {
		t.dir.Remove(t.part.name)
	}
	t.leave()
}

// giveBack frees the space that this run has taken, and lets others have the file.
func (t *FileTarget) giveBack() {
	if !t.made {
		t.part.use(func(f *os.File) error { return f.Truncate(t.store.found) })
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
		t.part.close()
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
		t.dir.leave()
	}
}

// worthwhile reports whether a later run could continue from the partial file:
// not if no received object was wanted or fit, nor if the object has no hashes
// that show which bytes are right.
func (t *FileTarget) worthwhile() bool {
	info, err := t.dir.Lstat(t.part.name)
	switch {
	case err != nil, !t.part.is(info):
		return true
	case info.Size() == 0:
		return false
	case t.store.discarded || t.store.refused:
		return !t.made
	}
	return !t.store.bare
}
