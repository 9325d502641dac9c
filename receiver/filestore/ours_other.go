// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !unix

package filestore

import (
	"io/fs"
	"os"
)

// ours has no owners and links to look at.
func ours(*os.File) bool { return true }

// takeOwner returns the mode of an old file: there are no owners here.
func takeOwner(_ *os.File, old fs.FileInfo) (mode fs.FileMode) { return old.Mode().Perm() }
