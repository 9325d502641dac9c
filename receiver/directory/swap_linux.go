// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"errors"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// exchange exchanges two names in dir in one step. Where that is not possible, the error
// is errNoExchange.
func exchange(dir *os.Root, a, b string) error {
	d, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer d.Close()
	err = unix.Renameat2(int(d.Fd()), a, int(d.Fd()), b, unix.RENAME_EXCHANGE)
	cannot := func(errno syscall.Errno) bool { return errors.Is(err, errno) }
	if slices.ContainsFunc([]syscall.Errno{unix.EXDEV, unix.EBUSY, unix.EINVAL, unix.ENOSYS, unix.EOPNOTSUPP, unix.EPERM}, cannot) {
		return errNoExchange
	}
	return err
}
