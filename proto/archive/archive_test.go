// SPDX-License-Identifier: GPL-2.0-or-later

package archive

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
)

// A sample is an entry and its content.
type sample struct {
	Entry
	content string // in the archive
}

// samples has entries of all types, at the edges of what headers have room for.
func samples() []sample {
	long := strings.Repeat("d", 90) + "/" + strings.Repeat("long", 30)
	all := []sample{
		{Entry: Entry{Type: Directory, Mode: 0o755, Seconds: 1_700_000_000}},
		{Entry: Entry{Path: "a", Type: Directory, Mode: 0o700, Seconds: 5, Nanoseconds: 999_999_999}},
		{Entry: Entry{Path: "a/empty", Type: File, Mode: 0o644}},
		{Entry: Entry{Path: "a/file", Type: File, Mode: 0o4755, Owned: true, User: 1000, Group: 1<<32 - 2, Size: 512}, content: strings.Repeat("x", 512)},
		{Entry: Entry{Path: "a.txt", Type: File, Mode: 0o600, Seconds: -1, Size: 5}, content: "hello"},
		{Entry: Entry{Path: "b\xff", Type: Symlink, Mode: 0o777, Target: "../" + strings.Repeat("t", 200)}},
		{Entry: Entry{Path: "dev", Type: CharDevice, Mode: 0o600, Major: 4, Minor: 1 << 19}},
		{Entry: Entry{Path: strings.Repeat("d", 90), Type: Directory, Mode: 0o755}},
		{Entry: Entry{Path: long, Type: File, Mode: 0o644, Size: 3}, content: "abc"},
		{Entry: Entry{Path: "fifo", Type: FIFO, Mode: 0o600}},
		{Entry: Entry{Path: "hole", Type: SparseFile, Mode: 0o644, Size: 1 << 30, Extents: []Extent{{4096, 3}, {1 << 20, 2}}}, content: "AAABB"},
		{Entry: Entry{Path: "holes only", Type: SparseFile, Mode: 0o644, Size: 1 << 40}},
		{Entry: Entry{Path: "link", Type: HardLink, LinkedTo: 3}},
		{Entry: Entry{Path: "x", Type: File, Mode: 0o644, Xattrs: []Xattr{{"user.a", "1\n\x00"}, {"user.b", strings.Repeat("v", 3000)}}, Size: 1}, content: "x"},
	}
	slices.SortFunc(all, func(a, b sample) int { return Compare(a.Path, b.Path) })
	for i := range all {
		if all[i].content != "" {
			all[i].SHA256 = sha256.Sum256([]byte(all[i].content))
		}
		if all[i].Type == HardLink {
			all[i].LinkedTo = slices.IndexFunc(all, func(s sample) bool { return s.Path == "a/file" })
		}
	}
	return all
}

func entriesOf(all []sample) (entries []Entry) {
	for _, s := range all {
		entries = append(entries, s.Entry)
	}
	return entries
}

// readerOf returns the archive of samples.
func readerOf(t testing.TB, all []sample) *Reader {
	t.Helper()
	b, err := Append(nil, entriesOf(all))
	if err != nil {
		t.Fatal(err)
	}
	inv, err := Parse(b, len(all))
	if err != nil {
		t.Fatal(err)
	}
	return &Reader{Inventory: inv, Content: func(i int, b []byte, offset int64) (int, error) {
		return copy(b, all[i].content[offset:]), nil
	}}
}

func bytesOf(t testing.TB, r *Reader) []byte {
	t.Helper()
	b, err := io.ReadAll(io.NewSectionReader(r, 0, 1<<40))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAnInventoryHoldsAllThatWasPutIn(t *testing.T) {
	all := samples()
	inv := readerOf(t, all).Inventory
	if inv.Len() != len(all) {
		t.Fatalf("%d entries, want %d", inv.Len(), len(all))
	}
	for i, e := range inv.All() {
		for _, got := range []Entry{*e, inv.Entry(i)} {
			if !equal(got, all[i].Entry) {
				t.Errorf("entry %d is %+v, want %+v", i, got, all[i].Entry)
			}
		}
	}
}

func equal(a, b Entry) bool {
	ok := slices.Equal(a.Extents, b.Extents) && slices.Equal(a.Xattrs, b.Xattrs)
	x, y := a, b
	x.Extents, y.Extents, x.Xattrs, y.Xattrs = nil, nil, nil, nil
	return ok && x.Path == y.Path && x.Type == y.Type && x.Mode == y.Mode && x.Seconds == y.Seconds && x.Nanoseconds == y.Nanoseconds &&
		x.Owned == y.Owned && x.User == y.User && x.Group == y.Group && x.Size == y.Size && x.SHA256 == y.SHA256 && x.Target == y.Target &&
		x.LinkedTo == y.LinkedTo && x.Major == y.Major && x.Minor == y.Minor
}

func TestOtherProgramsReadTheArchive(t *testing.T) {
	all := samples()
	r := readerOf(t, all)
	archive := bytesOf(t, r)
	if uint64(len(archive)) != r.Inventory.ArchiveSize() {
		t.Fatalf("%d bytes, want %d", len(archive), r.Inventory.ArchiveSize())
	}
	in := tar.NewReader(bytes.NewReader(archive))
	for i, s := range all {
		h, err := in.Next()
		if err != nil {
			t.Fatalf("entry %d: %v", i, err)
		}
		want := s.Path
		if s.Type == Directory {
			want += "/"
		}
		if i == 0 {
			want = "./"
		}
		if h.Name != want || h.Typeflag != typeFlags[s.Type] || s.Type != HardLink && h.Mode != int64(s.Mode) {
			t.Errorf("entry %d is %q, type %c, mode %o; want %q, %+v", i, h.Name, h.Typeflag, h.Mode, want, s.Entry)
		}
		if s.Seconds > 0 && h.ModTime.Unix() != s.Seconds || s.Type != HardLink && (h.Uid != int(s.User) || h.Gid != int(s.Group)) {
			t.Errorf("entry %d has %v, %d:%d", i, h.ModTime, h.Uid, h.Gid)
		}
		for _, x := range s.Xattrs {
			if h.PAXRecords["SCHILY.xattr."+x.Name] != x.Value {
				t.Errorf("entry %d has %v", i, slices.Collect(maps.Keys(h.PAXRecords)))
			}
		}
		if s.Type == Symlink && h.Linkname != s.Target || s.Type == HardLink && h.Linkname != all[s.LinkedTo].Path {
			t.Errorf("entry %d leads to %q", i, h.Linkname)
		}
		if s.Type == CharDevice && (h.Devmajor != int64(s.Major) || h.Devminor != int64(s.Minor)) {
			t.Errorf("entry %d is device %d, %d", i, h.Devmajor, h.Devminor)
		}
		checkContent(t, in, h, s)
	}
	if _, err := in.Next(); err != io.EOF {
		t.Errorf("behind the last entry: %v", err)
	}
}

// checkContent compares the content of an entry, except that of very large files.
func checkContent(t *testing.T, in io.Reader, h *tar.Header, s sample) {
	t.Helper()
	if s.Type == SparseFile {
		if h.Size != int64(s.Size) {
			t.Errorf("%q has %d bytes, want %d", s.Path, h.Size, s.Size)
		}
		if len(s.Extents) == 0 {
			return
		}
		head := make([]byte, s.Extents[1].Offset+s.Extents[1].Length)
		if _, err := io.ReadFull(in, head); err != nil {
			t.Fatal(err)
		}
		want := make([]byte, len(head))
		at := 0
		for _, x := range s.Extents {
			at += copy(want[x.Offset:x.Offset+x.Length], s.content[at:])
		}
		if !bytes.Equal(head, want) {
			t.Errorf("%q has other content", s.Path)
		}
		return
	}
	if got, err := io.ReadAll(in); err != nil || string(got) != s.content {
		t.Errorf("%q has %q, %v", s.Path, got, err)
	}
}

// From any position and of any length, an archive reads the same.
func TestAnArchiveReadsTheSameInAnyPieces(t *testing.T) {
	r := readerOf(t, samples())
	whole := bytesOf(t, r)
	for _, size := range []int{1, 7, 511, 512, 1152} {
		for at := 0; at < len(whole); at += size {
			b := make([]byte, size)
			n, err := r.ReadAt(b, int64(at))
			if want := whole[at:min(at+size, len(whole))]; !bytes.Equal(b[:n], want) || err != nil && (err != io.EOF || n == size) {
				t.Fatalf("%d bytes at %d: %d, %v", size, at, n, err)
			}
		}
	}
}

func TestContentThatIsMissingEndsARead(t *testing.T) {
	all := samples()
	r := readerOf(t, all)
	missing := errors.New("missing")
	r.Content = func(int, []byte, int64) (int, error) { return 0, missing }
	_, content := r.Inventory.Extent(slices.IndexFunc(all, func(s sample) bool { return s.Path == "a.txt" }))
	b := make([]byte, 1152)
	if n, err := r.ReadAt(b, int64(content)-100); n != 100 || err != missing {
		t.Errorf("%d, %v", n, err)
	}
}
