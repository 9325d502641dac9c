// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"iotupd/proto/archive"
)

// setAttributes sets everything but the time, in an order in which none takes away another.
func (x *extraction) setAttributes(f *os.File, e *archive.Entry) error {
	if x.preserve.Owners && e.Owned {
		if err := ownerError(f.Chown(int(e.User), int(e.Group))); err != nil {
			return err
		}
	}
	if x.preserve.Xattrs {
		if err := setXattrs(f, e); err != nil {
			return err
		}
	}
	if err := f.Chmod(modeOf(e)); err != nil && !x.fixed {
		return err
	}
	return nil
}

func ownerError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("its owner cannot be set: %w; only root may do that: receive without --preserve owners", cause(err))
	}
	return fmt.Errorf("its owner cannot be set: %w", cause(err))
}

// finishDirectory gives a directory its attributes, after all that is in it, and takes its
// stamp. The mode is the last, since it may keep this process out too.
func (x *extraction) finishDirectory(i int) error {
	if err := x.ctx.Err(); err != nil {
		return err
	}
	e := x.inventory.Entry(i)
	path := e.Path
	if path == "" {
		path = "."
	}
	f, err := x.root.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if syncsEach {
		f.Sync()
	}
	if err := setDirectoryTime(x.root, f, path, &e); err != nil {
		return err
	}
	if err := x.setAttributes(f, &e); err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		x.stamp(i, info)
	}
	return err
}

// takeStamps takes the stamps of everything but directories.
func (x *extraction) takeStamps() error {
	x.stamps = make([]byte, x.inventory.Len()*stampLen)
	for i, e := range x.inventory.All() {
		if e.Type == archive.Directory {
			continue
		}
		dir, name, err := x.at(e.Path)
		if err != nil {
			return x.explain(e.Path, err)
		}
		info, err := dir.Lstat(name)
		if err != nil {
			return x.explain(e.Path, err)
		}
		x.stamp(i, info)
	}
	return x.ctx.Err()
}

func (x *extraction) stamp(i int, info fs.FileInfo) {
	s := stampOf(info)
	s.appendTo(x.stamps[:i*stampLen])
}

// fixesModes reports whether all files have one mode where the directory root is.
func fixesModes(root *os.Root) bool {
	const usual, unusual = 0o700, 0o710
	d, err := root.Open(".")
	if err != nil {
		return false
	}
	defer d.Close()
	err = d.Chmod(unusual)
	info, failed := d.Stat()
	d.Chmod(usual)
	return err != nil || failed == nil && info.Mode().Perm() != unusual
}

// modeOf returns the mode of an entry as package os has it.
func modeOf(e *archive.Entry) fs.FileMode {
	mode := fs.FileMode(e.Mode & 0o777)
	for _, bit := range []struct {
		of uint32
		is fs.FileMode
	}{{archive.ModeSetuid, fs.ModeSetuid}, {archive.ModeSetgid, fs.ModeSetgid}, {archive.ModeSticky, fs.ModeSticky}} {
		if e.Mode&bit.of != 0 {
			mode |= bit.is
		}
	}
	return mode
}
