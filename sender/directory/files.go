// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"container/list"
	"crypto/sha256"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"iotupd/internal/durable"
	"iotupd/proto/archive"
	"iotupd/sender/filesource"
)

// mostOpen is how many files are kept open.
const mostOpen = 64

// files are the files that are open. They are safe for concurrent use.
type files struct {
	of *Directory

	mu   sync.Mutex
	most int           // that are kept open
	all  map[int]*file // by the number of the entry
	idle list.List     // those that nobody reads, the one read longest ago first
}

func (o *files) init(d *Directory) {
	o.of, o.most, o.all = d, mostOpen, make(map[int]*file)
}

// A file is an open file of an entry.
type file struct {
	*os.File
	entry   int
	path    string // in the directory
	size    int64
	time    time.Time
	sum     [sha256.Size]byte // of the content in the archive
	extents []archive.Extent  // nil: it is not sparse
	starts  []int64           // of the extents in the content, and its end

	readers int           // guarded by files.mu, as all below
	idle    *list.Element // nil: it is being read
}

// open opens the file of an entry, which has to be the one that was scanned.
func (d *Directory) open(i int, e *archive.Entry) (*file, error) {
	var opened *os.File
	err := d.parents.in(e.Path, func(dir *os.Root, name string) (err error) {
		if opened, err = dir.OpenFile(name, os.O_RDONLY|doNotWait, 0); err == nil {
			return nil
		}
		if info, failed := dir.Lstat(name); failed == nil && !info.Mode().IsRegular() {
			return d.changed(e.Path, filesource.Replaced)
		}
		return err
	})
	if err != nil {
		return nil, d.unopened(e.Path, err)
	}
	f := &file{File: opened, entry: i, path: e.Path, size: int64(e.Size), time: time.Unix(e.Seconds, int64(e.Nanoseconds)), sum: e.SHA256}
	if e.Type == archive.SparseFile {
		f.extents = append([]archive.Extent{}, e.Extents...)
		at := int64(0)
		for _, x := range f.extents {
			f.starts = append(f.starts, at)
			at += int64(x.Length)
		}
		f.starts = append(f.starts, at)
	}
	if err := d.unchanged(f); err != nil {
		opened.Close()
		return nil, err
	}
	return f, nil
}

// unchanged returns an error if an open file is not what it was when it was scanned.
func (d *Directory) unchanged(f *file) error {
	info, err := f.Stat()
	if err != nil {
		return d.failure(f.path, err)
	}
	return d.same(f.entry, info, f.path, f.size, f.time, func() error { return d.confirm(f) })
}

// same returns an error if info is not of the file of entry i, which has this size and this
// time. Where it may have changed, but only the time of its last change of any kind says so,
// confirm looks at the content.
func (d *Directory) same(i int, info fs.FileInfo, at string, size int64, modified time.Time, confirm func() error) error {
	now := statOf(info).id
	d.files.mu.Lock()
	id := d.ids[i]
	d.files.mu.Unlock()
	switch {
	case !info.Mode().IsRegular() || now.device != id.device || now.inode != id.inode:
		return d.changed(at, filesource.Replaced)
	case info.Size() != size || !info.ModTime().Equal(modified):
		return d.changed(at, filesource.Changed)
	case now.changed != id.changed:
		return confirm()
	}
	return nil
}

// confirm reads a file whose attributes have changed, or of which another name was made or
// removed, and returns an error unless it has the same content still.
func (d *Directory) confirm(f *file) error {
	if !d.hashed {
		return d.changed(f.path, filesource.Changed)
	}
	info, err := f.Stat()
	if err == nil {
		info, err = settled(info, f.Stat)
	}
	if err != nil {
		return d.failure(f.path, err)
	}
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(readerOf(f), 0, f.stored())); err != nil {
		return d.failure(f.path, err)
	}
	after, err := f.Stat()
	if err != nil {
		return d.failure(f.path, err)
	}
	was := statOf(info).id
	if [sha256.Size]byte(h.Sum(nil)) != f.sum || statOf(after).id != was || after.Size() != f.size || !after.ModTime().Equal(f.time) {
		return d.changed(f.path, filesource.Changed)
	}
	d.files.mu.Lock()
	d.ids[f.entry].changed = was.changed
	d.files.mu.Unlock()
	return nil
}

// stored returns how many bytes of the file are in the archive.
func (f *file) stored() int64 {
	if f.starts == nil {
		return f.size
	}
	return f.starts[len(f.starts)-1]
}

// readerOf returns the content of a file, as it is in the archive.
func readerOf(f *file) io.ReaderAt {
	if f.starts == nil {
		return f.File
	}
	return (*sparse)(f)
}

// A sparse is a sparse file without its holes.
type sparse file

// ReadAt implements [io.ReaderAt].
func (f *sparse) ReadAt(b []byte, offset int64) (n int, err error) {
	for n < len(b) {
		i := find(f.starts, offset+int64(n))
		if i == len(f.extents) {
			return n, io.EOF
		}
		skip := offset + int64(n) - f.starts[i]
		part := b[n:min(int64(len(b)), int64(n)+int64(f.extents[i].Length)-skip)]
		got, err := f.File.ReadAt(part, int64(f.extents[i].Offset)+skip)
		if n += got; got < len(part) {
			return n, err
		}
	}
	return n, nil
}

// find returns which part an offset lies in, given where all start and the last one ends.
func find(starts []int64, offset int64) int {
	low, high := 0, len(starts)-1
	for low < high {
		if middle := (low + high) / 2; starts[middle+1] > offset {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low
}

// acquire returns the open file of entry i, until release.
func (o *files) acquire(i int) (*file, error) {
	o.mu.Lock()
	if f := o.all[i]; f != nil {
		o.use(f)
		o.mu.Unlock()
		return f, nil
	}
	o.mu.Unlock()
	e := o.of.inventory.Entry(i)
	f, err := o.of.open(i, &e)
	for durable.IsTooMany(err) && (o.of.parents.shrink() || o.shrink()) {
		f, err = o.of.open(i, &e)
	}
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if other := o.all[i]; other != nil { // another reader was faster
		f.Close()
		f = other
	}
	o.all[i] = f
	o.use(f)
	return f, nil
}

// use notes that a file is being read.
func (o *files) use(f *file) {
	if f.readers++; f.idle != nil {
		o.idle.Remove(f.idle)
		f.idle = nil
	}
}

// release ends a use.
func (o *files) release(f *file) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if f.readers--; f.readers == 0 {
		f.idle = o.idle.PushBack(f)
	}
	o.keep(o.most)
}

// keep closes files that nobody reads, until at most so many are open, and reports whether it
// closed any.
func (o *files) keep(most int) (closed bool) {
	for len(o.all) > most && o.idle.Len() > 0 {
		f := o.idle.Remove(o.idle.Front()).(*file)
		delete(o.all, f.entry)
		f.Close()
		closed = true
	}
	return closed
}

// shrink keeps fewer files open from now on, and reports whether any was closed.
func (o *files) shrink() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.most = max(1, len(o.all)/2)
	return o.keep(o.most)
}

// close closes all files, which nobody reads any more.
func (o *files) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, f := range o.all {
		f.Close()
	}
	clear(o.all)
	o.idle.Init()
}
