// SPDX-License-Identifier: GPL-2.0-or-later

//go:build unix

package cli

import (
	"os"

	"golang.org/x/sys/unix"
)

// isStandIn reports whether f was opened by the runtime of Go in place of a
// standard file that was closed when the program started: /dev/null, to read and
// write. A user who wants to discard the output opens /dev/null to write.
func isStandIn(f *os.File) bool {
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	if err != nil {
		return true // it was closed later
	}
	if flags&unix.O_ACCMODE != unix.O_RDWR {
		return false
	}
	null, err1 := os.Stat(os.DevNull)
	mine, err2 := f.Stat()
	return err1 == nil && err2 == nil && os.SameFile(null, mine)
}
