// SPDX-License-Identifier: GPL-2.0-or-later

package durable

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

func replaceable(dir *os.Root, name string) error {
	d, err := dir.Open(".")
	if err != nil {
		return nil
	}
	defer d.Close()
	var file, parent unix.Stat_t
	if unix.Fstatat(int(d.Fd()), name, &file, unix.AT_SYMLINK_NOFOLLOW) != nil || unix.Fstat(int(d.Fd()), &parent) != nil {
		return nil // there is none
	}
	if err := fixedBy(int(d.Fd()), name); err != nil {
		return err
	}
	if err := changeableDir(dir); err != nil {
		return err
	}
	if kind := file.Mode & unix.S_IFMT; kind == unix.S_IFDIR {
		return nil
	}
	// Removing a file as a directory always fails. But the kernel checks first,
	// with all that it knows, whether the file may be removed.
	if err := unix.Unlinkat(int(d.Fd()), name, unix.AT_REMOVEDIR); !errors.Is(err, unix.EPERM) {
		return nil
	}
	if parent.Mode&unix.S_ISVTX != 0 && int(file.Uid) != os.Geteuid() {
		return ErrSticky
	}
	return ErrRefused
}

// fixedBy returns what the file system says why a file cannot be replaced.
func fixedBy(dir int, name string) error {
	var st unix.Statx_t
	if unix.Statx(dir, name, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, unix.STATX_TYPE, &st) != nil {
		return nil // an old kernel
	}
	switch attributes := st.Attributes & st.Attributes_mask; {
	case attributes&unix.STATX_ATTR_MOUNT_ROOT != 0:
		return ErrMountPoint
	case attributes&unix.STATX_ATTR_IMMUTABLE != 0:
		return ErrImmutable
	case attributes&unix.STATX_ATTR_APPEND != 0:
		return ErrAppendOnly
	}
	return nil
}

func changeableDir(dir *os.Root) error {
	d, err := dir.Open(".")
	if err != nil {
		return nil
	}
	defer d.Close()
	var st unix.Statx_t
	if unix.Statx(int(d.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_TYPE, &st) != nil {
		return nil
	}
	switch attributes := st.Attributes & st.Attributes_mask; {
	case attributes&unix.STATX_ATTR_IMMUTABLE != 0:
		return ErrDirImmutable
	case attributes&unix.STATX_ATTR_APPEND != 0:
		return ErrDirAppendOnly
	}
	return nil
}

// statedName returns how long names in dir may be, as the file system says.
func statedName(dir *os.Root) int {
	d, err := dir.Open(".")
	if err != nil {
		return maxName
	}
	defer d.Close()
	var fs unix.Statfs_t
	if unix.Fstatfs(int(d.Fd()), &fs) != nil || fs.Namelen <= 0 {
		return maxName
	}
	return int(fs.Namelen)
}

func isTooLong(err error) bool { return errors.Is(err, unix.ENAMETOOLONG) }
