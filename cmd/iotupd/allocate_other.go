// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !linux

package main

import "os"

// allocate gives f exactly size bytes. Whether the disk has room for them shows
// when they are written.
func allocate(f *os.File, size int64) error { return f.Truncate(size) }

// roomFor does not know how many bytes f could have.
func roomFor(*os.File) (bytes int64, known bool) { return 0, false }

// dropPages does nothing: what is read back may come from memory.
func dropPages(*os.File) {}
