// SPDX-License-Identifier: GPL-2.0-or-later

//go:build unix

package live

import (
	"os"
	"runtime"
	"syscall"
)

// maxRSS returns the most bytes of memory that an ended process has had.
func maxRSS(s *os.ProcessState) uint64 {
	usage, ok := s.SysUsage().(*syscall.Rusage)
	switch {
	case !ok:
		return 0
	case runtime.GOOS == "darwin" || runtime.GOOS == "ios":
		return uint64(usage.Maxrss) // others count KiB
	}
	return uint64(usage.Maxrss) << 10
}
