// SPDX-License-Identifier: GPL-2.0-or-later

//go:build unix && !linux

package live

import "syscall"

// detached keeps the terminal's Ctrl-C from processes, since their end is ours
// to choose.
func detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// peakMemory of a running process is not known here.
func peakMemory(int) uint64 { return 0 }
