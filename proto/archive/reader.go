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

	mu      sync.Mutex
	headers map[int][]byte // long ones that were made: maps of sparse files, most of all
	kept    int            // bytes of them
}

// Headers of a shard or less are made each time. Of longer ones so many bytes are kept: the
// pieces of an archive are not read in their order.
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
	stored := inv.stored(i)
	start, end := inv.starts[i], inv.starts[i+1]
	content := end - padded(stored)
	switch {
	case at < content:
		return copy(b, r.header(i)[at-start:]), nil
	case at >= content+stored:
		return zero(b, end-at), nil
	}
	offset := at - content
	want := b[:min(uint64(len(b)), stored-offset)]
	n, err := r.Content(i, want, int64(offset))
	switch {
	case n == len(want):
		return n, nil
	case err == nil || err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// header returns all that the archive has of entry i before its content.
func (r *Reader) header(i int) []byte {
	r.mu.Lock()
	header := r.headers[i]
	r.mu.Unlock()
	if header != nil {
		return header
	}
	e := r.Inventory.Entry(i)
	header = r.Inventory.appendHeader(nil, i, &e)
	if len(header) < longHeader {
		return header
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.headers == nil || r.kept+len(header) > keptHeaders {
		r.headers, r.kept = map[int][]byte{}, 0
	}
	r.headers[i] = header
	r.kept += len(header)
	return header
}

// zero clears at most so many bytes of b, and returns how many.
func zero(b []byte, most uint64) int {
	n := min(uint64(len(b)), most)
	clear(b[:n])
	return int(n)
}
