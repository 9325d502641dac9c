// SPDX-License-Identifier: GPL-2.0-or-later

package filesource

import (
	"container/list"
	"crypto/sha256"
	"io"
	"os"
	"sync"

	"iotupd/internal/durable"
)

// A Pool opens files when they are read, and keeps few of them open: a process may not have
// as many files open as it can send. It is safe for concurrent use.
type Pool struct {
	most int

	mu   sync.Mutex
	open int       // files that are open
	idle list.List // *File that are open and not being read, the one read longest ago first
}

// NewPool returns a pool that keeps so many files open. While more than that are read at
// once, more are open.
func NewPool(most int) *Pool { return &Pool{most: most} }

// Open is [Open] of a file that is not kept open. When it is opened again, it has to be the
// same file still: one that was removed cannot be sent any more.
func (p *Pool) Open(path string) (*File, error) {
	f := &File{path: path, pool: p}
	opened, info, err := openRegular(path)
	for durable.IsTooMany(err) && p.shrink() {
		opened, info, err = openRegular(path)
	}
	if err != nil {
		return nil, err
	}
	if f.id, err = identity(opened); err != nil {
		opened.Close()
		return nil, newFileError(path, err)
	}
	f.info, f.size, f.time = info, info.Size(), info.ModTime()
	p.put(f, opened)
	p.release(f)
	return f, nil
}

// acquire returns the open file of f, until release.
func (p *Pool) acquire(f *File) (*os.File, error) {
	p.mu.Lock()
	if f.file != nil {
		defer p.mu.Unlock()
		p.use(f)
		return f.file, nil
	}
	before := f.id
	p.mu.Unlock()
	opened, now, err := f.reopen(before)
	for durable.IsTooMany(err) && p.shrink() {
		opened, now, err = f.reopen(before)
	}
	if err != nil {
		return nil, err
	}
	return p.put(f, opened, now), nil
}

// shrink keeps fewer files open from now on, and reports whether any was closed.
func (p *Pool) shrink() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.most = max(1, p.open/2)
	closed := false
	for p.open > p.most && p.idle.Len() > 0 {
		p.shut(p.idle.Front().Value.(*File))
		closed = true
	}
	return closed
}

// use notes that f, which is open, is being read.
func (p *Pool) use(f *File) {
	if f.readers++; f.idle != nil {
		p.idle.Remove(f.idle)
		f.idle = nil
	}
}

// put makes opened the file of f, unless another reader was faster, and returns its file.
func (p *Pool) put(f *File, opened *os.File, id ...string) *os.File {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.use(f)
	if f.file != nil {
		opened.Close()
		return f.file
	}
	if len(id) > 0 {
		f.id = id[0]
	}
	f.file = opened
	p.open++
	return opened
}

// release ends a use, and closes the files that were not read for longest if there are too many.
func (p *Pool) release(f *File) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f.readers--; f.readers > 0 {
		return
	}
	f.idle = p.idle.PushBack(f)
	for p.open > p.most && p.idle.Len() > 0 {
		p.shut(p.idle.Front().Value.(*File))
	}
}

// shut closes a file that is not being read.
func (p *Pool) shut(f *File) error {
	p.idle.Remove(f.idle)
	err := f.file.Close()
	f.file, f.idle = nil, nil
	p.open--
	return err
}

// close closes f, if it is open.
func (p *Pool) close(f *File) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f.idle == nil {
		return nil
	}
	return p.shut(f)
}

// reopen opens a file again, which has to be the same one, and returns what identifies it
// now. The number of a file that was removed may be that of another one: where the time of
// the last change of any kind differs, its content is compared.
func (f *File) reopen(before string) (opened *os.File, now string, err error) {
	opened, info, err := openRegular(f.path)
	if err != nil {
		return nil, "", err
	}
	defer func() {
		if err != nil {
			opened.Close()
		}
	}()
	if err := f.sameAs(info); err != nil {
		return nil, "", err
	}
	if now, err = identity(opened); err != nil {
		return nil, "", newFileError(f.path, err)
	}
	if now == before {
		return opened, now, nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(opened, 0, f.size)); err != nil {
		return nil, "", newFileError(f.path, err)
	}
	if f.sum == nil || *f.sum != [sha256.Size]byte(h.Sum(nil)) {
		return nil, "", &ChangedError{Path: f.path}
	}
	return opened, now, nil
}

// sameAs returns an error if info is of another file, or of the same one after a change.
func (f *File) sameAs(info os.FileInfo) error {
	switch {
	case !os.SameFile(info, f.info):
		return &ChangedError{Path: f.path, How: Replaced}
	case info.Size() != f.size || !info.ModTime().Equal(f.time):
		return &ChangedError{Path: f.path}
	}
	return nil
}
