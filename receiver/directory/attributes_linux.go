// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"fmt"
	"math"
	"os"

	"golang.org/x/sys/unix"

	"iotupd/proto/archive"
)

// syncsEach says that each file is synced; here, the whole file system is.
const syncsEach = false

// syncAll makes everything on the file system of d durable.
func syncAll(d *os.File) error { return unix.Syncfs(int(d.Fd())) }

// times returns the time of an entry for the system; the time of the last access stays.
func times(e *archive.Entry) []unix.Timespec {
	var t unix.Timespec
	t.Sec = clamp(t.Sec, e.Seconds)
	t.Nsec = clamp(t.Nsec, int64(e.Nanoseconds))
	return []unix.Timespec{{Nsec: unix.UTIME_OMIT}, t}
}

// clamp returns n in the type of a field, which has 32 bits on some systems.
func clamp[T int32 | int64](_ T, n int64) T {
	if t := T(n); int64(t) == n {
		return t
	}
	if n < 0 {
		return T(math.MinInt32)
	}
	return T(math.MaxInt32)
}

func setTime(_ *os.Root, dir *os.File, name string, e *archive.Entry) error {
	return unix.UtimesNanoAt(int(dir.Fd()), name, times(e), unix.AT_SYMLINK_NOFOLLOW)
}

// setDirectoryTime sets the time of the directory that d is.
func setDirectoryTime(_ *os.Root, d *os.File, _ string, e *archive.Entry) error {
	return unix.UtimesNanoAt(int(d.Fd()), ".", times(e), 0)
}

// makeSpecial makes a device or a FIFO.
func makeSpecial(dir *os.File, name string, e *archive.Entry) error {
	kind := map[archive.Type]uint32{archive.CharDevice: unix.S_IFCHR, archive.BlockDevice: unix.S_IFBLK, archive.FIFO: unix.S_IFIFO}[e.Type]
	device := 0
	if e.Type != archive.FIFO {
		device = int(unix.Mkdev(e.Major, e.Minor))
	}
	if err := unix.Mknodat(int(dir.Fd()), name, kind|0o600, device); err != nil {
		return fmt.Errorf("making the %v: %w", e.Type, err)
	}
	return nil
}

func setXattrs(f *os.File, e *archive.Entry) error {
	for _, x := range e.Xattrs {
		if err := unix.Fsetxattr(int(f.Fd()), x.Name, []byte(x.Value), 0); err != nil {
			return fmt.Errorf("setting the extended attribute %q: %w", x.Name, err)
		}
	}
	return nil
}

// setXattrsAt is setXattrs for what cannot be opened.
func setXattrsAt(dir *os.File, name string, e *archive.Entry) error {
	path := fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), name)
	for _, x := range e.Xattrs {
		if err := unix.Lsetxattr(path, x.Name, []byte(x.Value), 0); err != nil {
			return fmt.Errorf("setting the extended attribute %q: %w", x.Name, err)
		}
	}
	return nil
}
