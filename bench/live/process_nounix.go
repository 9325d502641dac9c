// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !unix

package live

import (
	"os"
	"syscall"
)

func detached() *syscall.SysProcAttr { return nil }

// Memory is not known here.
func peakMemory(int) uint64          { return 0 }
func maxRSS(*os.ProcessState) uint64 { return 0 }
