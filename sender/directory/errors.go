// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"unicode/utf8"

	"iotupd/internal/durable"
	"iotupd/sender/filesource"
)

// failure is the error of what has a path in the directory. It says what to do.
func (d *Directory) failure(at string, err error) error {
	if errors.As(err, new(*filesource.FileError)) || errors.As(err, new(*filesource.ChangedError)) {
		return err
	}
	err = cause(err)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return d.changed(at, filesource.Removed)
	case errors.Is(err, fs.ErrPermission):
		err = fmt.Errorf("%w; make it readable for this user, or move it out of the directory", err)
	}
	return &filesource.FileError{Path: d.show(at), Err: err}
}

// unopened is the error of an entry that cannot be opened. Where something else took the place
// of a directory that it is in, the error says so.
func (d *Directory) unopened(at string, err error) error {
	for i := range len(at) {
		if at[i] != '/' || durable.IsTooMany(err) {
			continue
		}
		info, failed := d.root.Lstat(filepath.FromSlash(at[:i]))
		if failed != nil {
			return d.failure(at[:i], failed)
		}
		if !info.IsDir() {
			return d.changed(at[:i], filesource.Replaced)
		}
	}
	return d.failure(at, err)
}

// changed is the error of a change.
func (d *Directory) changed(at string, how filesource.Change) error {
	return &filesource.ChangedError{Path: d.show(at), How: how, Directory: true}
}

// show returns the path of an entry for messages. Names may have any bytes.
func (d *Directory) show(at string) string {
	path := filepath.Join(d.path, filepath.FromSlash(at))
	for _, c := range path {
		if !strconv.IsPrint(c) || c == utf8.RuneError {
			return strconv.Quote(path)
		}
	}
	return path
}

// cause returns the error of the system without the path that it is about.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
