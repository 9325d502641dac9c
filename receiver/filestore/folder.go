// SPDX-License-Identifier: GPL-2.0-or-later

package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"iotupd/internal/durable"
)

// A folder is an open directory that files are put into. Whether a file can be
// finished there is checked as soon as its name is known, so that nothing is
// received that cannot be put into place. Commit checks again before it changes the
// partial file.
type folder struct {
	*os.Root
	mode    fs.FileMode // of a new file here
	longest int         // name of a file here, in bytes
	fixed   bool        // one owner and mode for all files, whoever makes them
	parts   *pool       // partial files here

	// readers has an entry for each file that Has reads. The disk is not faster with
	// more of them.
	readers chan struct{}

	shared bool   // by the targets of a Collection
	names  *names // nil: one target may replace its own files
}

// openFolder opens the directory at path, and tries at once whether files can be put
// there. Errors are of type [*Error].
func openFolder(path string) (*folder, error) {
	root, err := os.OpenRoot(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &Error{Path: path, Err: fmt.Errorf("directory %s does not exist; make it first", path)}
	}
	if err != nil {
		return nil, &Error{Path: path, Err: fmt.Errorf("directory %s: %w", path, durable.Cause(err))}
	}
	d := &folder{Root: root, parts: newPool(0), readers: make(chan struct{}, 4)}
	if err := d.try(); err != nil {
		d.Close()
		return nil, dirError(path, "cannot make a file in it: ", err)
	}
	return d, nil
}

// leave is called by a target that does not use the directory any more.
func (d *folder) leave() {
	if !d.shared {
		d.Close()
	}
}

// ballastDir returns the directory for ballast, of which there is too much with many
// files: nil.
func (d *folder) ballastDir() *os.Root {
	if d.shared {
		return nil
	}
	return d.Root
}

// ofDir reports whether an error concerns the directory itself.
func ofDir(err error) bool {
	return errors.Is(err, durable.ErrDirImmutable) || errors.Is(err, durable.ErrDirAppendOnly)
}

// dirError returns an error of the directory at path. An error that names the
// directory itself needs no further words.
func dirError(path, words string, err error) error {
	if ofDir(err) {
		return &Error{Path: path, Err: fmt.Errorf("directory %s %w", path, err)}
	}
	return &Error{Path: path, Err: fmt.Errorf("directory %s: %s%w", path, words, durable.Cause(err))}
}

func (d *folder) path(name string) string { return filepath.Join(d.Name(), name) }

// try does in the directory everything that putting a file there takes, and notes
// the mode and owner that files get there.
func (d *folder) try() error {
	d.mode = partMode
	err := durable.Try(d.Root, 0o666, d.noteOwners)
	if durable.IsFull(err) && d.continues() {
		err = nil // Reserve says whether there is room for the rest
	}
	if err == nil {
		d.longest = durable.LongestName(d.Root)
	}
	return err
}

// noteOwners notes the mode and the owner of a new file.
func (d *folder) noteOwners(f *os.File) {
	info, err := f.Stat()
	if err != nil {
		return
	}
	d.mode = info.Mode().Perm()
	f.Chmod(partMode)
	info, err = f.Stat()
	d.fixed = err == nil && (!durable.OwnedAlone(f) || info.Mode().Perm()&othersWrite != 0)
}

// continues reports whether there is a partial file here, which may have all the room
// that it needs.
func (d *folder) continues() bool {
	entries, err := fs.ReadDir(d.FS(), ".")
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
func (d *folder) possible(name string) error {
	if name == filepath.Base(name) && filepath.IsLocal(name) && len(name) <= d.longest {
		if err := durable.TryName(d.Root, "."+d.shorten(name)+trySuffix); err != nil && !durable.IsFull(err) {
			return newError(d.path(name), err)
		}
	}
	return d.replaceable(name)
}

// trySuffix ends the name of a file that exists for a moment. It is not longer than
// PartSuffix.
const trySuffix = ".iotupd-try"

// replaceable reports why no file can be renamed to a name. Errors are of type
// [*Error].
func (d *folder) replaceable(name string) error {
	if len(name) > d.longest {
		return newError(d.path(name), fmt.Errorf("the name has %d bytes, and the file system has room for %d", len(name), d.longest))
	}
	if info, err := d.Lstat(name); err == nil && !replaces(info.Mode()) {
		return &Error{Path: d.path(name), Err: fmt.Errorf("%s is in the way: it is not a regular file", d.path(name))}
	}
	return d.movable(name)
}

// movable reports why the entry called name cannot be replaced or removed,
// whatever its type. Errors are of type [*Error].
func (d *folder) movable(name string) error {
	if err := durable.Replaceable(d.Root, name); err != nil {
		if ofDir(err) {
			return dirError(d.Name(), "", err)
		}
		return &Error{Path: d.path(name), Err: fmt.Errorf("%s %w", d.path(name), err)}
	}
	return nil
}

// replaces reports whether a received file replaces an entry with a mode. A
// symbolic link is not followed: see [Dir].
func replaces(mode fs.FileMode) bool { return mode.IsRegular() || mode&fs.ModeType == fs.ModeSymlink }

// shorten returns name, or a shortened form with a hash if the names of the files
// beside it would be too long.
func (d *folder) shorten(name string) string {
	return durable.ShortName(name, d.longest-beside)
}

// check reports whether the directory is where it was.
func (d *folder) check() error {
	path := d.Name()
	mine, err := d.Stat(".")
	if err != nil {
		return nil
	}
	named, err := os.Stat(path)
	switch {
	case err == nil && os.SameFile(mine, named):
		return nil
	case err == nil, errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return newError("directory "+path, ErrMoved)
	}
	return nil
}
