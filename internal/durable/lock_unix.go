// SPDX-License-Identifier: GPL-2.0-or-later

//go:build unix

package durable

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Lock takes f for this process until f is closed, and reports false if another
// one has it. On a file system without locks the error is ErrNoLocks.
func Lock(f *os.File) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		return false, nil
	case errors.Is(err, errors.ErrUnsupported), errors.Is(err, unix.ENOLCK):
		return false, ErrNoLocks
	}
	return err == nil, err
}

// Unlock takes the lock back, also from processes that have inherited f.
func Unlock(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_UN) }
