// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !linux

package boot

import "time"

// ID does not know.
func ID() string { return "" }

// Uptime returns the time since this process has started.
func Uptime() time.Duration { return time.Since(started) }
