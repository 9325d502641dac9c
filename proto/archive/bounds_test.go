// SPDX-License-Identifier: GPL-2.0-or-later

package archive

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
)

// parsed returns an inventory of entries, which is not checked before.
func parsed(t testing.TB, entries []Entry) *Inventory {
	t.Helper()
	inv, err := Parse(encoded(entries), MaxEntries)
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

func encoded(entries []Entry) []byte {
	b := binary.BigEndian.AppendUint32([]byte(magic), uint32(len(entries)))
	before := ""
	for i := range entries {
		b = appendEntry(b, before, &entries[i])
		before = entries[i].Path
	}
	return b
}

// longPaths returns n files whose paths share all but a few of 4000 bytes.
func longPaths(n int) []Entry {
	entries := []Entry{{Type: Directory}}
	dir := ""
	for i := range 15 {
		dir = strings.TrimPrefix(fmt.Sprintf("%s/%02d%s", dir, i, strings.Repeat("x", 250)), "/")
		entries = append(entries, Entry{Type: Directory, Path: dir})
	}
	for i := range n {
		entries = append(entries, Entry{Type: File, Path: fmt.Sprintf("%s/%s%06d", dir, strings.Repeat("y", 200), i)})
	}
	return entries
}

// An inventory of an attacker takes no more memory than a genuine one of its length.
func TestLongPathsThatAreSharedTakeLittleMemory(t *testing.T) {
	b := encoded(longPaths(1 << 14))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	inv, err := Parse(b, MaxEntries)
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	limit := len(b)/2 + 12*inv.Len() + 1<<20 // others in this process
	if got := int(after.HeapAlloc) - int(before.HeapAlloc); got > limit {
		t.Errorf("beside its %d bytes, the inventory takes %d, and may take %d", len(b), got, limit)
	}
	for _, i := range []int{0, 1, 15, 16, 100, 8192, inv.Len() - 1} {
		if e := inv.Entry(i); i > 15 && !strings.HasSuffix(e.Path, fmt.Sprintf("%06d", i-16)) {
			t.Errorf("entry %d is %q", i, e.Path)
		}
	}
}

// Hard links to an entry with much beside its name do not decode all of that.
func TestHardLinksToALargeEntryAreCheap(t *testing.T) {
	large := Entry{Type: SparseFile, Path: "a", Size: 1 << 30}
	for i := range MaxXattrs {
		large.Xattrs = append(large.Xattrs, Xattr{fmt.Sprintf("user.%03d", i), strings.Repeat("v", 1000)})
	}
	for i := range MaxExtents {
		large.Extents = append(large.Extents, Extent{uint64(i) * 4096, 512})
	}
	near := Entry{Type: File, Path: "b"}
	entries := []Entry{{Type: Directory}, large, near}
	for i := range 1000 {
		entries = append(entries, Entry{Type: HardLink, Path: fmt.Sprintf("c%04d", i), LinkedTo: 1 + i%2})
	}
	b := encoded(entries)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := Parse(b, MaxEntries); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 64<<20 {
		t.Errorf("%d bytes of memory for an inventory of %d", got, len(b))
	}
}

// The pieces of a map are not made one by one: it has a megabyte.
func TestAMapOfManyExtentsIsMadeOnce(t *testing.T) {
	e := Entry{Type: SparseFile, Path: "a", Size: 1 << 40}
	for i := range MaxExtents {
		e.Extents = append(e.Extents, Extent{uint64(i) << 20, 1})
	}
	r := &Reader{Inventory: parsed(t, []Entry{{Type: Directory}, e}), Content: patternOfEntry}
	whole := bytesOf(t, r)
	b := make([]byte, 1152)
	if n := testing.AllocsPerRun(100, func() {
		for _, at := range []int64{600_000, 800_000, 2000} {
			if _, err := r.ReadAt(b, at); err != nil || !bytes.Equal(b, whole[at:at+int64(len(b))]) {
				t.Fatalf("at %d: %v", at, err)
			}
		}
	}); n > 0 {
		t.Errorf("%v allocations for three pieces", n)
	}
}

// FuzzParse checks what everybody relies on who has parsed an inventory: it is the only
// encoding of its entries, and determines an archive that a tar program reads.
func FuzzParse(f *testing.F) {
	head := len(magic) + 4
	for _, entries := range append(vectorsOf(f), entriesOf(samples())) {
		if b := encoded(entries); len(b) < 4096 {
			f.Add(b[head:], uint16(len(entries)))
		}
	}
	f.Fuzz(func(t *testing.T, entries []byte, n uint16) {
		in := binary.BigEndian.AppendUint32([]byte(magic), uint32(n))
		in = append(in, entries...)
		inv, err := Parse(in, 1000)
		if err != nil {
			return
		}
		var all []Entry
		for i := range inv.Len() {
			all = append(all, inv.Entry(i))
		}
		if out := encoded(all); !bytes.Equal(out, in) {
			t.Fatalf("%x encodes again as %x", in, out)
		}
		checkOrder(t, inv)
		if inv.ArchiveSize() <= 4<<20 {
			checkArchive(t, inv)
		}
	})
}

// checkOrder checks that All and Entry agree, and that entries lie one behind the other.
func checkOrder(t *testing.T, inv *Inventory) {
	end := uint64(0)
	for i, e := range inv.All() {
		if !equal(*e, inv.Entry(i)) {
			t.Errorf("entry %d is %+v and %+v", i, *e, inv.Entry(i))
		}
		start, content := inv.Extent(i)
		if start != end || content%blockLen != 0 || content < start+blockLen {
			t.Errorf("entry %d begins at %d, its content at %d; the one before ends at %d", i, start, content, end)
		}
		end = content + padded(e.Stored())
		if e.Type == HardLink && !inv.Entry(e.LinkedTo).Type.HasContent() {
			t.Errorf("entry %d leads to %+v", i, inv.Entry(e.LinkedTo))
		}
	}
	if got := inv.ArchiveSize(); got != end+trailerLen || got >= 1<<62 {
		t.Errorf("%d bytes behind %d", got, end)
	}
}

// checkArchive reads the archive with another program.
func checkArchive(t *testing.T, inv *Inventory) {
	r := &Reader{Inventory: inv, Content: patternOfEntry}
	whole, err := io.ReadAll(io.NewSectionReader(r, 0, 1<<40))
	if err != nil || uint64(len(whole)) != inv.ArchiveSize() {
		t.Fatalf("%d bytes of %d: %v", len(whole), inv.ArchiveSize(), err)
	}
	checkNames(t, whole, inv)
	piece := make([]byte, 97)
	for at := 0; at < len(whole); at += 1 + len(whole)/50 {
		n, err := r.ReadAt(piece, int64(at))
		if !bytes.Equal(piece[:n], whole[at:min(at+len(piece), len(whole))]) || err != nil && err != io.EOF {
			t.Fatalf("other bytes at %d: %v", at, err)
		}
	}
}

// checkNames checks that archive/tar finds the entries of an inventory in its archive. It
// refuses a few that other programs take: those of extended attributes without a name space
// that it knows, times and devices are checked elsewhere.
func checkNames(t *testing.T, whole []byte, inv *Inventory) {
	in := tar.NewReader(bytes.NewReader(whole))
	for i, e := range inv.All() {
		h, err := in.Next()
		if err != nil {
			t.Fatalf("entry %d, %+v: %v", i, *e, err)
		}
		if name := strings.TrimSuffix(h.Name, "/"); i > 0 && name != e.Path || h.Typeflag != typeFlags[e.Type] {
			t.Fatalf("entry %d, %+v, is %q of type %c", i, *e, h.Name, h.Typeflag)
		}
	}
	if _, err := in.Next(); err != io.EOF {
		t.Fatalf("behind the last entry: %v", err)
	}
}
