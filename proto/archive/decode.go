// SPDX-License-Identifier: GPL-2.0-or-later

package archive

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// A decoder reads entries one after the other. A value that is cut off, too large or not in
// its shortest form sets bad.
type decoder struct {
	rest []byte
	path []byte // of the entry before
	bad  bool
}

func (d *decoder) take(n int) []byte {
	if n > len(d.rest) || n < 0 || d.bad {
		d.bad = true
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

// number reads a number up to most.
func (d *decoder) number(most uint64) uint64 {
	x, n := binary.Uvarint(d.rest)
	if n <= 0 || n > 1 && d.rest[n-1] == 0 || x > most {
		d.bad = true
		return 0
	}
	d.rest = d.rest[n:]
	return x
}

func (d *decoder) signed() int64 {
	x := d.number(1<<64 - 1)
	return int64(x>>1) ^ -int64(x&1)
}

// text reads a text of at most so many bytes.
func (d *decoder) text(most int) []byte { return d.take(int(d.number(uint64(most)))) }

// next reads an entry. Its path is in d.path, and e.Path is set by the caller, who may not
// need it.
func (d *decoder) next(e *Entry) error {
	flags, err := d.head(e)
	if err != nil || e.Type == HardLink {
		return err
	}
	if flags&flagXattrs != 0 {
		d.xattrs(e)
	}
	d.ofType(e, flags)
	if d.bad {
		return d.refuse("it is cut off, or a value is out of its limits")
	}
	return nil
}

// head reads an entry up to its owner, and of a hard link all of it.
func (d *decoder) head(e *Entry) (flags byte, err error) {
	*e = Entry{Extents: e.Extents[:0], Xattrs: e.Xattrs[:0]}
	first := d.take(1)
	if d.bad {
		return 0, ErrInvalid
	}
	e.Type = Type(first[0] & typeMask)
	if e.Type == 0 || e.Type >= types || first[0]&^(typeMask|flagOwned|flagXattrs|flagBlocks) != 0 {
		return 0, d.refuse("it is of an unknown type")
	}
	shared := int(d.number(uint64(len(d.path))))
	rest := d.text(MaxPath - shared)
	if d.bad {
		return 0, ErrInvalid
	}
	if shared < len(d.path) && len(rest) > 0 && rest[0] == d.path[shared] {
		return 0, d.refuse("its path is not in the shortest form")
	}
	d.path = append(d.path[:shared], rest...)
	e.Owned = first[0]&flagOwned != 0
	if e.Type == HardLink {
		e.LinkedTo = int(d.number(MaxEntries))
		if d.bad || first[0] != byte(HardLink) {
			return 0, d.refuse("it is an invalid hard link")
		}
		return 0, nil
	}
	e.Mode = uint32(d.number(modeMask))
	e.Seconds = d.signed()
	e.Nanoseconds = uint32(d.number(1e9 - 1))
	if e.Owned {
		e.User, e.Group = uint32(d.number(1<<32-2)), uint32(d.number(1<<32-2))
	}
	return first[0], nil
}

func (d *decoder) xattrs(e *Entry) {
	n := d.number(MaxXattrs)
	d.bad = d.bad || n == 0
	for range n {
		x := Xattr{Name: string(d.text(MaxName)), Value: string(d.text(MaxXattr))}
		if d.bad || !validXattr(x.Name) || len(e.Xattrs) > 0 && e.Xattrs[len(e.Xattrs)-1].Name >= x.Name {
			d.bad = true
			return
		}
		e.Xattrs = append(e.Xattrs, x)
	}
}

// validXattr reports whether an extended attribute may have a name: a record of the archive
// ends its key with "=".
func validXattr(name string) bool {
	for i := range len(name) {
		if name[i] == 0 || name[i] == '=' || name[i] == '\n' {
			return false
		}
	}
	return name != ""
}

func (d *decoder) ofType(e *Entry, flags byte) {
	switch e.Type {
	case File:
		e.Size = d.number(maxSize)
	case SparseFile:
		e.Size = d.number(maxSize)
		d.extents(e)
	case Symlink:
		e.Target = string(d.text(MaxPath))
		d.bad = d.bad || e.Target == "" || hasNUL(e.Target)
	case CharDevice, BlockDevice:
		e.Major, e.Minor = uint32(d.number(1<<12-1)), uint32(d.number(1<<20-1))
	}
	if d.bad {
		return
	}
	stored := e.Stored()
	if stored > 0 {
		copy(e.SHA256[:], d.take(len(e.SHA256)))
	}
	if flags&flagBlocks == 0 {
		return
	}
	if n := BlockCount(stored); n == 0 || n > uint64(len(d.rest))/BlockDigestLen {
		d.bad = true
	} else {
		e.Blocks = slices.Clip(d.take(int(n) * BlockDigestLen))
	}
}

// extents reads the extents of a sparse file, which has zeros before, between or behind
// them.
func (d *decoder) extents(e *Entry) {
	end := uint64(0)
	for i := range d.number(MaxExtents) {
		gap := d.number(maxSize)
		x := Extent{Offset: end + gap, Length: d.number(maxSize)}
		end = x.Offset + x.Length
		if d.bad || i > 0 && gap == 0 || x.Length == 0 || end > e.Size {
			d.bad = true
			return
		}
		e.Extents = append(e.Extents, x)
	}
	d.bad = d.bad || e.Stored() == e.Size // it is not sparse
}

func (d *decoder) refuse(why string) error {
	return &EntryError{Path: string(d.path), Why: why}
}

func hasNUL(s string) bool {
	for i := range len(s) {
		if s[i] == 0 {
			return true
		}
	}
	return false
}

// Check returns an [*EntryError] if an entry with this path cannot be in an inventory.
func Check(path string) error {
	if why := checkPath([]byte(path)); why != "" {
		return &EntryError{Path: path, Why: why}
	}
	return nil
}

// checkPath returns why a path is refused; empty: it is not.
func checkPath(path []byte) string {
	if len(path) == 0 {
		return ""
	}
	if len(path) > MaxPath {
		return fmt.Sprintf("its path has %d bytes, and at most %d are possible", len(path), MaxPath)
	}
	depth, start := 0, 0
	for i := 0; i <= len(path); i++ {
		switch {
		case i < len(path) && path[i] == 0:
			return "its path has a byte of zero"
		case i < len(path) && path[i] != '/':
			continue
		}
		switch name := string(path[start:i]); {
		case name == "":
			return "its path has an empty component"
		case name == "." || name == "..":
			return fmt.Sprintf("its path has the component %q", name)
		case len(name) > MaxName:
			return fmt.Sprintf("a component of its path has %d bytes, and at most %d are possible", len(name), MaxName)
		}
		start = i + 1
		depth++
	}
	if depth > MaxDepth {
		return fmt.Sprintf("its path has %d components, and at most %d are possible", depth, MaxDepth)
	}
	return ""
}

// Compare orders paths by their components, byte by byte: a directory comes before what is in
// it, and that before everything else.
func Compare(a, b string) int {
	n := sharedLen(a, b)
	switch {
	case n == len(a) && n == len(b):
		return 0
	case n == len(a):
		return -1
	case n == len(b):
		return 1
	}
	x, y := int(a[n]), int(b[n])
	if x == '/' {
		x = -1
	}
	if y == '/' {
		y = -1
	}
	if x < y {
		return -1
	}
	return 1
}
