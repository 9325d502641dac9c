// SPDX-License-Identifier: GPL-2.0-or-later

//go:build unix

package durable

import (
	"os"
	"syscall"
)

// OwnedAlone reports whether f belongs to this user and has no other name, by which
// somebody else may have it open.
func OwnedAlone(f *os.File) bool {
	info, err := f.Stat()
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid() && stat.Nlink == 1
}
