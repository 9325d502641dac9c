// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !unix && !windows

package main

import "os"

// lock fails, since there is no such thing.
func lock(*os.File) (bool, error) { return false, errNoLocks }
