// SPDX-License-Identifier: GPL-2.0-or-later

package filesource

import (
	"container/list"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// A File is the file being sent. Every read checks that the file is still the one
// that was opened: a carousel of two versions would cost each receiver a whole
// transfer before the wrong SHA-256 shows. It is safe for concurrent use.
type File struct {
	path string
	size int64
	time time.Time
	sum  *[sha256.Size]byte // of its content; nil: not known yet

	pool    *Pool         // nil: it is always open
	file    *os.File      // nil: it is not open. With a pool, this and all below is guarded by it
	readers int           // that use file at present
	idle    *list.Element // in the list of the pool; nil: it is being read, or not open
	info    fs.FileInfo   // of the file that was opened first
	id      string        // its identity, for files of a pool
}

// Open opens the file to send. The caller closes it, after all that was prepared
// of it. Errors are of type [*FileError] or [*KindError].
func Open(path string) (*File, error) {
	f, info, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	return &File{file: f, path: path, size: info.Size(), time: info.ModTime()}, nil
}

// openRegular opens a regular file.
func openRegular(path string) (f *os.File, info fs.FileInfo, err error) {
	info, err = os.Stat(path) // first: to open a pipe would wait for its writer
	switch {
	case err != nil:
		return nil, nil, newFileError(path, err)
	case !info.Mode().IsRegular():
		return nil, nil, &KindError{Path: path, Directory: info.IsDir()}
	}
	if f, err = os.Open(path); err != nil {
		return nil, nil, newFileError(path, err)
	}
	if info, err = f.Stat(); err != nil {
		f.Close()
		return nil, nil, newFileError(path, err)
	}
	return f, info, nil
}

// Path returns the path that the file was opened by.
func (f *File) Path() string { return f.path }

// Size returns its size in bytes.
func (f *File) Size() int64 { return f.size }

// ReadAt implements [io.ReaderAt]. Errors are of type [*FileError] or
// [*ChangedError], or [io.EOF].
func (f *File) ReadAt(b []byte, offset int64) (int, error) {
	file, err := f.acquire()
	if err != nil {
		return 0, err
	}
	defer f.release()
	n, err := file.ReadAt(b, offset)
	if _, changed := f.unchanged(file); changed != nil {
		return 0, changed
	}
	if err != nil && err != io.EOF {
		err = newFileError(f.path, err)
	}
	return n, err
}

// acquire returns the open file, until release.
func (f *File) acquire() (*os.File, error) {
	if f.pool == nil {
		return f.file, nil
	}
	return f.pool.acquire(f)
}

func (f *File) release() {
	if f.pool != nil {
		f.pool.release(f)
	}
}

// Check returns a [*ChangedError] if the file has changed, or if another one has
// taken its name. A file that was deleted can still be sent, unless it is of a [Pool].
func (f *File) Check() error {
	if f.pool != nil {
		named, err := os.Stat(f.path)
		if err != nil {
			return newFileError(f.path, err)
		}
		return f.sameAs(named)
	}
	opened, err := f.unchanged(f.file)
	if err != nil {
		return err
	}
	named, err := os.Stat(f.path)
	if err == nil && !os.SameFile(named, opened) { // a removed file is still whole for those who have it open
		return &ChangedError{Path: f.path, How: Replaced}
	}
	return nil
}

func (f *File) unchanged(file *os.File) (fs.FileInfo, error) {
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, newFileError(f.path, err)
	case info.Size() != f.size || !info.ModTime().Equal(f.time):
		return nil, &ChangedError{Path: f.path}
	}
	return info, nil
}

// Unchecked implements [Source].
func (f *File) Unchecked() io.ReaderAt { return unchecked{f} }

// An unchecked is a file that is read without checks.
type unchecked struct{ *File }

// ReadAt implements [io.ReaderAt].
func (f unchecked) ReadAt(b []byte, offset int64) (int, error) {
	file, err := f.acquire()
	if err != nil {
		return 0, err
	}
	defer f.release()
	return file.ReadAt(b, offset)
}

// Key implements [Source].
func (f *File) Key() (key string, changed time.Time, err error) {
	id, err := identity(f.file)
	return fmt.Sprintf("%s\n%d %d", id, f.size, f.time.UnixNano()), f.time, err
}

// Close closes the file. What was prepared of it cannot be read any more.
func (f *File) Close() error {
	if f.pool != nil {
		return f.pool.close(f)
	}
	return f.file.Close()
}
