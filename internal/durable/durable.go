// SPDX-License-Identifier: GPL-2.0-or-later

// Package durable holds what it takes to change files so that a power cut leaves
// the old content or the new one: locks, space that is reserved, and directories
// that are synced.
package durable

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// Cause strips what package os puts around an error, where the message names
// the file already.
func Cause(err error) error {
	var errno syscall.Errno
	var path *fs.PathError
	switch {
	case errors.As(err, &errno):
		return errno
	case errors.As(err, &path):
		return path.Err
	}
	return err
}

// TryDir does in the directory at path all that it takes to put a file there: an error
// says why this process cannot.
func TryDir(path string) error {
	dir, err := os.OpenRoot(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return Try(dir, 0o600, nil)
}

// SyncDir makes a rename durable. Systems that cannot sync a directory need no
// help with it.
func SyncDir(dir *os.Root) error {
	d, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer d.Close()
	err = d.Sync()
	for _, cannot := range []error{errors.ErrUnsupported, fs.ErrPermission, syscall.EINVAL} {
		if errors.Is(err, cannot) {
			return nil
		}
	}
	return err
}

// ErrNoLocks is what Lock returns where nothing can be locked.
var ErrNoLocks = errors.New("no locks here")
