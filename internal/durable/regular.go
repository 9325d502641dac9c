// SPDX-License-Identifier: GPL-2.0-or-later

package durable

import (
	"errors"
	"os"
)

// ErrNotRegular says that a path does not lead to a regular file.
var ErrNotRegular = errors.New("not a regular file")

// OpenRegular opens the regular file at path, as [os.OpenFile] does. It never waits:
// the open of a pipe does, until its other end is opened, and no signal ends that. The
// error of anything but a regular file wraps ErrNotRegular.
func OpenRegular(path string, flag int) (*os.File, error) {
	f, err := os.OpenFile(path, flag|doNotWait, 0)
	return onlyRegular(f, err, path)
}

// OpenRegularIn is [OpenRegular] for the file called name in dir.
func OpenRegularIn(dir *os.Root, name string, flag int) (*os.File, error) {
	f, err := dir.OpenFile(name, flag|doNotWait, 0)
	return onlyRegular(f, err, name)
}

func onlyRegular(f *os.File, err error, path string) (*os.File, error) {
	if noReader(err) { // of a pipe that is to be written
		err = ErrNotRegular
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &os.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
