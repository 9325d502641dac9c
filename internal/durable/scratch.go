// SPDX-License-Identifier: GPL-2.0-or-later

package durable

import (
	"fmt"
	"os"

	"iotupd/internal/quantity"
)

// ScratchDir is where large temporary files go: $TMPDIR, or else /var/tmp,
// since /tmp is often memory.
func ScratchDir() string {
	if dir := os.Getenv("TMPDIR"); dir != "" {
		return dir
	}
	if info, err := os.Stat("/var/tmp"); err == nil && info.IsDir() {
		return "/var/tmp"
	}
	return os.TempDir()
}

// MoreRoom ends a message about lack of space for a temporary file.
const MoreRoom = "; set TMPDIR to a directory with room"

// A ScratchError says that there is no temporary file.
type ScratchError struct {
	Dir  string
	Size int64 // bytes that were asked for; 0: the file itself could not be made
	Err  error
}

// Error implements error.
func (e *ScratchError) Error() string {
	if e.Size == 0 {
		return fmt.Sprintf("temporary file in %s: %v%s", e.Dir, e.Err, MoreRoom)
	}
	return fmt.Sprintf("temporary file of %v in %s: %v%s", quantity.Size(e.Size), e.Dir, e.Err, MoreRoom)
}

// Unwrap returns the cause.
func (e *ScratchError) Unwrap() error { return e.Err }

// Scratch makes a temporary file with room for size bytes. Where the system can,
// it has no name any more, so that nothing is left behind by any end of the
// process. The caller calls remove when done, which also closes f. Errors are of
// type [*ScratchError].
func Scratch(size int64) (f *os.File, remove func(), err error) {
	dir := ScratchDir()
	f, err = os.CreateTemp(dir, "iotupd-*.tmp")
	if err != nil {
		return nil, nil, &ScratchError{Dir: dir, Err: Cause(err)}
	}
	name := f.Name()
	unlinked := os.Remove(name) == nil
	remove = func() {
		f.Close()
		if !unlinked {
			os.Remove(name)
		}
	}
	if err := Allocate(f, size); err != nil {
		remove()
		return nil, nil, &ScratchError{Dir: dir, Size: size, Err: Cause(err)}
	}
	return f, remove, nil
}
