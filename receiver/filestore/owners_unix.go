// SPDX-License-Identifier: GPL-2.0-or-later

//go:build unix

package filestore

import (
	"io/fs"
	"os"
	"syscall"
)

// ownersOf returns the user, the group and the mode of a file.
func ownersOf(info fs.FileInfo) owners {
	o := owners{user: -1, group: -1, mode: info.Mode().Perm()}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		o.user, o.group = int(stat.Uid), int(stat.Gid)
	}
	return o
}

// withheld returns the owners of a file that nobody but this user can change.
func (o owners) withheld() owners {
	return owners{user: -1, group: o.group, mode: o.mode &^ othersWrite}
}

// strangers reports whether somebody but this user can change the file of o.
func (o owners) strangers() bool {
	return o.user >= 0 && o.user != os.Geteuid() || o.mode&othersWrite != 0
}

// give sets user and group of f to those in o as far as this user may, and
// returns a mode with which nobody can read f who could not read a file of o.
func (o owners) give(f *os.File) (mode fs.FileMode) {
	if f.Chown(o.user, o.group) == nil || f.Chown(-1, o.group) == nil {
		return o.mode
	}
	return o.mode & (0o707 | o.mode<<3) // the group is another one: it gets the permissions of all
}
