// SPDX-License-Identifier: GPL-2.0-or-later

// Package filestore puts received files into place: into a hidden partial file
// first, which the next run continues from, and once the content is verified over
// the old file in one step, so that a power cut leaves the old one or the new one.
package filestore

import "errors"

// Why a file cannot be written to a path.
var (
	ErrNamesDirectory = errors.New("names a directory")
	ErrIsDirectory    = errors.New("is a directory")
	ErrNotRegular     = errors.New("is not a regular file")
	ErrDanglingLink   = errors.New("is a symbolic link to a file that does not exist")
)

// ErrInUse says that the partial file is locked by another process.
var ErrInUse = errors.New("another iotupd receives the same file")

// errWholeInUse is ErrInUse of a [Collection].
var errWholeInUse error = wholeInUse{}

type wholeInUse struct{}

func (wholeInUse) Error() string        { return "another iotupd receives all files into it" }
func (wholeInUse) Is(target error) bool { return target == ErrInUse }

// What another program did to the file that is being received: see
// [FileTarget.Check].
var (
	ErrMoved     = errors.New("was removed, or moved elsewhere, while a file was received into it")
	ErrRemoved   = errors.New("was removed or replaced by another program while it was written")
	ErrTruncated = errors.New("was truncated by another program while it was written")
)

// ErrForeign says that this user may not touch a partial file that another one has left.
var ErrForeign = errors.New("was left by a run of another user")

// A TargetError says why no file can be written to a path.
type TargetError struct {
	Path string
	Err  error // ErrNamesDirectory and the like, or an error of the system
}

// Error implements error.
func (e *TargetError) Error() string { return e.Path + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *TargetError) Unwrap() error { return e.Err }

// An Error says what failed on the disk.
type Error struct {
	Path string // of the file or the directory
	Err  error  // its text names the path
}

// Error implements error.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause, whose text is all of this error's.
func (e *Error) Unwrap() error { return e.Err }
