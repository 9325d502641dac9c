// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"iotupd/proto/archive"
	"iotupd/sender/filesource"
)

// changes are all that may become of an entry, and how it is named.
var changes = map[string]struct {
	do   func(p place)
	name string
	how  filesource.Change
	read bool // it shows when the file is read, too
}{
	"content":        {func(p place) { p.write("sub/file", "other content") }, "sub/file", filesource.Changed, true},
	"same size":      {func(p place) { p.write("sub/file", "CONTENT") }, "sub/file", filesource.Changed, true}, // with the old time
	"replaced":       {func(p place) { p.write("../new", "content"); p.rename("../new", "sub/file") }, "sub/file", filesource.Replaced, true},
	"symbolic link":  {func(p place) { p.remove("sub/file"); p.must(os.Symlink("../other", p.at("sub/file"))) }, "sub/file", filesource.Replaced, true},
	"removed":        {func(p place) { p.remove("sub/file") }, "sub/file", filesource.Removed, true},
	"link for a dir": {func(p place) { p.rename("sub", "../sub"); p.must(os.Symlink("../sub", p.at("sub"))) }, "sub", filesource.Replaced, true},
	"added":          {func(p place) { p.write("sub/new", "x") }, "sub/new", filesource.Added, false},
	"directory":      {func(p place) { p.must(os.MkdirAll(p.at("sub/new/deep"), 0o755)) }, "sub/new", filesource.Added, false},
	"mode":           {func(p place) { p.must(os.Chmod(p.at("sub/file"), 0o600)) }, "sub/file", filesource.Changed, false},
	"moved":          {func(p place) { p.rename("sub", "bus") }, "bus", filesource.Added, true},
	"link to a link": {func(p place) { p.remove("link"); p.must(os.Symlink("other", p.at("link"))) }, "link", filesource.Replaced, false},
}

func (p place) remove(name string) {
	p.t.Helper()
	p.must(os.Remove(p.at(name)))
}

func (p place) rename(from, to string) {
	p.t.Helper()
	p.must(os.Rename(p.at(from), p.at(to)))
}

func changing(t *testing.T) place {
	if runtime.GOOS == "windows" {
		t.Skip("files have neither modes nor times of all changes here")
	}
	p := newPlace(t)
	p.mkdir("sub")
	p.write("sub/file", "content")
	p.write("other", "content")
	p.must(os.Symlink("sub", p.at("link")))
	return p
}

// Other content than the inventory lists is never sent.
func TestAChangeWhileADirectoryIsSentIsNamed(t *testing.T) {
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			p := changing(t)
			d := p.scan(archive.Preserve{})
			if name != "removed" && name != "moved" { // with the file open, too
				p.archive(d)
			}
			p.must(d.Look())
			change.do(p)
			err := d.Check()
			if name == "link to a link" && err != nil { // the new link may have the number of the old one
				var changed *filesource.ChangedError
				if errors.As(err, &changed) {
					changed.How = filesource.Replaced
				}
			}
			p.wantChange(err, change.name, change.how)
			if err := d.Look(); err == nil {
				t.Error("another look found nothing")
			}
			_, content := d.Inventory().Extent(d.Inventory().Len() - 1)
			b := make([]byte, 7)
			if _, err = d.ReadAt(b, int64(content)); err == nil && string(b) != "content" || err != nil && !change.read {
				t.Errorf("read: %q, %v", b, err)
			}
		})
	}
}

func TestAChangeBeforeHashingIsNamed(t *testing.T) {
	for name, change := range changes {
		if !change.read || name == "moved" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			p := changing(t)
			d := p.scanOnly(archive.Preserve{})
			change.do(p)
			p.wantChange(d.Hash(t.Context(), nil), change.name, change.how)
		})
	}
}

// A change in the same tick of the clock as a scan shows: what changed just now is waited for.
func TestAChangeRightAfterHashingIsNoticed(t *testing.T) {
	for range 20 {
		p := changing(t)
		d := p.scan(archive.Preserve{})
		p.write("sub/file", "CONTENT") // the same size and time
		p.wantChange(d.Check(), "sub/file", filesource.Changed)
	}
}

func TestAFileOfTheSameContentMayHaveANewName(t *testing.T) {
	p := changing(t)
	d := p.scan(archive.Preserve{})
	before := string(p.archive(d))
	if err := os.Link(p.at("sub/file"), filepath.Join(t.TempDir(), "backup")); err != nil {
		t.Skip("no hard links here: ", err)
	}
	p.must(os.Chmod(p.at("other"), 0o644)) // as it was
	p.must(d.Check())
	if string(p.archive(d)) != before {
		t.Error("the archive is another one")
	}
}

// A new version is often put into place by a rename.
func TestADirectoryWhoseNameAnotherOneTakesIsNoticed(t *testing.T) {
	p := changing(t)
	d := p.scan(archive.Preserve{})
	before := string(p.archive(d))
	p.must(os.Rename(p.path, p.path+"-old"))
	p.must(d.Look())
	p.must(d.Check())
	if string(p.archive(d)) != before {
		t.Error("the archive is another one")
	}
	p.must(os.Mkdir(p.path, 0o755))
	p.wantChange(d.Look(), "", filesource.Replaced)
}

func TestASocketMayAppear(t *testing.T) {
	p := changing(t)
	d := p.scan(archive.Preserve{})
	p.write("new", "x")
	p.remove("new")
	p.must(d.Check())
	p.must(makeSocket(t, p.at("socket")))
	p.must(d.Check())
	if d := p.scan(archive.Preserve{}); d.Sockets != (LeftOut{1, "socket"}) || d.Inventory().Len() != 5 {
		t.Errorf("%+v, %d entries", d.Sockets, d.Inventory().Len())
	}
}

func TestMessagesSayWhatToDo(t *testing.T) {
	p := changing(t)
	d := p.scan(archive.Preserve{})
	p.write("sub/\x1b[31m\xff", "x")
	err := d.Check()
	if err == nil || !strings.HasSuffix(err.Error(), `sub/\x1b[31m\xff" was added while the directory was sent; start again to send it as it is now`) {
		t.Errorf("got %v", err)
	}
}

// Look has its turn at all entries, a few at a time.
func TestLookingGoesAroundInALargeDirectory(t *testing.T) {
	p := newPlace(t)
	for i := range 2*looked + 10 {
		p.write(string([]rune{'a' + rune(i/1000), '0' + rune(i/100%10), '0' + rune(i/10%10), '0' + rune(i%10)}), "")
	}
	d := p.scan(archive.Preserve{})
	p.write("b500", "x")
	var err error
	n := 0
	for ; err == nil && n < 4; n++ {
		err = d.Look()
	}
	p.wantChange(err, "b500", filesource.Changed)
	if n != 2 {
		t.Errorf("it was found by look %d", n)
	}
}

// Few files are open, however many there are.
func TestFewFilesAreOpen(t *testing.T) {
	p := newPlace(t)
	for i := range 3 * mostOpen {
		p.write(string([]rune{'a' + rune(i/26), 'a' + rune(i%26)}), "content")
	}
	d := p.scan(archive.Preserve{})
	p.archive(d)
	if n := len(d.files.all); n > mostOpen {
		t.Errorf("%d files are open", n)
	}
	d.files.shrink()
	if n := len(d.files.all); n > mostOpen/2 {
		t.Errorf("after there were too many, %d files are open", n)
	}
	p.archive(d)
}
