// SPDX-License-Identifier: GPL-2.0-or-later

package clock

import (
	"os"
	"strings"
)

// Filtered reports whether the system calls of this process are filtered. A filter may
// end a process that asks for priority, as [Claim] does, instead of refusing that.
func Filtered() bool {
	b, _ := os.ReadFile("/proc/self/status")
	return filtered(string(b))
}

// filtered finds "Seccomp: 2" in a file like /proc/self/status. Zero means that
// there is no filter, and 1 allows a few calls only, with which this program
// could not run.
func filtered(status string) bool {
	for line := range strings.Lines(status) {
		if mode, ok := strings.CutPrefix(line, "Seccomp:"); ok {
			return strings.TrimSpace(mode) != "0"
		}
	}
	return false
}
