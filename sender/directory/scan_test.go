// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"iotupd/proto/archive"
	"iotupd/sender/filesource"
)

func TestAScanHasAllThatIsInADirectory(t *testing.T) {
	p := newPlace(t)
	p.mkdir("a/empty")
	p.write("a/file", "content")
	p.write("a.txt", "")
	p.must(os.Chmod(p.at("a/file"), 0o640))
	p.must(os.Symlink("../anywhere", p.at("a/link")))
	d := p.scan(archive.Preserve{})
	var paths []string
	for _, e := range d.Inventory().All() {
		paths = append(paths, e.Path)
	}
	if got, want := strings.Join(paths, " "), " a a/empty a/file a/link a.txt"; got != want {
		t.Errorf("entries %q, want %q", got, want)
	}
	e := p.entry(d, "a/file")
	if e.Type != archive.File || e.Mode != 0o640 && runtime.GOOS != "windows" || e.Size != 7 || e.SHA256 != sha256.Sum256([]byte("content")) ||
		!time.Unix(e.Seconds, int64(e.Nanoseconds)).Equal(old) || e.Owned {
		t.Errorf("%+v", e)
	}
	if e := p.entry(d, "a/link"); e.Type != archive.Symlink || e.Target != "../anywhere" || e.Mode != 0o777 {
		t.Errorf("%+v", e)
	}
	if e := p.entry(d, "a/empty"); e.Type != archive.Directory {
		t.Errorf("%+v", e)
	}
	if got, want := d.Counts, (Counts{Files: 2, Directories: 3, Others: 1, Content: 7}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	p.must(d.Check())
}

func TestADirectoryWithoutFilesIsSent(t *testing.T) {
	p := newPlace(t)
	d := p.scan(archive.Preserve{})
	if n := d.Inventory().Len(); n != 1 || len(p.archive(d)) != 512+1024 {
		t.Errorf("%d entries, archive of %d bytes", n, d.Size())
	}
	p.must(d.Check())
}

// Two scans of one directory, and of a copy whose entries were made in another order, are the
// same two objects.
func TestTheSameDirectoryIsTheSameObjects(t *testing.T) {
	names := []string{"z", "a", "m/x", "m/a", "m-", "m.d/q", "ä", "A"}
	var both [2]*Directory
	for i := range both {
		p := newPlace(t)
		for j := range names {
			name := names[j]
			if i == 1 {
				name = names[len(names)-1-j]
			}
			p.mkdir(filepath.Dir(name))
			p.write(name, "content of "+name)
		}
		p.must(os.Symlink("a", p.at("link")))
		p.age()
		if err := noFollowTimes(p.at("link"), old); err != nil {
			t.Skip("times of symbolic links cannot be set here: ", err)
		}
		both[i] = p.scan(archive.Preserve{})
		p.same(both[i], p.scan(archive.Preserve{}))
	}
	newPlace(t).same(both[0], both[1])
}

func TestAHardLinkIsSentOnce(t *testing.T) {
	p := newPlace(t)
	p.mkdir("sub")
	p.write("b", "content")
	if err := os.Link(p.at("b"), p.at("sub/a")); err != nil {
		t.Skip("no hard links here: ", err)
	}
	p.must(os.Link(p.at("b"), p.at("c")))
	if info, err := os.Lstat(p.at("b")); err != nil || statOf(info).links != 3 {
		t.Skip("this system does not say how many names a file has")
	}
	d := p.scan(archive.Preserve{})
	if e := p.entry(d, "b"); e.Type != archive.File {
		t.Errorf("%+v", e)
	}
	for _, name := range []string{"c", "sub/a"} {
		if e := p.entry(d, name); e.Type != archive.HardLink || d.Inventory().Entry(e.LinkedTo).Path != "b" {
			t.Errorf("%+v", e)
		}
	}
	if d.Counts.Files != 3 || d.Counts.Content != 7 {
		t.Errorf("%+v", d.Counts)
	}
	p.must(d.Check())
}

// "No symbolic link is followed": nothing outside is read, and a loop has no end to find.
func TestSymbolicLinksAreNotFollowed(t *testing.T) {
	p := newPlace(t)
	outside := filepath.Join(t.TempDir(), "secret")
	p.must(os.WriteFile(outside, []byte("secret"), 0o600))
	p.must(os.Symlink(outside, p.at("out")))
	p.must(os.Symlink(".", p.at("loop")))
	p.must(os.Symlink("missing", p.at("dangling")))
	d := p.scan(archive.Preserve{})
	if d.Inventory().Len() != 4 || d.Counts.Others != 3 {
		t.Errorf("%d entries, %+v", d.Inventory().Len(), d.Counts)
	}
	if strings.Contains(string(p.archive(d)), "secret\x00\x00") && !strings.Contains(outside, "secret") {
		t.Error("the archive has a file from outside")
	}
}

func TestTheDirectoryItselfMayBeNamedByASymbolicLink(t *testing.T) {
	p := newPlace(t)
	p.write("a", "content")
	link := p.path + "-link"
	p.must(os.Symlink("data", link))
	d := place{t, link}.scan(archive.Preserve{})
	p.same(d, p.scan(archive.Preserve{}))
	if name, err := BaseName(link); name != "data-link" || err != nil {
		t.Errorf("%q, %v", name, err)
	}
	t.Chdir(p.path)
	if name, err := BaseName("."); name != "data" || err != nil {
		t.Errorf("%q, %v", name, err)
	}
}

func TestSetuidBitsAreSentOnRequestOnly(t *testing.T) {
	p := newPlace(t)
	p.mkdir("sub")
	p.write("tool", "x")
	p.must(os.Chmod(p.at("tool"), 0o755|fs.ModeSetuid))
	p.must(os.Chmod(p.at("sub"), 0o755|fs.ModeSetgid|fs.ModeSticky))
	if info, err := os.Lstat(p.at("tool")); err != nil || info.Mode()&fs.ModeSetuid == 0 {
		t.Skip("there are no setuid bits here")
	}
	d := p.scan(archive.Preserve{})
	if tool, sub := p.entry(d, "tool"), p.entry(d, "sub"); tool.Mode != 0o755 || sub.Mode != 0o1755 || d.Bits != (LeftOut{2, "sub"}) {
		t.Errorf("%o, %o, %+v", tool.Mode, sub.Mode, d.Bits)
	}
	p.must(d.Check())
	if d = p.scan(archive.Preserve{Special: true}); p.entry(d, "tool").Mode != 0o755 {
		t.Error("the bit is sent without its owner")
	}
	d = p.scan(archive.Preserve{Special: true, Owners: true})
	if tool, sub := p.entry(d, "tool"), p.entry(d, "sub"); tool.Mode != 0o4755 || sub.Mode != 0o3755 || d.Bits.Entries != 0 {
		t.Errorf("%o, %o, %+v", tool.Mode, sub.Mode, d.Bits)
	}
	p.must(d.Check())
}

// Errors name the path, say why, and what to do.
func TestWhatCannotBeReadIsNamed(t *testing.T) {
	if !asNobody(t) {
		return
	}
	for _, name := range []string{"file", "dir"} {
		p := newPlace(t)
		p.write("file", "content")
		p.mkdir("dir")
		p.must(os.Chmod(p.at(name), 0))
		t.Cleanup(func() { os.Chmod(p.at(name), 0o700) })
		d, err := Scan(t.Context(), p.path, Config{})
		if err == nil {
			defer d.Close()
			err = d.Hash(t.Context(), nil)
		}
		var file *filesource.FileError
		if !errors.As(err, &file) || file.Path != p.at(name) || !strings.Contains(err.Error(), "permission denied; make it readable") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAMissingDirectoryIsAnErrorOfItsPath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "missing")
	_, err := Scan(t.Context(), path, Config{})
	var file *filesource.FileError
	if !errors.As(err, &file) || file.Path != path || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestAScanEndsWithItsContext(t *testing.T) {
	p := newPlace(t)
	p.write("a", "content")
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(enough)
	if _, err := Scan(ctx, p.path, Config{}); err != enough {
		t.Errorf("scan: %v", err)
	}
	if err := p.scanOnly(archive.Preserve{}).Hash(ctx, nil); err != enough {
		t.Errorf("hash: %v", err)
	}
}

func TestHolesShorterThan4KiBAreFilled(t *testing.T) {
	x := func(offset, length uint64) archive.Extent { return archive.Extent{Offset: offset, Length: length} }
	for _, test := range []struct {
		name      string
		all, want []archive.Extent
		size      uint64
	}{
		{"nothing but a hole", nil, []archive.Extent{}, 4096},
		{"short holes", []archive.Extent{x(4095, 1), x(8191, 1000)}, nil, 8191 + 1000 + 4095},
		{"before", []archive.Extent{x(4096, 10)}, []archive.Extent{x(4096, 10)}, 4106},
		{"between", []archive.Extent{x(0, 10), x(4106, 10), x(4200, 1)}, []archive.Extent{x(0, 10), x(4106, 95)}, 4201},
		{"behind", []archive.Extent{x(0, 10)}, []archive.Extent{x(0, 10)}, 4106},
		{"short behind", []archive.Extent{x(8192, 10)}, []archive.Extent{x(8192, 4105)}, 8192 + 4105},
		{"none", []archive.Extent{x(0, 5000)}, nil, 5000},
	} {
		got := withoutSmallHoles(test.all, test.size, leastHole)
		if len(got) != len(test.want) || (got == nil) != (test.want == nil) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
			continue
		}
		for i := range got {
			if got[i] != test.want[i] {
				t.Errorf("%s: %v, want %v", test.name, got, test.want)
			}
		}
	}
}

func TestAFileHasAtMost65536Extents(t *testing.T) {
	var all []archive.Extent
	for i := range uint64(archive.MaxExtents + 1) {
		all = append(all, archive.Extent{Offset: (i + i/2) * 8192, Length: 4096})
	}
	got := mergeExtents(all, all[len(all)-1].Offset+4096)
	if len(got) == 0 || len(got) > archive.MaxExtents {
		t.Errorf("%d extents", len(got))
	}
}
