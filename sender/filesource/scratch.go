// SPDX-License-Identifier: GPL-2.0-or-later

package filesource

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"iotupd/internal/durable"
	"iotupd/sender"
)

// A Scratch is one temporary file for what is prepared of several files.
type Scratch struct {
	file   *os.File
	remove func()
	size   int64
	taken  atomic.Int64
}

// NewScratch makes a temporary file of size bytes. Errors are of type
// [*durable.ScratchError].
func NewScratch(size int64) (*Scratch, error) {
	file, remove, err := durable.Scratch(size)
	if err != nil {
		return nil, err
	}
	return &Scratch{file: file, remove: remove, size: size}, nil
}

// take returns the next size bytes.
func (s *Scratch) take(size int64) (sender.Scratch, error) {
	end := s.taken.Add(size)
	if end > s.size {
		return nil, fmt.Errorf("filesource: a temporary file of %d bytes has no room for %d", s.size, end)
	}
	return scratchFile{s.file, end - size}, nil
}

// Close removes the file.
func (s *Scratch) Close() { s.remove() }

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
