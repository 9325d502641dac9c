// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !linux

package durable

import "os"

// Allocate gives f exactly size bytes. Whether the disk has room for them shows
// when they are written.
func Allocate(f *os.File, size int64) error { return f.Truncate(size) }

// Room does not know how many bytes f could have.
func Room(*os.File) (bytes int64, known bool) { return 0, false }

// Free does not know how many bytes are free.
func Free(*os.File) (bytes int64, known bool) { return 0, false }

// CopiesOnWrite does not know.
func CopiesOnWrite(*os.File) bool { return false }

// Ballast is not needed.
func Ballast(*os.Root, *os.File, int64) *os.File { return nil }

// Compact does nothing.
func Compact(*os.File, int64) {}

// StartWriting does nothing: the system writes when it likes.
func StartWriting(f *os.File, offset, n int64) {}
