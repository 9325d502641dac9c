// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"io"
	"os"

	"iotupd/cmd/iotupd/internal/cli"
)

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
