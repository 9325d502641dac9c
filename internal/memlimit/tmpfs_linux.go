// SPDX-License-Identifier: GPL-2.0-or-later

package memlimit

import "golang.org/x/sys/unix"

// IsMemory reports whether files in dir are kept in memory.
func IsMemory(dir string) bool {
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) != nil {
		return false
	}
	return int64(fs.Type) == unix.TMPFS_MAGIC || int64(fs.Type) == unix.RAMFS_MAGIC
}
