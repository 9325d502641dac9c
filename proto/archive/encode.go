// SPDX-License-Identifier: GPL-2.0-or-later

package archive

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// magic starts an inventory.
const magic = "IUI1"

// Flags beside the type of an entry.
const (
	flagOwned  = 0x10
	flagXattrs = 0x20
	flagBlocks = 0x40
	typeMask   = 0x0f
)

// ErrInvalid says that an inventory is not valid.
var ErrInvalid = errors.New("archive: invalid inventory")

// An EntryError says why an entry of an inventory is refused.
type EntryError struct {
	Path string // of the entry, which may have any bytes
	Why  string
}

func (e *EntryError) Error() string {
	if e.Path == "" {
		return e.Why
	}
	return fmt.Sprintf("%q: %s", e.Path, e.Why)
}

// Unwrap returns the error of all invalid inventories.
func (e *EntryError) Unwrap() error { return ErrInvalid }

// Append appends the inventory of entries to b. They are in the order of [Compare], the
// first one is the directory itself, and each one is in a directory before it. The error is
// of type [*EntryError] if an entry cannot be carried.
//
//	"IUI1" | number of entries (4) | entries
func Append(b []byte, entries []Entry) ([]byte, error) {
	x := NewBuilder(b)
	for i := range entries {
		if err := x.Add(&entries[i]); err != nil {
			return b, err
		}
	}
	if _, err := x.Inventory(); err != nil {
		return b, err
	}
	return x.b, nil
}

// appendEntry appends an entry behind the one with the path before.
//
//	type and flags (1) | shared (v) | length (v) | rest of the path
//	unless it is a hard link: mode (v) | seconds (zigzag v) | nanoseconds (v)
//	if owned: user (v) | group (v)        if it has extended attributes: number (v), each: length (v), name, length (v), value
//	by type: see below
func appendEntry(b []byte, before string, e *Entry) []byte {
	first := byte(e.Type)
	if e.Owned {
		first |= flagOwned
	}
	if len(e.Xattrs) > 0 {
		first |= flagXattrs
	}
	if len(e.Blocks) > 0 {
		first |= flagBlocks
	}
	b = append(b, first)
	shared := sharedLen(before, e.Path)
	b = binary.AppendUvarint(b, uint64(shared))
	b = appendText(b, e.Path[shared:])
	if e.Type == HardLink {
		return binary.AppendUvarint(b, uint64(e.LinkedTo))
	}
	b = binary.AppendUvarint(b, uint64(e.Mode))
	b = binary.AppendVarint(b, e.Seconds)
	b = binary.AppendUvarint(b, uint64(e.Nanoseconds))
	if e.Owned {
		b = binary.AppendUvarint(b, uint64(e.User))
		b = binary.AppendUvarint(b, uint64(e.Group))
	}
	if len(e.Xattrs) > 0 {
		b = binary.AppendUvarint(b, uint64(len(e.Xattrs)))
		for _, x := range e.Xattrs {
			b = appendText(b, x.Name)
			b = appendText(b, x.Value)
		}
	}
	return appendOfType(b, e)
}

// appendOfType appends what an entry of its type has, and after the SHA-256 the digests of
// blocks, if the flag says so:
//
//	file          size (v) | SHA-256 (32), unless the size is 0
//	sparse file   size (v) | number of extents (v), each: zeros before it (v), length (v) | SHA-256 (32), unless there are none
//	symbolic link length (v) | target
//	device        major (v) | minor (v)
func appendOfType(b []byte, e *Entry) []byte {
	switch e.Type {
	case File:
		b = binary.AppendUvarint(b, e.Size)
	case SparseFile:
		b = binary.AppendUvarint(b, e.Size)
		b = binary.AppendUvarint(b, uint64(len(e.Extents)))
		end := uint64(0)
		for _, x := range e.Extents {
			b = binary.AppendUvarint(b, x.Offset-end)
			b = binary.AppendUvarint(b, x.Length)
			end = x.Offset + x.Length
		}
	case Symlink:
		return appendText(b, e.Target)
	case CharDevice, BlockDevice:
		b = binary.AppendUvarint(b, uint64(e.Major))
		return binary.AppendUvarint(b, uint64(e.Minor))
	}
	if e.Stored() > 0 {
		b = append(b, e.SHA256[:]...)
		b = append(b, e.Blocks...)
	}
	return b
}

func appendText(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func sharedLen(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
