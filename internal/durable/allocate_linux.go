// SPDX-License-Identifier: GPL-2.0-or-later

package durable

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Allocate gives f exactly size bytes, and the disk space for them where the
// file system can, so that a full disk shows now.
func Allocate(f *os.File, size int64) error {
	if err := f.Truncate(size); err != nil || size == 0 {
		return err
	}
	for {
		err := unix.Fallocate(int(f.Fd()), 0, 0, size)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
			return nil
		}
		return err
	}
}

// Room returns how many bytes f could have: those that are free, and its own.
func Room(f *os.File) (bytes int64, known bool) {
	var fs unix.Statfs_t
	var st unix.Stat_t
	if unix.Fstatfs(int(f.Fd()), &fs) != nil || unix.Fstat(int(f.Fd()), &st) != nil {
		return 0, false
	}
	return int64(fs.Bavail)*int64(fs.Bsize) + 512*int64(st.Blocks), true
}

// StartWriting makes the system begin to write n bytes of f, and does not wait for
// them. File systems that cannot do that ignore it.
func StartWriting(f *os.File, offset, n int64) {
	unix.SyncFileRange(int(f.Fd()), offset, n, unix.SYNC_FILE_RANGE_WRITE)
}
