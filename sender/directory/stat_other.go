// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !linux && !darwin

package directory

import (
	"io/fs"
	"math"
)

// doNotWait is a flag for opening what may have become a pipe.
const doNotWait = 0

// A stat is what the system knows about a file beside what [fs.FileInfo] has: nothing here.
// Files are distinguished by their sizes and times.
type stat struct {
	id          identity
	links       uint64
	allocated   int64
	owned       bool
	user, group uint32
}

func statOf(fs.FileInfo) stat { return stat{allocated: math.MaxInt64} }

func (stat) device() (major, minor uint32) { return 0, 0 }
