// SPDX-License-Identifier: GPL-2.0-or-later

//go:build unix

package filesource

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// identity distinguishes f, as it is now, from all other files and from itself
// before and after any change.
func identity(f *os.File) (string, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return "", err
	}
	return fmt.Sprintf("device %d inode %d changed %d", st.Dev, st.Ino, st.Ctim.Nano()), nil
}
