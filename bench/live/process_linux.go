// SPDX-License-Identifier: GPL-2.0-or-later

package live

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// detached keeps the terminal's Ctrl-C from processes, since their end is ours
// to choose, and ends them if this one is killed.
func detached() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// peakMemory returns the most bytes of memory that a running process has had,
// zero if that is not known.
func peakMemory(pid int) uint64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	var kib uint64
	fmt.Sscan(after, &kib) // zero if it has ended
	return kib << 10
}
