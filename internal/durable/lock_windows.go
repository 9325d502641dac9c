// SPDX-License-Identifier: GPL-2.0-or-later

package durable

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// Lock takes f for this process until f is closed, and reports false if another
// one has it. Locks of this system keep others from reading and writing, so a
// byte is locked that is beyond the end of any file.
func Lock(f *os.File) (bool, error) {
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	err := windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, &windows.Overlapped{OffsetHigh: 1 << 30})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return false, nil
	}
	return err == nil, err
}

// Unlock takes the lock back.
func Unlock(f *os.File) error {
	return windows.UnlockFileEx(windows.Handle(f.Fd()), 0, 1, 0, &windows.Overlapped{OffsetHigh: 1 << 30})
}
