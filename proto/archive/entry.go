// SPDX-License-Identifier: GPL-2.0-or-later

package archive

import (
	"crypto/sha256"
	"fmt"

	"iotupd/proto"
)

// Limits of spec.md 6.7.
const (
	MaxInventory = proto.MaxInventoryBytes
	MaxEntries   = 1 << 22
	MaxPath      = 4095 // bytes of a path, and of the target of a symbolic link
	MaxName      = 255  // bytes of a component of a path
	MaxDepth     = 255  // components of a path
	MaxExtents   = 1 << 16
	MaxXattrs    = 256     // of an entry
	MaxXattr     = 1 << 16 // bytes of the value of one

	maxSize = 1<<62 - 1 // bytes of a file, and of an archive
)

// A Type is what an entry is.
type Type uint8

// Types of entries.
const (
	Directory Type = iota + 1
	File
	SparseFile // a file of which only some extents are in the archive; the rest is zeros
	Symlink
	HardLink // another name of an earlier [File] or [SparseFile]
	CharDevice
	BlockDevice
	FIFO
	types
)

var typeNames = [types]string{"", "directory", "file", "sparse file", "symbolic link", "hard link", "character device", "block device", "FIFO"}

func (t Type) String() string {
	if t == 0 || t >= types {
		return fmt.Sprintf("entry of type %d", uint8(t))
	}
	return typeNames[t]
}

// HasContent reports whether entries of this type may have content in the archive.
func (t Type) HasContent() bool { return t == File || t == SparseFile }

// IsSpecial reports whether entries of this type need a privilege, or may block who opens them.
func (t Type) IsSpecial() bool { return t == CharDevice || t == BlockDevice || t == FIFO }

// Bits of a mode beside those of permission.
const (
	ModeSetuid = 0o4000
	ModeSetgid = 0o2000
	ModeSticky = 0o1000
	modeMask   = 0o7777
)

// An Entry is a file, a directory or something else in a directory that is sent.
type Entry struct {
	Path string // relative, its components separated by "/"; empty: the directory itself. Any bytes but NUL
	Type Type
	Mode uint32 // permissions and the bits above; 0 for a hard link

	// Time of the last modification, since 1970; 0 for a hard link. Nanoseconds are below
	// 10^9, and added to Seconds.
	Seconds     int64
	Nanoseconds uint32

	Owned    bool // User and Group are known
	User     uint32
	Group    uint32
	Xattrs   []Xattr // extended attributes, in the order of their names
	Size     uint64  // of a file, in bytes, with all zeros
	Extents  []Extent
	SHA256   [32]byte // of the content that is in the archive
	Blocks   []byte   // digests of the blocks of that content, one after the other; empty: none are known
	Target   string   // of a symbolic link
	LinkedTo int      // number of the entry of which a hard link is another name

	Major, Minor uint32 // of a device
}

// A Xattr is an extended attribute.
type Xattr struct{ Name, Value string }

// Blocks of content, by which a receiver finds parts of a file that has changed.
const (
	BlockLen       = 16 << 10 // bytes of a block; the last one may be shorter
	BlockDigestLen = 16

	// Senders give digests of the blocks of content of more than BlocksFrom bytes, in the
	// order of the entries, as long as all of them take at most MaxDigests bytes.
	BlocksFrom = 1 << 20
	MaxDigests = 32 << 20
)

// BlockDigest returns the digest of a block: the first half of its SHA-256.
func BlockDigest(b []byte) [BlockDigestLen]byte {
	sum := sha256.Sum256(b)
	return [BlockDigestLen]byte(sum[:BlockDigestLen])
}

// BlockCount returns how many blocks so many bytes of content have.
func BlockCount(stored uint64) uint64 { return (stored + BlockLen - 1) / BlockLen }

// An Extent is a part of a sparse file that is in the archive. Extents are in the order of
// their offsets, not empty, and do not touch each other.
type Extent struct{ Offset, Length uint64 }

// Stored returns how many bytes of content the archive has of the entry.
func (e *Entry) Stored() uint64 {
	if e.Type != SparseFile {
		return e.Size
	}
	n := uint64(0)
	for _, x := range e.Extents {
		n += x.Length
	}
	return n
}
