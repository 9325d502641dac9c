// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"io/fs"
	"syscall"
)

// numbersOf returns the inode of a file, and when that was changed.
func numbersOf(info fs.FileInfo) (inode uint64, changed moment) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, moment{}
	}
	return st.Ino, moment{int64(st.Ctim.Sec), uint32(st.Ctim.Nsec)}
}
