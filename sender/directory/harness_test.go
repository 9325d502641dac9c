// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"iotupd/internal/leak"
	"iotupd/proto/archive"
	"iotupd/sender/filesource"
)

func TestMain(m *testing.M) { os.Exit(leak.Main(m)) }

// A place is a directory of a test.
type place struct {
	t    *testing.T
	path string
}

func newPlace(t *testing.T) place {
	p := place{t, filepath.Join(t.TempDir(), "data")}
	p.mkdir("")
	return p
}

// at returns the path of an entry.
func (p place) at(name string) string { return filepath.Join(p.path, name) }

// old is a time that files have.
var old = time.Unix(1_700_000_000, 123_456_789)

func (p place) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p place) write(name, content string) {
	p.t.Helper()
	p.must(os.WriteFile(p.at(name), []byte(content), 0o644))
	p.must(os.Chtimes(p.at(name), old, old))
}

func (p place) mkdir(name string) {
	p.t.Helper()
	p.must(os.MkdirAll(p.at(name), 0o755))
}

// age gives all directories an old time, so that it does not depend on when the test ran.
func (p place) age() {
	p.t.Helper()
	p.must(filepath.WalkDir(p.path, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			err = os.Chtimes(path, old, old)
		}
		return err
	}))
}

// scan scans and hashes it.
func (p place) scan(preserve archive.Preserve) *Directory {
	p.t.Helper()
	d := p.scanOnly(preserve)
	p.must(d.Hash(p.t.Context(), nil))
	return d
}

func (p place) scanOnly(preserve archive.Preserve) *Directory {
	p.t.Helper()
	d, err := Scan(p.t.Context(), p.path, Config{Preserve: preserve})
	p.must(err)
	p.t.Cleanup(func() { d.Close() })
	return d
}

// entry returns the entry with a path.
func (p place) entry(d *Directory, at string) archive.Entry {
	p.t.Helper()
	for i, e := range d.Inventory().All() {
		if e.Path == at {
			return d.Inventory().Entry(i)
		}
	}
	p.t.Fatalf("there is no entry %q", at)
	return archive.Entry{}
}

// archive reads the whole archive.
func (p place) archive(d *Directory) []byte {
	p.t.Helper()
	b, err := io.ReadAll(io.NewSectionReader(d, 0, d.Size()))
	p.must(err)
	return b
}

// same compares two directories that should be the same objects.
func (p place) same(a, b *Directory) {
	p.t.Helper()
	if !bytes.Equal(a.Inventory().Bytes(), b.Inventory().Bytes()) {
		p.t.Error("the inventories differ")
	}
	if sha256.Sum256(p.archive(a)) != sha256.Sum256(p.archive(b)) {
		p.t.Error("the archives differ")
	}
}

// wantChange checks that an error says what has changed.
func (p place) wantChange(err error, name string, how filesource.Change) {
	p.t.Helper()
	var changed *filesource.ChangedError
	if !errors.As(err, &changed) || changed.Path != p.at(name) || changed.How != how || !changed.Directory {
		p.t.Errorf("got %v, want that %s changed (%d)", err, name, how)
	}
}
