// SPDX-License-Identifier: GPL-2.0-or-later

package filestore

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"iotupd/proto"
)

// An unpacked is an Unpacker of archives that are the content of one file.
type unpacked struct {
	dir  string
	has  bool
	fail error
}

func (u *unpacked) PathOf(m *proto.Manifest) string {
	return filepath.Join(u.dir, m.DirectoryName())
}

func (u *unpacked) Has(_ context.Context, m *proto.Manifest) (string, error) {
	if u.has {
		return u.PathOf(m), u.fail
	}
	return "", u.fail
}

func (u *unpacked) Commit(_ context.Context, m *proto.Manifest, archive io.ReaderAt, inspect func(string) error) (string, error) {
	if u.fail != nil {
		return "", u.fail
	}
	b, err := io.ReadAll(io.NewSectionReader(archive, 0, 1<<20))
	fresh := filepath.Join(u.dir, ".new")
	err = errors.Join(err, os.Mkdir(fresh, 0o755), os.WriteFile(filepath.Join(fresh, "content"), b, 0o644))
	if err == nil && inspect != nil {
		if err := inspect(fresh); err != nil {
			return "", errors.Join(err, os.RemoveAll(fresh))
		}
	}
	return u.PathOf(m), errors.Join(err, os.Rename(fresh, u.PathOf(m)))
}

// archiveOf is the archive of a directory.
func archiveOf(name, content string) *proto.Manifest {
	m := objectOf(name+proto.ArchiveSuffix, content)
	m.Inventory = objectOf("", "inventory").Descriptor
	return m
}

func TestAnArchiveBecomesADirectory(t *testing.T) {
	d := to(t, "")
	u := &unpacked{dir: d.dir}
	d.Unpack(u)
	m := archiveOf("tree", "archive")
	if path, err := d.Has(t.Context(), m); path != "" || err != nil {
		t.Errorf("got %s, %v", path, err)
	}
	d.receive("archive and hashes")
	inspected := ""
	d.Inspect(func(path string) error { inspected = filepath.Base(path); return nil })
	path, err := d.Commit(t.Context(), m)
	if err != nil || path != filepath.Join(d.dir, "tree") || path != d.PathOf(m) || inspected != ".new" {
		t.Errorf("got %s, %v, and %q was inspected", path, err, inspected)
	}
	d.wantFiles("tree")
	d.wantContent("tree/content", "archive")
	if _, name := d.Beside(m); name != "tree" {
		t.Errorf("got %s", name)
	}
	u.has = true
	if path, err := d.Has(t.Context(), m); path != d.PathOf(m) || err != nil {
		t.Errorf("got %s, %v", path, err)
	}
}

func TestWithoutAnUnpackerAnArchiveIsAFile(t *testing.T) {
	d := to(t, "")
	d.receive("archive")
	_, err := d.Commit(t.Context(), archiveOf("tree", "archive"))
	check(t, err)
	d.wantContent("tree.tar", "archive")

	d = to(t, "out.tar") // and in a file that has a name of its own
	d.Unpack(&unpacked{dir: d.dir})
	d.receive("archive")
	_, err = d.Commit(t.Context(), archiveOf("tree", "archive"))
	check(t, err)
	d.wantContent("out.tar", "archive")
}

func TestAfterAFailedUnpackingThePartialFileIsAsBefore(t *testing.T) {
	no := errors.New("no")
	for _, inspected := range []bool{false, true} {
		d := to(t, "")
		u := &unpacked{dir: d.dir}
		d.Unpack(u)
		d.receive("archive and hashes")
		if inspected {
			d.Inspect(func(string) error { return no })
		} else {
			u.fail = no
		}
		_, err := d.Commit(t.Context(), archiveOf("tree", "archive"))
		if !errors.Is(err, no) || errors.As(err, new(*Error)) == inspected {
			t.Errorf("got %v", err)
		}
		d.Close()
		d.wantFiles(partOf(1))
		d.wantContent(partOf(1), "archive and hashes")
	}
}

func TestAnUnpackerRefusesEarly(t *testing.T) {
	d := to(t, "")
	d.Unpack(&unpacked{dir: d.dir, fail: errors.New("no room")})
	_, err := d.Has(t.Context(), archiveOf("tree", "archive"))
	d.wantError(err, "no room")
}

// Two objects of a collection never replace each other, whatever they are.
func TestADirectoryOfACollectionKeepsItsName(t *testing.T) {
	s := collect(t, 4)
	a, b := s.target(), s.target()
	for i, d := range []*delivery{a, b} {
		d.Unpack(&unpacked{dir: d.dir})
		_, err := d.Open(proto.ObjectID{byte(i + 1)}, proto.Params{Size: 4})
		check(t, err)
	}
	_, err := a.Commit(t.Context(), archiveOf("tree", ""))
	check(t, err)
	_, err = b.Has(t.Context(), archiveOf("tree", ""))
	b.wantError(err, "another object that is received here has the same name")
	_, err = b.Commit(t.Context(), archiveOf("tree", ""))
	b.wantError(err, "another object that is received here has the same name")
	_, err = b.Has(t.Context(), objectOf("tree", ""))
	if !errors.As(err, new(*Error)) {
		t.Errorf("got %v", err)
	}
}

func TestADirectoryIsExclusiveIfNobodyElseMayChangeIt(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no modes here")
	}
	d := to(t, "")
	d.Unpack(&unpacked{dir: d.dir})
	m := archiveOf("tree", "")
	check(t, os.Mkdir(filepath.Join(d.dir, "tree"), 0o755))
	if terms := d.Withhold(m); terms != "" || !d.Exclusive(m) {
		t.Errorf("got %q, %v", terms, d.Exclusive(m))
	}
	check(t, os.Chmod(filepath.Join(d.dir, "tree"), 0o777))
	if d.Exclusive(m) {
		t.Error("others may write to it")
	}
}
