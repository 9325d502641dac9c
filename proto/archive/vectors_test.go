// SPDX-License-Identifier: GPL-2.0-or-later

package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
)

// A vector is a block of testdata/directory.txt, in the format of proto/testdata/README.md.
type vector map[string][]string

func vectors(t testing.TB) (all []vector) {
	t.Helper()
	text, err := os.ReadFile("testdata/directory.txt")
	if err != nil {
		t.Fatal(err)
	}
	for block := range strings.SplitSeq(string(text), "\n\n") {
		v, last := vector{}, ""
		for line := range strings.SplitSeq(block, "\n") {
			name, value, ok := strings.Cut(line, ":")
			switch {
			case line == "" || line[0] == '#':
			case line[0] == ' ':
				v[last][len(v[last])-1] += line
			case ok:
				v[name], last = append(v[name], strings.TrimPrefix(value, " ")), name
			default:
				t.Fatalf("not a name and a value: %q", line)
			}
		}
		if len(v) > 0 {
			all = append(all, v)
		}
	}
	return all
}

func forEachVector(t *testing.T, test func(t *testing.T, v vector)) {
	t.Helper()
	for _, v := range vectors(t) {
		name := v["name"]
		if v["refused"] != nil {
			name = v["refused"]
		}
		t.Run(name[0], func(t *testing.T) { test(t, v) })
	}
}

// vectorsOf returns the entries of all vectors that are not to be refused.
func vectorsOf(t testing.TB) (all [][]Entry) {
	for _, v := range vectors(t) {
		if v["refused"] == nil {
			all = append(all, v.entries())
		}
	}
	return all
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func number(s string) uint64 { return must(strconv.ParseUint(s, 10, 64)) }

// unhex reads hexadecimal digits between spaces, and xx*n, which are n bytes xx.
func unhex(s string) (b []byte) {
	for part := range strings.FieldsSeq(s) {
		digits, times, repeated := strings.Cut(part, "*")
		bytesOf := must(hex.DecodeString(digits))
		if repeated {
			bytesOf = bytes.Repeat(bytesOf, int(number(times)))
		}
		b = append(b, bytesOf...)
	}
	return b
}

func unescape(s string) string { return must(url.PathUnescape(s)) }

// entries returns the entries that a vector describes.
func (v vector) entries() (all []Entry) {
	types := map[string]Type{
		"directory": Directory, "file": File, "sparse": SparseFile, "symlink": Symlink, "hardlink": HardLink,
		"chardev": CharDevice, "blockdev": BlockDevice, "fifo": FIFO,
	}
	for _, line := range v["entry"] {
		fields := strings.Fields(line)
		e := Entry{Type: types[fields[0]]}
		for _, f := range fields[1:] {
			key, value, _ := strings.Cut(f, "=")
			e.set(key, value)
		}
		all = append(all, e)
	}
	return all
}

// set sets what a vector says about an entry.
func (e *Entry) set(key, value string) {
	switch key {
	case "path":
		e.Path = unescape(value)
	case "mode":
		e.Mode = uint32(must(strconv.ParseUint(value, 8, 32)))
	case "seconds":
		e.Seconds = must(strconv.ParseInt(value, 10, 64))
	case "nanoseconds":
		e.Nanoseconds = uint32(number(value))
	case "user":
		e.Owned, e.User = true, uint32(number(value))
	case "group":
		e.Group = uint32(number(value))
	case "xattr":
		name, content, _ := strings.Cut(value, ":")
		e.Xattrs = append(e.Xattrs, Xattr{unescape(name), unescape(content)})
	case "size":
		e.Size = number(value)
	case "extent":
		offset, length, _ := strings.Cut(value, "+")
		e.Extents = append(e.Extents, Extent{number(offset), number(length)})
	case "sha256":
		e.SHA256 = [32]byte(unhex(value))
	case "blocks":
		e.Blocks = unhex(value)
	case "target":
		e.Target = unescape(value)
	case "link":
		e.LinkedTo = int(number(value))
	case "major":
		e.Major = uint32(number(value))
	case "minor":
		e.Minor = uint32(number(value))
	default:
		panic("a vector says " + key)
	}
}

func TestInventoryVectors(t *testing.T) {
	forEachVector(t, func(t *testing.T, v vector) {
		b := unhex(v["inventory"][0])
		inv, err := Parse(b, MaxEntries)
		if v["refused"] != nil {
			if err == nil {
				t.Errorf("accepted, with %d entries", inv.Len())
			}
			return
		}
		entries := v.entries()
		if got, err := Append([]byte("foo"), entries); err != nil || !bytes.Equal(got[3:], b) {
			t.Errorf("Append: %v\n got %x\nwant %x", err, got, b)
		}
		if err != nil {
			t.Fatal(err)
		}
		if inv.Len() != len(entries) {
			t.Fatalf("%d entries, want %d", inv.Len(), len(entries))
		}
		for i, e := range inv.All() {
			for _, got := range []Entry{*e, inv.Entry(i)} {
				if !equal(got, entries[i]) {
					t.Errorf("entry %d:\n got %+v\nwant %+v", i, got, entries[i])
				}
			}
		}
	})
}

// Between the blocks and the contents of a vector, an archive has zeros.
func TestArchiveVectors(t *testing.T) {
	forEachVector(t, func(t *testing.T, v vector) {
		if v["refused"] != nil {
			return
		}
		inv, err := Parse(unhex(v["inventory"][0]), MaxEntries)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := inv.ArchiveSize(), number(v["size"][0]); got != want {
			t.Errorf("%d bytes, want %d", got, want)
		}
		r := &Reader{Inventory: inv, Content: patternOfEntry}
		for _, line := range v["block"] {
			at, digits, _ := strings.Cut(line, " ")
			want, got := make([]byte, 512), make([]byte, 512)
			copy(want, unhex(digits))
			if _, err := r.ReadAt(got, int64(number(at))); err != nil || !bytes.Equal(got, want) {
				t.Errorf("block at %s: %v\n got %q\nwant %q", at, err, got, want)
			}
		}
		want := strings.Join(v["content"], ", ")
		if got := contents(inv); got != want {
			t.Errorf("contents at %s, want %s", got, want)
		}
		if v["sha256"] == nil {
			return
		}
		h := sha256.New()
		if _, err := io.Copy(h, io.NewSectionReader(r, 0, 1<<40)); err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(h.Sum(nil)); got != v["sha256"][0] {
			t.Errorf("SHA-256 %s, want %s", got, v["sha256"][0])
		}
	})
}

// patternOfEntry reads the content that files of the vectors have.
func patternOfEntry(i int, b []byte, offset int64) (int, error) {
	for n := range b {
		at := offset + int64(n)
		b[n] = byte((at*at + int64(i)) % 251)
	}
	return len(b), nil
}

// contents lists offsets and lengths of the contents in an archive.
func contents(inv *Inventory) string {
	var all []string
	for i, e := range inv.All() {
		if _, content := inv.Extent(i); e.Stored() > 0 {
			all = append(all, fmt.Sprintf("%d %d", content, e.Stored()))
		}
	}
	return strings.Join(all, ", ")
}
