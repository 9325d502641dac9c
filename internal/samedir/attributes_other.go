// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !linux

package samedir

import (
	"io"
	"io/fs"
	"os"
)

type inode struct{}

func inodeOf(fs.FileInfo) (inode, bool) { return inode{}, false }

func (c *comparison) attributes(string, *file, *file) error { return nil }

func extentsOf(f *os.File) (extents, error) {
	end, err := f.Seek(0, io.SeekEnd)
	return extents{{0, end}}, err
}
