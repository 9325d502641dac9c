// SPDX-License-Identifier: GPL-2.0-or-later

package archive

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// A Builder makes an inventory, entry by entry, so that not all entries have to be in memory
// in another form. Make one by [NewBuilder].
type Builder struct {
	b      []byte
	start  int // of the inventory in b
	n      int
	before string // path of the last entry
}

// NewBuilder returns a builder that appends an inventory to b.
func NewBuilder(b []byte) *Builder {
	x := &Builder{b: b, start: len(b)}
	x.b = append(x.b, magic...)
	x.b = binary.BigEndian.AppendUint32(x.b, 0)
	return x
}

// Len returns how many entries there are.
func (x *Builder) Len() int { return x.n }

// Add appends an entry, and keeps nothing of it. Entries come in the order of [Compare], the
// first one is the directory itself, and each one is in a directory before it; whether that is
// so, [Builder.Inventory] says. The error is of type [*EntryError] if the inventory becomes too
// large.
func (x *Builder) Add(e *Entry) error {
	if x.n == MaxEntries {
		return &EntryError{Why: fmt.Sprintf("more files and directories than the %d for which an inventory has room", MaxEntries)}
	}
	x.b = appendEntry(x.b, x.before, e)
	if len(x.b)-x.start > MaxInventory {
		return &EntryError{Why: fmt.Sprintf("the inventory has more than %d bytes after %d files and directories", MaxInventory, x.n)}
	}
	x.before = e.Path
	x.n++
	return nil
}

// Inventory checks the entries, and returns the inventory that they make. The error is of type
// [*EntryError] if an entry cannot be carried.
func (x *Builder) Inventory() (*Inventory, error) {
	b := x.b[x.start:]
	binary.BigEndian.PutUint32(b[len(magic):], uint32(x.n))
	return Parse(b, MaxEntries)
}

// Hashes returns the SHA-256 of the content of entry i, which has some in the archive, and the
// digests of its blocks, both in the encoding, where they may be changed. It is for those who
// make an inventory.
func (inv *Inventory) Hashes(i int) (sum, blocks []byte) {
	stored := inv.stored(i)
	if stored == 0 {
		panic("archive: internal error: an entry without content has no SHA-256")
	}
	end := len(inv.raw)
	if i+1 < len(inv.at) {
		end = int(inv.at[i+1])
	}
	n := 0
	if inv.raw[inv.at[i]]&flagBlocks != 0 {
		n = int(BlockCount(stored)) * BlockDigestLen
	}
	return inv.raw[end-n-sha256.Size : end-n], inv.raw[end-n : end]
}
