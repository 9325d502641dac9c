// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"os"

	"golang.org/x/sys/unix"
)

// freeOn returns what is free where the directory d is.
func freeOn(d *os.File) (free space, known bool) {
	var st unix.Statfs_t
	if unix.Fstatfs(int(d.Fd()), &st) != nil || st.Bsize <= 0 {
		return space{}, false
	}
	block := uint64(st.Bsize)
	// A file system that makes inodes when they are needed says that there are none.
	return space{bytes: st.Bavail * block, files: st.Ffree, block: min(block, 1<<16), limited: st.Files > 0}, true
}
