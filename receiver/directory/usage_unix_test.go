// SPDX-License-Identifier: GPL-2.0-or-later

//go:build unix

package directory

import (
	"io/fs"
	"path/filepath"
	"syscall"
	"testing"
)

// usedBy returns how many bytes a directory takes.
func usedBy(t *testing.T, dir string) (n uint64) {
	t.Helper()
	check(t, filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // it is closed
		}
		info, err := d.Info()
		if err == nil {
			n += 512 * uint64(info.Sys().(*syscall.Stat_t).Blocks)
		}
		return nil
	}))
	return n
}
