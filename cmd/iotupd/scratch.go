// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"fmt"
	"os"

	"iotupd/internal/quantity"
)

// scratchDir is where large temporary files go: $TMPDIR, or else /var/tmp,
// since /tmp is often memory.
func scratchDir() string {
	if dir := os.Getenv("TMPDIR"); dir != "" {
		return dir
	}
	if info, err := os.Stat("/var/tmp"); err == nil && info.IsDir() {
		return "/var/tmp"
	}
	return os.TempDir()
}

// newScratch makes a temporary file with room for size bytes. Where the system
// can, it has no name any more, so that nothing is left behind by any end of
// the process. The caller calls remove when done.
func newScratch(size int64) (f *os.File, remove func(), err error) {
	dir := scratchDir()
	f, err = os.CreateTemp(dir, "iotupd-*.tmp")
	if err != nil {
		return nil, nil, withCode(exitLocalIO, fmt.Errorf("temporary file: %w; set TMPDIR to a directory with room", err))
	}
	name := f.Name()
	unlinked := os.Remove(name) == nil
	remove = func() {
		f.Close()
		if !unlinked {
			os.Remove(name)
		}
	}
	if err := allocate(f, size); err != nil {
		remove()
		return nil, nil, withCode(exitLocalIO, fmt.Errorf("temporary file of %v in %s: %w; set TMPDIR to a directory with room",
			quantity.Size(size), dir, err))
	}
	return f, remove, nil
}
