// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"fmt"
	"io"
	"os"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/durable"
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

// moreRoom ends an error about space for a temporary file.
const moreRoom = "; set TMPDIR to a directory with room"

// newScratch makes a temporary file with room for size bytes. Where the system
// can, it has no name any more, so that nothing is left behind by any end of
// the process. The caller calls remove when done.
func newScratch(size int64) (f *os.File, remove func(), err error) {
	dir := scratchDir()
	f, err = os.CreateTemp(dir, "iotupd-*.tmp")
	if err != nil {
		return nil, nil, cli.WithCode(cli.ExitLocalIO, fmt.Errorf("temporary file in %s: %w%s", dir, durable.Cause(err), moreRoom))
	}
	name := f.Name()
	unlinked := os.Remove(name) == nil
	remove = func() {
		f.Close()
		if !unlinked {
			os.Remove(name)
		}
	}
	if err := durable.Allocate(f, size); err != nil {
		remove()
		return nil, nil, cli.WithCode(cli.ExitLocalIO, fmt.Errorf("temporary file of %v in %s: %w%s", quantity.Size(size), dir, durable.Cause(err), moreRoom))
	}
	return f, remove, nil
}

// A scratchFile is a file from byte start on, whose failures name it and are
// local.
type scratchFile struct {
	*os.File
	start int64
}

func (f scratchFile) ReadAt(b []byte, offset int64) (int, error) {
	n, err := f.File.ReadAt(b, f.start+offset)
	if err != nil && err != io.EOF {
		err = cli.LocalError(f.Name(), err)
	}
	return n, err
}

func (f scratchFile) WriteAt(b []byte, offset int64) (int, error) {
	n, err := f.File.WriteAt(b, f.start+offset)
	if err != nil {
		err = cli.LocalError(f.Name(), err)
	}
	return n, err
}
