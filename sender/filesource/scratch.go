// SPDX-License-Identifier: GPL-2.0-or-later

package filesource

import (
	"io"
	"os"
)

// A scratchFile is a file from byte start on, whose failures name it.
type scratchFile struct {
	*os.File
	start int64
}

func (f scratchFile) ReadAt(b []byte, offset int64) (int, error) {
	n, err := f.File.ReadAt(b, f.start+offset)
	if err != nil && err != io.EOF {
		err = newFileError(f.Name(), err)
	}
	return n, err
}

func (f scratchFile) WriteAt(b []byte, offset int64) (int, error) {
	n, err := f.File.WriteAt(b, f.start+offset)
	if err != nil {
		err = newFileError(f.Name(), err)
	}
	return n, err
}
