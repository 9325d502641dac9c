// SPDX-License-Identifier: GPL-2.0-or-later

package installed

import "errors"

// An Error says what could not be read or written.
type Error struct {
	Path string // of the file or the directory
	Err  error
}

// Error implements error.
func (e *Error) Error() string { return e.Path + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// A DirError says that nothing can be remembered in a directory.
type DirError struct {
	Path string
	Err  error
}

// Error implements error.
func (e *DirError) Error() string {
	return e.Path + ": what is installed cannot be remembered there: " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *DirError) Unwrap() error { return e.Err }

// Why a directory is not one in which anything can be remembered: see [Lasting].
var (
	ErrInMemory = errors.New("its file system is in memory, and a reboot would lose it")
	ErrReadOnly = errors.New("its file system is read-only")
)

// A DamagedError says that a file of a [Memory] cannot be understood. Somebody has
// to find out which release is installed, and remove the file.
type DamagedError struct{ Path string }

// Error implements error.
func (e *DamagedError) Error() string {
	return e.Path + " is damaged, so that older releases cannot be recognized"
}

// A DamagedRecordError says that the file of a [Record] cannot be understood: it must not
// count as none.
type DamagedRecordError struct{ Path string }

// Error implements error.
func (e *DamagedRecordError) Error() string {
	return e.Path + " is damaged, so that it is not known whether a release is still to be installed: " +
		"find that out, and remove this file; remove the received file too if it is to be received and installed again"
}

// A PendingError says that it could not be recorded that a file has been installed: it
// will be installed again.
type PendingError struct {
	Path string
	Err  error
}

// Error implements error.
func (e *PendingError) Error() string {
	return e.Path + ": the file is installed, but will be installed again: " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *PendingError) Unwrap() error { return e.Err }

// A LockedError says that a lock cannot be had: another process has it, which installs a
// file or writes a state, or the file system has no locks.
type LockedError struct {
	Path string
	Err  error // nil: another process has it
}

// Error implements error.
func (e *LockedError) Error() string {
	if e.Err == nil {
		return e.Path + " is locked: an installation of this channel is still running"
	}
	return e.Path + " cannot be locked: " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *LockedError) Unwrap() error { return e.Err }
