// SPDX-License-Identifier: GPL-2.0-or-later

package main

import "golang.org/x/sys/unix"

// dieWithParent makes the kernel kill this process when the test that has started it
// is gone: one that was killed itself ends nothing.
func dieWithParent() { unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0) }
