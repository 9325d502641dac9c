// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"iotupd/proto/archive"
	"iotupd/sender/filesource"
)

// looked is how many entries [Directory.Look] looks at: a disk may be slow. Of 100,000, each
// has its turn every 100 s if that is called once a second. Files are looked at also when they
// are read.
const looked = 1024

// Look looks at some entries, and at others the next time. It returns a
// [*filesource.ChangedError] if one of them has changed, was added or removed. It is for one
// goroutine.
func (d *Directory) Look() error {
	if err := d.stillNamed(); err != nil {
		return err
	}
	for range min(looked, d.inventory.Len()) {
		if err := d.look(d.next); err != nil {
			return err
		}
		d.next = (d.next + 1) % d.inventory.Len()
	}
	return nil
}

// Check looks at all entries: see [Directory.Look].
func (d *Directory) Check() error {
	if err := d.stillNamed(); err != nil {
		return err
	}
	for i := range d.inventory.Len() {
		if err := d.look(i); err != nil {
			return err
		}
	}
	return nil
}

// stillNamed returns an error if another directory has taken the name of this one. Without a name,
// a directory can still be sent.
func (d *Directory) stillNamed() error {
	named, err := os.Stat(d.path)
	if err != nil {
		return nil
	}
	opened, err := d.root.Stat(".")
	if err != nil {
		return d.failure("", err)
	}
	if !os.SameFile(named, opened) {
		return d.changed("", filesource.Replaced)
	}
	return nil
}

// look looks at an entry.
func (d *Directory) look(i int) error {
	e := d.inventory.Entry(i)
	var info fs.FileInfo
	err := d.parents.in(e.Path, func(dir *os.Root, name string) (err error) {
		info, err = dir.Lstat(name)
		return err
	})
	if err != nil {
		return d.unopened(e.Path, err)
	}
	if e.Type == archive.HardLink { // another name of a file that is looked at itself
		if now := statOf(info).id; !info.Mode().IsRegular() || now.device != d.ids[i].device || now.inode != d.ids[i].inode {
			return d.changed(e.Path, filesource.Replaced)
		}
		return nil
	}
	if e.Type.HasContent() {
		return d.lookAtFile(i, &e, info)
	}
	now, was := statOf(info).id, d.ids[i]
	switch {
	case typeOf(info.Mode()) != e.Type || now.device != was.device || now.inode != was.inode:
		return d.changed(e.Path, filesource.Replaced)
	case e.Type != archive.Symlink && !d.sameMode(&e, info):
		return d.changed(e.Path, filesource.Changed)
	case e.Type == archive.Directory:
		return d.lookInto(i, &e, info)
	case e.Type == archive.Symlink && now != was: // a new link may have the number of a removed one
		target, err := d.root.Readlink(filepath.FromSlash(e.Path))
		if err != nil {
			return d.failure(e.Path, err)
		}
		if target != e.Target {
			return d.changed(e.Path, filesource.Changed)
		}
	}
	return nil
}

// typeOf returns the type of an entry with a mode; 0 if there is none.
func typeOf(m fs.FileMode) archive.Type {
	switch {
	case m.IsDir():
		return archive.Directory
	case m&fs.ModeSymlink != 0:
		return archive.Symlink
	}
	return typeOfSpecial(m)
}

// sameMode reports whether the mode is the same as in the entry.
func (d *Directory) sameMode(e *archive.Entry, info fs.FileInfo) bool {
	mode := modeOf(info.Mode())
	if !keepsBits(d.preserve) {
		mode &^= archive.ModeSetuid | archive.ModeSetgid
	}
	return mode == e.Mode
}

// lookAtFile compares a file with its entry.
func (d *Directory) lookAtFile(i int, e *archive.Entry, info fs.FileInfo) error {
	err := d.same(i, info, e.Path, int64(e.Size), time.Unix(e.Seconds, int64(e.Nanoseconds)), func() error {
		f, err := d.open(i, e) // confirms
		if err == nil {
			err = f.Close()
		}
		return err
	})
	if err == nil && !d.sameMode(e, info) {
		err = d.changed(e.Path, filesource.Changed)
	}
	return err
}

// lookInto looks what was added to a directory, or removed from it, if the time of its last
// modification says that something was.
func (d *Directory) lookInto(i int, e *archive.Entry, info fs.FileInfo) error {
	if info.ModTime().Equal(time.Unix(e.Seconds, int64(e.Nanoseconds))) {
		return nil
	}
	open, err := d.root.OpenRoot(filepath.FromSlash(path.Join(".", e.Path)))
	if err != nil {
		return d.failure(e.Path, err)
	}
	defer open.Close()
	names, err := namesIn(open)
	if err != nil {
		return d.failure(e.Path, err)
	}
	known := d.namesAfter(i, e.Path)
	for _, name := range names {
		if _, ok := known[name]; ok {
			delete(known, name)
			continue
		}
		info, err := open.Lstat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist): // it is gone again
		case err != nil:
			return d.failure(path.Join(e.Path, name), err)
		case !d.leavesOut(info.Mode()):
			return d.changed(path.Join(e.Path, name), filesource.Added)
		}
	}
	if len(known) > 0 {
		return d.changed(path.Join(e.Path, slices.Sorted(maps.Keys(known))[0]), filesource.Removed)
	}
	return nil
}

// leavesOut reports whether what has this mode is not sent.
func (d *Directory) leavesOut(m fs.FileMode) bool {
	t := typeOf(m)
	return !m.IsRegular() && (t == 0 || t.IsSpecial() && !d.preserve.Special)
}

// namesAfter returns the names of the entries that are directly in the directory with a path,
// which is entry i.
func (d *Directory) namesAfter(i int, at string) map[string]struct{} {
	prefix := at + "/"
	if at == "" {
		prefix = ""
	}
	names := make(map[string]struct{})
	for i++; i < d.inventory.Len(); i++ {
		e := d.inventory.Entry(i)
		name, in := strings.CutPrefix(e.Path, prefix)
		if !in {
			break
		}
		if !strings.Contains(name, "/") {
			names[name] = struct{}{}
		}
	}
	return names
}
