// SPDX-License-Identifier: GPL-2.0-or-later

package samedir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// An inode identifies a file by whatever name.
type inode struct{ device, number uint64 }

func inodeOf(info fs.FileInfo) (inode, bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return inode{}, false
	}
	return inode{uint64(stat.Dev), uint64(stat.Ino)}, true
}

// attributes compares what only this system has.
func (c *comparison) attributes(path string, a, b *file) error {
	x, y := a.info.Sys().(*syscall.Stat_t), b.info.Sys().(*syscall.Stat_t)
	c.note(path, Owner, fmt.Sprintf("%d:%d", x.Uid, x.Gid), fmt.Sprintf("%d:%d", y.Uid, y.Gid))
	if a.info.Mode()&fs.ModeDevice != 0 {
		c.note(path, Device, deviceOf(x), deviceOf(y))
	}
	s, err := xattrsOf(a.path)
	if err != nil {
		return err
	}
	t, err := xattrsOf(b.path)
	c.note(path, Xattrs, s, t)
	return err
}

func deviceOf(stat *syscall.Stat_t) string {
	return fmt.Sprintf("%d, %d", unix.Major(uint64(stat.Rdev)), unix.Minor(uint64(stat.Rdev)))
}

// xattrsOf returns the extended attributes of a file as text; empty: it does not have any.
func xattrsOf(path string) (string, error) {
	n, err := unix.Llistxattr(path, nil)
	b := make([]byte, max(n, 0))
	if n > 0 {
		n, err = unix.Llistxattr(path, b)
	}
	if err != nil {
		if errors.Is(err, unix.ENOTSUP) {
			return "", nil
		}
		return "", &fs.PathError{Op: "listxattr", Path: path, Err: err}
	}
	var all []string
	for name := range strings.SplitSeq(string(b[:n]), "\x00") {
		if name == "" {
			continue
		}
		value := make([]byte, 1<<16)
		n, err := unix.Lgetxattr(path, name, value)
		if err != nil {
			return "", &fs.PathError{Op: "getxattr " + name, Path: path, Err: err}
		}
		all = append(all, fmt.Sprintf("%s=%q", name, value[:n]))
	}
	slices.Sort(all)
	return strings.Join(all, " "), nil
}

// extentsOf returns what parts of a file are not holes.
func extentsOf(f *os.File) (all extents, err error) {
	for end := int64(0); ; {
		start, err := f.Seek(end, unix.SEEK_DATA)
		switch {
		case errors.Is(err, unix.ENXIO):
			return all, nil
		case errors.Is(err, unix.EINVAL):
			return wholeOf(f) // this file system does not know holes
		case err != nil:
			return nil, err
		}
		if end, err = f.Seek(start, unix.SEEK_HOLE); err != nil {
			return nil, err
		}
		all = append(all, extent{start, end})
	}
}

func wholeOf(f *os.File) (extents, error) {
	end, err := f.Seek(0, io.SeekEnd)
	return extents{{0, end}}, err
}
