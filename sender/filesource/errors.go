// SPDX-License-Identifier: GPL-2.0-or-later

package filesource

import (
	"errors"
	"fmt"

	"iotupd/internal/durable"
)

// A FileError says that the file to send, or a file of what is prepared of it,
// cannot be read or written.
type FileError struct {
	Path string
	Err  error
}

// Error implements error.
func (e *FileError) Error() string { return fmt.Sprintf("%s: %v", e.Path, e.Err) }

// Unwrap returns the cause.
func (e *FileError) Unwrap() error { return e.Err }

// newFileError names the file once.
func newFileError(path string, err error) *FileError { return &FileError{path, durable.Cause(err)} }

// A ChangedError says that a file which is sent, or an entry of a directory, is not the same
// any more.
type ChangedError struct {
	Path      string
	How       Change
	Directory bool // it is an entry of a directory that is sent
}

// A Change is what became of a file.
type Change int

// Changes.
const (
	Changed  Change = iota // its content or its times
	Replaced               // by another file
	Added                  // to a directory
	Removed                // from a directory
)

// Error implements error.
func (e *ChangedError) Error() string {
	how := [...]string{"changed", "was replaced", "was added", "was removed"}[e.How]
	if e.Directory {
		return fmt.Sprintf("%s %s while the directory was sent; start again to send it as it is now", e.Path, how)
	}
	return fmt.Sprintf("%s %s while it was sent; start again to send the new one", e.Path, how)
}

// A KindError says that a path leads to something that cannot be sent.
type KindError struct {
	Path      string
	Directory bool // where a file is needed; else it is another thing that is not a regular file
}

// Error implements error.
func (e *KindError) Error() string {
	if e.Directory {
		return e.Path + " is a directory, and not a file"
	}
	return e.Path + " is not a regular file"
}

// Cause returns the error of a file without the context that its readers added:
// the error names the file, and offsets help nobody. Other errors, and nil, are
// returned as they are.
func Cause(err error) error {
	var file *FileError
	var changed *ChangedError
	var scratch *durable.ScratchError
	switch {
	case errors.As(err, &changed):
		return changed
	case errors.As(err, &scratch):
		return scratch
	case errors.As(err, &file):
		return file
	}
	return err
}
