// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"iotupd/internal/leak"
	"iotupd/proto"
	"iotupd/proto/archive"
)

// TestMain has all files in memory where it can, since many tests wait for the medium, which
// may be busy.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("/dev/shm", "iotupd-directories-*")
	if err != nil || os.Getenv(killedDir) != "" { // which removes nothing at its end
		os.Remove(dir)
		os.Exit(leak.Main(m))
	}
	os.Setenv("TMPDIR", dir)
	code := leak.Main(m)
	os.RemoveAll(dir)
	os.Exit(code)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// An item is an entry of a sent directory, and its content in the archive.
type item struct {
	archive.Entry
	content string
}

const someTime = 1_700_000_000

func directory(path string) item {
	return item{Entry: archive.Entry{Path: path, Type: archive.Directory, Mode: 0o755, Seconds: someTime}}
}

func file(path, content string) item {
	return item{Entry: archive.Entry{Path: path, Type: archive.File, Mode: 0o644, Seconds: someTime, Nanoseconds: 123456789, Size: uint64(len(content))}, content: content}
}

func link(path, target string) item {
	return item{Entry: archive.Entry{Path: path, Type: archive.Symlink, Mode: 0o777, Seconds: someTime, Target: target}}
}

// A sent is a directory as a sender sends it.
type sent struct {
	m         *proto.Manifest
	inventory []byte
	archive   []byte
}

// entriesOf returns the entries of items, in their order, with their hashes.
func entriesOf(items []item) (sorted []item, entries []archive.Entry) {
	sorted = slices.Clone(items)
	slices.SortStableFunc(sorted, func(a, b item) int { return archive.Compare(a.Path, b.Path) })
	for i := range sorted {
		if sorted[i].content != "" {
			sorted[i].SHA256 = sha256.Sum256([]byte(sorted[i].content))
			sorted[i].Blocks = blocksOf(sorted[i].content)
		}
		if sorted[i].Type == archive.HardLink && sorted[i].Target != "" {
			sorted[i].LinkedTo = slices.IndexFunc(sorted, func(x item) bool { return x.Path == sorted[i].Target })
			sorted[i].Target = ""
		}
		entries = append(entries, sorted[i].Entry)
	}
	return sorted, entries
}

// hardLink is another name of a file, which comes before it.
// blocksOf returns the digests of the blocks of large content.
func blocksOf(content string) (digests []byte) {
	for at := 0; len(content) > archive.BlocksFrom && at < len(content); at += archive.BlockLen {
		d := archive.BlockDigest([]byte(content[at:min(at+archive.BlockLen, len(content))]))
		digests = append(digests, d[:]...)
	}
	return digests
}

func hardLink(path, to string) item {
	return item{Entry: archive.Entry{Path: path, Type: archive.HardLink, Target: to}}
}

// send makes the objects of a directory called name. The directory itself is added.
func send(t testing.TB, name string, items ...item) *sent {
	t.Helper()
	if len(items) == 0 || !slices.ContainsFunc(items, func(i item) bool { return i.Path == "" }) {
		items = append([]item{directory("")}, items...)
	}
	sorted, entries := entriesOf(items)
	inventory, err := archive.Append(nil, entries)
	check(t, err)
	inv, err := archive.Parse(inventory, len(entries))
	check(t, err)
	r := &archive.Reader{Inventory: inv, Content: func(i int, b []byte, offset int64) (int, error) {
		return copy(b, sorted[i].content[offset:]), nil
	}}
	content, err := io.ReadAll(io.NewSectionReader(r, 0, int64(inv.ArchiveSize())))
	check(t, err)
	return objectsOf(name, inventory, content)
}

func objectsOf(name string, inventory, content []byte) *sent {
	descriptor := func(b []byte) proto.Descriptor {
		p := proto.Params{Code: proto.CodeNone, K: 64, ShardSize: proto.DefaultShardSize, Size: uint64(len(b))}
		return proto.Descriptor{Params: p, SHA256: sha256.Sum256(b)}
	}
	m := &proto.Manifest{Name: name + proto.ArchiveSuffix, Descriptor: descriptor(content), Inventory: descriptor(inventory)}
	return &sent{m, inventory, content}
}

// killedDir names the directory of a run that kills itself.
const killedDir = "IOTUPD_TEST_DIR"

// A receiver is a place in a directory of its own. Its verbs narrate a test.
type receiver struct {
	testing.TB
	*Place
	cfg Config
}

func newReceiver(t testing.TB, cfg Config) *receiver {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "place")
	check(t, os.Mkdir(dir, 0o755))
	t.Cleanup(func() { openAll(dir) })
	r := &receiver{TB: t, Place: Open(dir, cfg), cfg: cfg}
	check(t, r.Prepare())
	t.Cleanup(func() { r.Close() })
	return r
}

// openAll makes all directories removable.
func openAll(dir string) {
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, _ error) error {
		if d != nil && d.IsDir() {
			os.Chmod(path, 0o700)
		}
		return nil
	})
}

// again is a later run, after a regular end of this one.
func (r *receiver) again(cfg Config) *receiver {
	r.Helper()
	r.Place.Close()
	next := &receiver{TB: r.TB, Place: Open(r.Place.path, cfg), cfg: cfg}
	check(r, next.Prepare())
	r.TB.Cleanup(func() { next.Close() })
	return next
}

// try receives a directory.
func (r *receiver) try(s *sent) error {
	if _, err := r.Learn(r.Context(), s.m, s.inventory); err != nil {
		return err
	}
	path, err := r.Commit(r.Context(), s.m, bytes.NewReader(s.archive), nil)
	if err == nil && path != r.PathOf(s.m) {
		r.Errorf("got %s", path)
	}
	return err
}

func (r *receiver) receive(s *sent) {
	r.Helper()
	check(r, r.try(s))
}

// in returns a path in DIR.
func (r *receiver) in(elements ...string) string {
	return filepath.Join(append([]string{r.Place.path}, elements...)...)
}

func (r *receiver) wantHas(s *sent, want bool) {
	r.Helper()
	path, err := r.Has(r.Context(), s.m)
	if err != nil || (path != "") != want {
		r.Errorf("Has says %q, %v, want %v", path, err, want)
	}
}

func (r *receiver) wantError(err error, text string) {
	r.Helper()
	if err == nil || !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), "\n") {
		r.Errorf("got error %v, want one line with %q", err, text)
	}
}

// wantFiles fails unless these are the files in DIR; records are not counted.
func (r *receiver) wantFiles(names ...string) {
	r.Helper()
	r.Place.removal.Wait()
	entries, err := os.ReadDir(r.Place.path)
	check(r, err)
	var got []string
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), recordSuffix) && !strings.HasSuffix(e.Name(), lockSuffix) {
			got = append(got, e.Name())
		}
	}
	if !slices.Equal(got, names) {
		r.Errorf("got %q, want %q", got, names)
	}
}

// wantContent fails unless the directory at path is what s has, with all attributes.
func (r *receiver) wantContent(path string, s *sent) {
	r.Helper()
	path, err := filepath.EvalSymlinks(path)
	check(r, err)
	for _, why := range differences(path, s) {
		r.Error(why)
	}
}

// differences returns how the directory at path differs from what s has.
func differences(path string, s *sent) (all []string) {
	inv, err := archive.Parse(s.inventory, archive.MaxEntries)
	if err != nil {
		return []string{err.Error()}
	}
	seen := make(map[string]bool)
	for i, e := range inv.All() {
		seen[e.Path] = true
		if why := difference(inv, i, e, filepath.Join(path, filepath.FromSlash(e.Path)), s.archive); why != "" {
			all = append(all, fmt.Sprintf("%q: %s", e.Path, why))
		}
	}
	filepath.WalkDir(path, func(p string, _ fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(path, p)
		if rel == "." {
			rel = ""
		}
		if err != nil && !errors.Is(err, fs.ErrPermission) || !seen[filepath.ToSlash(rel)] {
			all = append(all, fmt.Sprintf("%q is there too, %v", rel, err))
		}
		return nil
	})
	return all
}

// difference returns how a file differs from its entry.
func difference(inv *archive.Inventory, i int, e *archive.Entry, path string, content []byte) string {
	info, err := os.Lstat(path)
	if err != nil {
		return err.Error()
	}
	if e.Type == archive.HardLink {
		to := inv.Entry(e.LinkedTo)
		other, err := os.Lstat(filepath.Join(strings.TrimSuffix(path, filepath.FromSlash(e.Path)), filepath.FromSlash(to.Path)))
		if err != nil || !os.SameFile(info, other) {
			return "it is not another name of " + to.Path
		}
		return ""
	}
	types := map[archive.Type]fs.FileMode{
		archive.Directory: fs.ModeDir, archive.Symlink: fs.ModeSymlink, archive.FIFO: fs.ModeNamedPipe,
		archive.CharDevice: fs.ModeDevice | fs.ModeCharDevice, archive.BlockDevice: fs.ModeDevice,
	}
	want := types[e.Type] | modeOf(e)
	if e.Type == archive.Symlink {
		target, err := os.Readlink(path)
		if err != nil || target != e.Target {
			return fmt.Sprintf("it leads to %q, %v", target, err)
		}
	}
	if info.Mode() != want {
		return fmt.Sprintf("it has mode %v, want %v", info.Mode(), want)
	}
	if t := info.ModTime(); t.Unix() != e.Seconds || t.Nanosecond() != int(e.Nanoseconds) {
		return fmt.Sprintf("it is of %v", t)
	}
	if !e.Type.HasContent() {
		return ""
	}
	if uint64(info.Size()) != e.Size {
		return fmt.Sprintf("it has %d bytes, want %d", info.Size(), e.Size)
	}
	got, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrPermission) && info.Mode()&0o400 == 0 {
		return ""
	}
	if err != nil {
		return err.Error()
	}
	_, at := inv.Extent(i)
	stored := content[at:][:e.Stored()]
	expected := stored
	if e.Type == archive.SparseFile {
		expected = make([]byte, e.Size)
		for _, x := range e.Extents {
			copy(expected[x.Offset:][:x.Length], stored)
			stored = stored[x.Length:]
		}
	}
	if !bytes.Equal(got, expected) {
		return "it has other content"
	}
	return ""
}
