// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !unix

package filestore

import (
	"io/fs"
	"os"
)

// ownersOf returns the mode of a file.
func ownersOf(info fs.FileInfo) owners { return owners{user: -1, group: -1, mode: info.Mode().Perm()} }

// withheld returns o: there are no owners here.
func (o owners) withheld() owners { return o }

// strangers is false: what others may do is not known here.
func (o owners) strangers() bool { return false }

// give returns the mode of o: there are no owners here.
func (o owners) give(*os.File) (mode fs.FileMode) { return o.mode }
