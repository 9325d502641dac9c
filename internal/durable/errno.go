// SPDX-License-Identifier: GPL-2.0-or-later

package durable

import (
	"errors"
	"syscall"
)

// IsFull reports whether there is no space left on the disk, or for this user.
func IsFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// IsTooMany reports whether this process, or the system, cannot open more files.
func IsTooMany(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}
