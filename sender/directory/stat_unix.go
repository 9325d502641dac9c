// SPDX-License-Identifier: GPL-2.0-or-later

//go:build linux || darwin

package directory

import (
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

// doNotWait is a flag for opening what may have become a pipe.
const doNotWait = unix.O_NONBLOCK

// A stat is what the system knows about a file beside what [fs.FileInfo] has.
type stat struct {
	id          identity
	links       uint64
	allocated   int64 // bytes on the disk
	owned       bool
	user, group uint32
	special     uint64 // number of a device
}

// statOf returns what is known of a file.
func statOf(info fs.FileInfo) stat {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return stat{}
	}
	// The types of these fields differ between systems.
	return stat{
		id:        identity{device: uint64(s.Dev), inode: uint64(s.Ino), changed: changedAt(s)},
		links:     uint64(s.Nlink),
		allocated: int64(s.Blocks) * 512,
		owned:     s.Uid != 1<<32-1 && s.Gid != 1<<32-1,
		user:      s.Uid,
		group:     s.Gid,
		special:   uint64(s.Rdev),
	}
}

// device returns the numbers of a device.
func (s stat) device() (major, minor uint32) {
	return unix.Major(s.special), unix.Minor(s.special)
}
