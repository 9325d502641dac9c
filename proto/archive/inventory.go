// SPDX-License-Identifier: GPL-2.0-or-later

package archive

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"sort"
)

// An Inventory is an inventory that was checked. It takes its encoding, at most half as much
// again, and 12 bytes for each entry. It is safe for concurrent use.
type Inventory struct {
	raw     []byte
	at      []uint32       // position of each entry in raw
	starts  []uint64       // position of each entry in the archive, and of the end of all
	anchors []anchor       // where decoding can begin
	sparse  map[int]uint64 // what sparse files have in the archive
}

// An anchor is an entry that can be decoded without those before it.
type anchor struct {
	entry  int
	before string // path of the entry before it
}

// anchorDistance is how many bytes of entries are between two anchors, beside twice the
// length of the path: those of long paths are further apart, since an anchor has one.
const anchorDistance = 512

// ErrTooMany says that an inventory has more entries than its reader wants.
var ErrTooMany = errors.New("archive: too many entries")

// Count returns how many entries an inventory has by what it says itself.
func Count(b []byte) (int, error) {
	rest, ok := bytes.CutPrefix(b, []byte(magic))
	if !ok || len(rest) < 4 || len(b) > MaxInventory {
		return 0, ErrInvalid
	}
	n := binary.BigEndian.Uint32(rest)
	if n == 0 || n > MaxEntries || uint64(n)*minEntry > uint64(len(rest)) {
		return 0, fmt.Errorf("%w: %d entries in %d bytes", ErrInvalid, n, len(b))
	}
	return int(n), nil
}

// minEntry is the length of the shortest entry, a hard link.
const minEntry = 4

// Parse reads and checks an inventory of at most so many entries; with more it is
// [ErrTooMany]. It keeps b. Other errors are of invalid inventories, most of type
// [*EntryError].
func Parse(b []byte, most int) (*Inventory, error) {
	n, err := Count(b)
	if err != nil {
		return nil, err
	}
	if n > most {
		return nil, fmt.Errorf("%w: %d, and at most %d are allowed", ErrTooMany, n, most)
	}
	inv := &Inventory{raw: b, at: make([]uint32, 0, n), starts: make([]uint64, 1, n+1), sparse: map[int]uint64{}}
	c := checker{inventory: inv, decoder: decoder{rest: b[len(magic)+4:]}}
	for range n {
		if err := c.entry(); err != nil {
			return nil, err
		}
	}
	if len(c.rest) > 0 {
		return nil, ErrInvalid
	}
	return inv, nil
}

// A checker reads an inventory for the first time.
type checker struct {
	decoder
	inventory *Inventory
	e         Entry
	last      string   // path of the entry before
	open      []string // paths of the directories around it
	header    []byte
}

// entry reads an entry.
func (c *checker) entry() error {
	inv := c.inventory
	i := len(inv.at)
	at := uint32(len(inv.raw) - len(c.rest))
	if i == 0 || int(at-inv.at[inv.anchors[len(inv.anchors)-1].entry]) >= anchorDistance+2*len(c.last) {
		inv.anchors = append(inv.anchors, anchor{i, c.last})
	}
	if err := c.next(&c.e); err != nil {
		return err
	}
	if why := checkPath(c.path); why != "" {
		return c.refuse(why)
	}
	path := string(c.path)
	c.e.Path = path
	switch {
	case i == 0 && (path != "" || c.e.Type != Directory):
		return c.refuse("the first entry is not the directory itself")
	case i > 0 && Compare(c.last, path) >= 0:
		return c.refuse("it comes twice, or not in its place")
	case i > 0 && !c.enter(path):
		return c.refuse("it is in something that is not a directory of the inventory")
	case c.e.Type == HardLink && (c.e.LinkedTo >= i || !inv.typeOf(c.e.LinkedTo).HasContent()):
		return c.refuse("it is a hard link to something that is not a file before it")
	}
	if c.e.Type == Directory {
		c.open = append(c.open, path)
	}
	if c.e.Type == SparseFile {
		inv.sparse[i] = c.e.Stored()
	}
	inv.at = append(inv.at, at)
	c.header = inv.appendHeader(c.header[:0], i, &c.e)
	end := inv.starts[i] + uint64(len(c.header)) + padded(c.e.Stored())
	if end > maxSize-trailerLen {
		return c.refuse("the archive has 2^62 bytes or more")
	}
	inv.starts, c.last = append(inv.starts, end), path
	return nil
}

// enter closes directories that path is not in, and reports whether the innermost that is left
// is the one which path is directly in.
func (c *checker) enter(path string) bool {
	parent := ""
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' {
			parent = path[:i]
			break
		}
	}
	for n := len(c.open) - 1; n >= 0; n-- {
		if c.open[n] == parent {
			c.open = c.open[:n+1]
			return true
		}
	}
	return false
}

// typeOf returns the type of an entry that was read.
func (inv *Inventory) typeOf(i int) Type { return Type(inv.raw[inv.at[i]] & typeMask) }

// Len returns the number of entries. Entry 0 is the directory itself.
func (inv *Inventory) Len() int { return len(inv.at) }

// Bytes returns the encoding, which must not be changed.
func (inv *Inventory) Bytes() []byte { return inv.raw }

// Type returns the type of entry i.
func (inv *Inventory) Type(i int) Type { return inv.typeOf(i) }

// Entry returns entry i.
func (inv *Inventory) Entry(i int) (e Entry) {
	d := inv.decoderAt(i)
	d.next(&e)
	e.Path = string(d.path)
	return e
}

// head returns entry i without its extended attributes and what only its type has.
func (inv *Inventory) head(i int) (e Entry) {
	d := inv.decoderAt(i)
	d.head(&e)
	e.Path = string(d.path)
	return e
}

// decoderAt returns a decoder that has read all entries before entry i.
func (inv *Inventory) decoderAt(i int) *decoder {
	a := inv.anchors[sort.Search(len(inv.anchors), func(k int) bool { return inv.anchors[k].entry > i })-1]
	d := &decoder{rest: inv.raw[inv.at[a.entry]:], path: []byte(a.before)}
	var e Entry
	for range i - a.entry {
		d.next(&e)
	}
	return d
}

// All returns all entries in their order. The slices of an entry are used again for the next
// one.
func (inv *Inventory) All() iter.Seq2[int, *Entry] {
	return func(yield func(int, *Entry) bool) {
		d := decoder{rest: inv.raw[len(magic)+4:]}
		var e Entry
		for i := range inv.at {
			d.next(&e)
			e.Path = string(d.path)
			if !yield(i, &e) {
				return
			}
		}
	}
}

// ArchiveSize returns the length of the archive in bytes.
func (inv *Inventory) ArchiveSize() uint64 { return inv.starts[inv.Len()] + trailerLen }

// Extent returns where in the archive entry i begins, and where its content does if it has
// any.
func (inv *Inventory) Extent(i int) (start, content uint64) {
	return inv.starts[i], inv.starts[i+1] - padded(inv.stored(i))
}

// stored returns how many bytes of content the archive has of entry i.
func (inv *Inventory) stored(i int) uint64 {
	switch inv.typeOf(i) {
	case File:
		e := inv.Entry(i)
		return e.Size
	case SparseFile:
		return inv.sparse[i]
	}
	return 0
}

// find returns the entry that byte offset of the archive is of; Len behind the last.
func (inv *Inventory) find(offset uint64) int {
	return sort.Search(inv.Len(), func(i int) bool { return inv.starts[i+1] > offset })
}
