// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"fmt"
	"os"
	"time"
)

// A sourceFile is the file being sent. Every read checks that the file is still
// the one that was hashed: a carousel of two versions would cost each receiver
// a whole transfer before its SHA-256 tells.
type sourceFile struct {
	file *os.File
	path string
	size int64
	time time.Time
}

func openSource(path string) (*sourceFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, withCode(exitLocalIO, err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, withCode(exitLocalIO, err)
	}
	if !info.Mode().IsRegular() {
		f.Close()
		what := "not a regular file"
		if info.IsDir() {
			what = "a directory; pack it first, with tar for example"
		}
		return nil, usageError("%s is %s", path, what)
	}
	return &sourceFile{file: f, path: path, size: info.Size(), time: info.ModTime()}, nil
}

// ReadAt implements io.ReaderAt. It is safe for concurrent use.
func (s *sourceFile) ReadAt(b []byte, offset int64) (int, error) {
	n, err := s.file.ReadAt(b, offset)
	info, statErr := s.file.Stat()
	if statErr != nil {
		return n, withCode(exitLocalIO, statErr)
	}
	if info.Size() != s.size || !info.ModTime().Equal(s.time) {
		return 0, s.changed("changed")
	}
	if err != nil {
		err = withCode(exitLocalIO, err)
	}
	return n, err
}

// check reports whether another file has taken the name meanwhile.
func (s *sourceFile) check() error {
	now, err := os.Stat(s.path)
	if err != nil {
		return nil // removed: what was opened is still whole
	}
	opened, err := s.file.Stat()
	if err == nil && !os.SameFile(now, opened) {
		return s.changed("was replaced")
	}
	return nil
}

func (s *sourceFile) changed(how string) error {
	return withCode(exitLocalIO, fmt.Errorf("%s %s while it was sent; start again to send the new one", s.path, how))
}

func (s *sourceFile) close() { s.file.Close() }
