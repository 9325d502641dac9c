// SPDX-License-Identifier: GPL-2.0-or-later

//go:build unix

package filestore

import (
	"io/fs"
	"os"
	"syscall"
)

// ours reports whether f belongs to this user and has no other name, by which
// somebody else may have it open.
func ours(f *os.File) bool {
	info, err := f.Stat()
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid() && stat.Nlink == 1
}

// takeOwner gives f the owner and the group of an old file, as far as this user
// may, and returns the mode that lets nobody read it who could not read that one.
func takeOwner(f *os.File, old fs.FileInfo) (mode fs.FileMode) {
	mode = old.Mode().Perm()
	stat, ok := old.Sys().(*syscall.Stat_t)
	if ok && (f.Chown(int(stat.Uid), int(stat.Gid)) == nil || f.Chown(-1, int(stat.Gid)) == nil) {
		return mode
	}
	return mode & (0o707 | mode<<3) // the group is another one: it may what all may
}
