// SPDX-License-Identifier: GPL-2.0-or-later

package encode

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"iotupd/cmd/iotupd/internal/cli"
)

// A Source is the file being sent. Every read checks that the file is still
// the one that was hashed: a carousel of two versions would cost each receiver
// a whole transfer before its SHA-256 tells.
type Source struct {
	file *os.File
	Path string
	Size int64
	time time.Time
}

// OpenSource opens the file to send. What it is is looked at first: to open a
// pipe would wait for its writer.
func OpenSource(path string) (*Source, error) {
	if path == "-" {
		return nil, cli.UsageError("stdin cannot be sent, since a file is read many times; save it first")
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, cli.LocalError(path, err)
	}
	switch {
	case info.IsDir():
		return nil, cli.UsageError("%s is a directory; pack it first, with tar for example", path)
	case !info.Mode().IsRegular():
		return nil, cli.UsageError("%s is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, cli.LocalError(path, err)
	}
	if info, err = f.Stat(); err != nil {
		f.Close()
		return nil, cli.LocalError(path, err)
	}
	return &Source{file: f, Path: path, Size: info.Size(), time: info.ModTime()}, nil
}

// ReadAt implements io.ReaderAt. It is safe for concurrent use.
func (s *Source) ReadAt(b []byte, offset int64) (int, error) {
	n, err := s.file.ReadAt(b, offset)
	if _, changed := s.unchanged(); changed != nil {
		return 0, changed
	}
	if err != nil && err != io.EOF {
		err = cli.LocalError(s.Path, err)
	}
	return n, err
}

// Check reports whether the file has changed, or another one has taken its
// name.
func (s *Source) Check() error {
	opened, err := s.unchanged()
	if err != nil {
		return err
	}
	named, err := os.Stat(s.Path)
	if err == nil && !os.SameFile(named, opened) { // removed: what was opened is still whole
		return s.changed("was replaced")
	}
	return nil
}

func (s *Source) unchanged() (fs.FileInfo, error) {
	info, err := s.file.Stat()
	switch {
	case err != nil:
		return nil, cli.LocalError(s.Path, err)
	case info.Size() != s.Size || !info.ModTime().Equal(s.time):
		return nil, s.changed("changed")
	}
	return info, nil
}

func (s *Source) changed(how string) error {
	return cli.WithCode(cli.ExitLocalIO, fmt.Errorf("%s %s while it was sent; start again to send the new one", s.Path, how))
}

func (s *Source) Close() { s.file.Close() }
