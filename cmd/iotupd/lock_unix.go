// SPDX-License-Identifier: GPL-2.0-or-later

//go:build unix

package main

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// lock takes f for this process until f is closed, and reports false if another
// one has it. On a file system without locks the error is errNoLocks.
func lock(f *os.File) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		return false, nil
	case errors.Is(err, errors.ErrUnsupported), errors.Is(err, unix.ENOLCK):
		return false, errNoLocks
	}
	return err == nil, err
}
