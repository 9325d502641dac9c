// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"errors"
	"io/fs"
	"os"

	"iotupd/internal/durable"
)

// A lock keeps other processes from changing what belongs to one directory.
type lock struct {
	dir  *os.Root
	name string
	file *os.File
}

// lock takes the lock of a directory. If another process has it, the error is ErrInUse.
// Where there are no locks, nobody is kept out.
func (p *Place) lock(h hidden) (*lock, error) {
	l := &lock{dir: p.dir, name: h.with(lockSuffix)}
	for range 3 { // its owner may remove it meanwhile
		f, err := p.dir.OpenFile(l.name, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, cause(err)
		}
		free, err := durable.Lock(f)
		if errors.Is(err, durable.ErrNoLocks) {
			free, err = true, nil
		}
		if err == nil && free && means(p.dir, l.name, f) {
			l.file = f
			return l, nil
		}
		f.Close()
		if err != nil {
			return nil, cause(err)
		}
	}
	return nil, ErrInUse
}

// means reports whether name is still the name of f.
func means(dir *os.Root, name string, f *os.File) bool {
	mine, err1 := f.Stat()
	named, err2 := dir.Lstat(name)
	return err1 == nil && err2 == nil && os.SameFile(mine, named)
}

// release removes the lock while this process has it, so that nobody else takes a removed
// file for it.
func (l *lock) release() {
	if means(l.dir, l.name, l.file) {
		if err := l.dir.Remove(l.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			defer l.dir.Remove(l.name) // where no open file can be removed
		}
	}
	l.file.Close()
}
