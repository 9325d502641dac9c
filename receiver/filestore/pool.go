// SPDX-License-Identifier: GPL-2.0-or-later

package filestore

import (
	"container/list"
	"errors"
	"io/fs"
	"os"
	"sync"
	"time"

	"iotupd/internal/durable"
)

// A pool limits how many partial files are open at a time. A file that is needed while
// too many are open has the one closed that was used least recently.
type pool struct {
	limit int // 0: any number stay open

	mu      sync.Mutex
	changed sync.Cond // something that wait waits for may be true now
	open    int       // files that are open, being opened or being closed
	recent  list.List // of *part: the open ones; the last one was used most recently
}

func newPool(limit int) *pool {
	p := &pool{limit: limit}
	p.changed.L = &p.mu
	return p
}

// A part is a partial file, open or not: its users need not know. All methods may be
// called by several goroutines at once.
type part struct {
	pool *pool
	dir  *folder     // nil: the file stays open
	info fs.FileInfo // of the file when it was opened first: another file is not opened
	born time.Time   // zero: unknown

	// Guarded by pool.mu.
	name    string
	file    *os.File // nil: not open
	users   int      // of file
	opening bool
	closed  bool          // no more uses
	broken  error         // closing the file failed: bytes may be lost
	recent  *list.Element // in pool.recent; nil: not there
}

// add opens a file called name in dir, and has the pool close and open it as needed. If
// open returns no file, add returns no part.
func (p *pool) add(dir *folder, name string, open func() (*os.File, error)) (*part, error) {
	p.takeSlot()
	file, err := open()
	var info fs.FileInfo
	if file != nil {
		if info, err = file.Stat(); err != nil {
			file.Close()
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if file == nil || err != nil {
		p.giveSlot()
		return nil, err
	}
	f := &part{pool: p, dir: dir, name: name, info: info}
	f.born, _ = durable.Birth(file)
	f.opened(file)
	return f, nil
}

// takeSlot waits until one file more may be open, and closes another one for that.
func (p *pool) takeSlot() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.limit > 0 && p.open >= p.limit {
		if idle := p.leastRecent(); idle != nil {
			p.evict(idle)
		} else {
			p.changed.Wait()
		}
	}
	p.open++
}

func (p *pool) giveSlot() {
	p.open--
	p.changed.Broadcast()
}

// leastRecent returns the open file that nobody has used for longest; nil: all are used.
func (p *pool) leastRecent() *part {
	for e := p.recent.Front(); e != nil; e = e.Next() {
		if f := e.Value.(*part); f.users == 0 {
			return f
		}
	}
	return nil
}

// evict closes a file until it is used again. Others use the pool meanwhile, since
// closing can wait for the medium.
func (p *pool) evict(f *part) {
	file := f.unlist()
	f.opening = true // not before it is closed: an error must be known
	p.mu.Unlock()
	err := file.Close()
	p.mu.Lock()
	f.opening, f.broken = false, err
	p.giveSlot()
}

// opened notes that f is open now.
func (f *part) opened(file *os.File) {
	f.file = file
	f.recent = f.pool.recent.PushBack(f)
}

// unlist takes the open file from f.
func (f *part) unlist() *os.File {
	file := f.file
	f.pool.recent.Remove(f.recent)
	f.file, f.recent = nil, nil
	return file
}

// acquire returns the file, which stays open until release is called. It must not be
// called by a user of another part of the pool, for whom it might wait.
func (f *part) acquire() (*os.File, error) {
	f.pool.mu.Lock()
	defer f.pool.mu.Unlock()
	for f.opening {
		f.pool.changed.Wait()
	}
	if f.file == nil && !f.closed && f.broken == nil {
		if err := f.reopen(); err != nil {
			return nil, err
		}
	}
	switch {
	case f.closed:
		return nil, os.ErrClosed
	case f.broken != nil:
		return nil, f.broken
	}
	f.users++
	return f.file, nil
}

// reopen opens the file again.
func (f *part) reopen() error {
	f.opening = true
	name := f.name
	f.pool.mu.Unlock()
	f.pool.takeSlot()
	file, err := f.openSame(name)
	f.pool.mu.Lock()
	f.opening = false
	switch {
	case err != nil:
		f.pool.giveSlot()
	case f.closed:
		file.Close()
		f.pool.giveSlot()
	default:
		f.opened(file)
		f.pool.changed.Broadcast()
	}
	return err
}

// openSame opens the file called name if it is the one that it was.
func (f *part) openSame(name string) (*os.File, error) {
	file, err := durable.OpenRegularIn(f.dir.Root, name, os.O_RDWR)
	if err != nil {
		if info, e := f.dir.Lstat(name); errors.Is(e, fs.ErrNotExist) || e == nil && !f.is(info) {
			err = ErrRemoved
		}
		return nil, err
	}
	info, err := file.Stat()
	if err == nil {
		// The number of a removed file may be another one's now.
		born, _ := durable.Birth(file)
		if !f.is(info) || !born.Equal(f.born) {
			err = ErrRemoved
		}
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// release ends what acquire began.
func (f *part) release() {
	f.pool.mu.Lock()
	defer f.pool.mu.Unlock()
	f.users--
	f.pool.recent.MoveToBack(f.recent)
	f.drop()
}

// drop closes the file once nobody uses it any more, and lets a file wait for its slot
// no longer.
func (f *part) drop() {
	switch {
	case f.users > 0:
	case f.closed && f.file != nil:
		f.unlist().Close()
		f.pool.giveSlot()
	case f.pool.limit > 0:
		f.pool.changed.Broadcast()
	}
}

// close closes the file for good, as soon as nobody uses it.
func (f *part) close() {
	f.pool.mu.Lock()
	defer f.pool.mu.Unlock()
	f.closed = true
	f.drop()
}

// use calls a function with the open file.
func (f *part) use(do func(file *os.File) error) error {
	file, err := f.acquire()
	if err != nil {
		return err
	}
	defer f.release()
	return do(file)
}

// is reports whether info is of the same file, while that is open. Otherwise another file
// may have got its number.
func (f *part) is(info fs.FileInfo) bool {
	return info.Mode().IsRegular() && os.SameFile(f.info, info)
}

// rename gives the file another name.
func (f *part) rename(name string) error {
	return f.use(func(*os.File) error {
		err := f.dir.Rename(f.name, name)
		if err == nil {
			f.pool.mu.Lock()
			f.name = name
			f.pool.mu.Unlock()
		}
		return err
	})
}

// close closes all files for good.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for e := p.recent.Front(); e != nil; {
		f := e.Value.(*part)
		e = e.Next()
		f.closed = true
		f.drop()
	}
}

// hold returns the part of a file that stays open until its owner closes it.
func hold(file *os.File) *part {
	f := &part{pool: newPool(0)}
	f.opened(file)
	return f
}
