// SPDX-License-Identifier: GPL-2.0-or-later

package boot

import (
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ID returns a text that is another one in every boot; empty: it is not known.
func ID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// Uptime returns the time since the boot, including the time in which the system was
// suspended.
func Uptime() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) != nil {
		return time.Since(started)
	}
	return time.Duration(t.Nano())
}
