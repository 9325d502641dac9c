// SPDX-License-Identifier: GPL-2.0-or-later

//go:build unix

package directory

import (
	"io/fs"
	"os"
	"syscall"
)

func identityOf(d *os.File) (id identity, err error) {
	info, err := d.Stat()
	if err == nil {
		id.inode = uint64(info.Sys().(*syscall.Stat_t).Ino)
	}
	return id, err
}

// deviceOf returns the number of the file system that a file is on.
func deviceOf(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Dev)
	}
	return 0
}
