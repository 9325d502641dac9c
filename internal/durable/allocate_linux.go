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
	step := size
	if CopiesOnWrite(f) {
		step = cowPiece
	}
	for at := int64(0); at < size; at += step {
		err := fallocate(f, at, min(step, size-at))
		if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func fallocate(f *os.File, at, n int64) error {
	for {
		if err := unix.Fallocate(int(f.Fd()), 0, at, n); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// Room returns how many bytes f could have: those that are free, and its own.
func Room(f *os.File) (bytes int64, known bool) {
	var st unix.Stat_t
	free, known := Free(f)
	if !known || unix.Fstat(int(f.Fd()), &st) != nil {
		return 0, false
	}
	return free + 512*int64(st.Blocks), true
}

// Free returns how many bytes are free where f is.
func Free(f *os.File) (bytes int64, known bool) {
	var fs unix.Statfs_t
	if unix.Fstatfs(int(f.Fd()), &fs) != nil {
		return 0, false
	}
	return int64(fs.Bavail) * int64(fs.Bsize), true
}

// StartWriting makes the system begin to write n bytes of f, and does not wait for
// them. File systems that cannot do that ignore it.
func StartWriting(f *os.File, offset, n int64) {
	unix.SyncFileRange(int(f.Fd()), offset, n, unix.SYNC_FILE_RANGE_WRITE)
}
