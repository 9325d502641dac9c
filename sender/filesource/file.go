// SPDX-License-Identifier: GPL-2.0-or-later

package filesource

import (
	"io"
	"io/fs"
	"os"
	"time"
)

// A File is the file being sent. Every read checks that the file is still the one
// that was opened: a carousel of two versions would cost each receiver a whole
// transfer before the wrong SHA-256 shows. It is safe for concurrent use.
type File struct {
	file *os.File
	path string
	size int64
	time time.Time
}

// Open opens the file to send. The caller closes it, after all that was prepared
// of it. Errors are of type [*FileError] or [*KindError].
func Open(path string) (*File, error) {
	info, err := os.Stat(path) // first: to open a pipe would wait for its writer
	switch {
	case err != nil:
		return nil, newFileError(path, err)
	case !info.Mode().IsRegular():
		return nil, &KindError{Path: path, Directory: info.IsDir()}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, newFileError(path, err)
	}
	if info, err = f.Stat(); err != nil {
		f.Close()
		return nil, newFileError(path, err)
	}
	return &File{file: f, path: path, size: info.Size(), time: info.ModTime()}, nil
}

// Path returns the path that the file was opened by.
func (f *File) Path() string { return f.path }

// Size returns its size in bytes.
func (f *File) Size() int64 { return f.size }

// ReadAt implements [io.ReaderAt]. Errors are of type [*FileError] or
// [*ChangedError], or [io.EOF].
func (f *File) ReadAt(b []byte, offset int64) (int, error) {
	n, err := f.file.ReadAt(b, offset)
	if _, changed := f.unchanged(); changed != nil {
		return 0, changed
	}
	if err != nil && err != io.EOF {
		err = newFileError(f.path, err)
	}
	return n, err
}

// Check returns a [*ChangedError] if the file has changed, or if another one has
// taken its name. A file that was deleted can still be sent.
func (f *File) Check() error {
	opened, err := f.unchanged()
	if err != nil {
		return err
	}
	named, err := os.Stat(f.path)
	if err == nil && !os.SameFile(named, opened) { // a removed file is still whole for those who have it open
		return &ChangedError{Path: f.path, Replaced: true}
	}
	return nil
}

func (f *File) unchanged() (fs.FileInfo, error) {
	info, err := f.file.Stat()
	switch {
	case err != nil:
		return nil, newFileError(f.path, err)
	case info.Size() != f.size || !info.ModTime().Equal(f.time):
		return nil, &ChangedError{Path: f.path}
	}
	return info, nil
}

// Close closes the file. What was prepared of it cannot be read any more.
func (f *File) Close() error { return f.file.Close() }
