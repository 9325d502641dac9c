// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !linux

package durable

import "os"

// Allocate gives f exactly size bytes. Whether the disk has room for them shows
// when they are written.
func Allocate(f *os.File, size int64) error { return f.Truncate(size) }

// Room does not know how many bytes f could have.
func Room(*os.File) (bytes int64, known bool) { return 0, false }

// StartWriting does nothing: the system writes when it likes.
func StartWriting(f *os.File, offset, n int64) {}
