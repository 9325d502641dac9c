// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !unix

package main

import "os"

// ours has no owners and links to look at.
func ours(*os.File) bool { return true }
