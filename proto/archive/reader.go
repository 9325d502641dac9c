// SPDX-License-Identifier: GPL-2.0-or-later

package archive

import (
	"io"
	"sync"
)

// A Reader reads the archive of an inventory, whose files are elsewhere: headers and padding
// come from the inventory. It is safe for concurrent use if Content is.
type Reader struct {
	Inventory *Inventory

	// Content reads content of entry i, as far as that is in the archive: of a sparse
	// file, its extents one after the other. It is never asked for more than there is. If
	// it reads less, the Reader does so too, with its error.
	Content func(i int, b []byte, offset int64) (int, error)

	mu   sync.Mutex
	last part         // that was read
	long map[int]part // parts with long headers: maps of sparse files, most of all
	kept int          // bytes of these headers
}

// A part is what the archive has of an entry, without the content.
type part struct {
	entry  int
	header []byte // nil: the zero value
	stored uint64
}

// Of long headers so many bytes are kept: the pieces of an archive are not read in their
// order.
const (
	longHeader  = 2048
	keptHeaders = 8 << 20
)

// ReadAt implements [io.ReaderAt]. At content that cannot be read it ends early, with the
// error of Content, or [io.ErrUnexpectedEOF] if there is none.
func (r *Reader) ReadAt(b []byte, offset int64) (n int, err error) {
	size := r.Inventory.ArchiveSize()
	for n < len(b) {
		at := uint64(offset) + uint64(n)
		if at >= size {
			return n, io.EOF
		}
		got, err := r.read(b[n:], at)
		n += got
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// read reads at least one byte of the entry at a position, or returns an error.
func (r *Reader) read(b []byte, at uint64) (int, error) {
	inv := r.Inventory
	i := inv.find(at)
	if i == inv.Len() {
		return zero(b, inv.ArchiveSize()-at), nil
	}
	p := r.part(i)
	start, end := inv.starts[i], inv.starts[i+1]
	content := start + uint64(len(p.header))
	switch {
	case at < content:
		return copy(b, p.header[at-start:]), nil
	case at >= content+p.stored:
		return zero(b, end-at), nil
	}
	offset := at - content
	want := b[:min(uint64(len(b)), p.stored-offset)]
	n, err := r.Content(i, want, int64(offset))
	switch {
	case n == len(want):
		return n, nil
	case err == nil || err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// part returns what the archive has of entry i.
func (r *Reader) part(i int) part {
	r.mu.Lock()
	p := r.last
	if p.header == nil || p.entry != i {
		p = r.long[i]
	}
	r.mu.Unlock()
	if p.header != nil {
		return p
	}
	e := r.Inventory.Entry(i)
	p = part{entry: i, header: r.Inventory.appendHeader(nil, i, &e), stored: e.Stored()}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(p.header) < longHeader {
		r.last = p
		return p
	}
	if r.long == nil || r.kept+len(p.header) > keptHeaders {
		r.long, r.kept = map[int]part{}, 0
	}
	r.long[i] = p
	r.kept += len(p.header)
	return p
}

// zero clears at most so many bytes of b, and returns how many.
func zero(b []byte, most uint64) int {
	n := min(uint64(len(b)), most)
	clear(b[:n])
	return int(n)
}
