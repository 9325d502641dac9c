// SPDX-License-Identifier: GPL-2.0-or-later

package durable

import (
	"os"
	"path/filepath"
	"testing"
)

func rootOf(t *testing.T) *os.Root {
	t.Helper()
	dir, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	return dir
}

func spareIn(t *testing.T, dir *os.Root) *Spare {
	t.Helper()
	s, err := NewSpare(dir, "spare")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestASpareFileTakesThePlaceOfAnother(t *testing.T) {
	dir := rootOf(t)
	path := filepath.Join(dir.Name(), "file")
	if err := os.WriteFile(path, []byte("old"), 0o666); err != nil {
		t.Fatal(err)
	}
	s := spareIn(t, dir)
	if info, err := dir.Stat("spare"); err != nil || info.Size() != pageSize {
		t.Errorf("got %v, %v, want room for a page", info, err)
	}
	if err := s.Replace(dir, "file", []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	holds(t, path, "new")
	alone(t, path) // it is used up
	if err := s.Replace(dir, "file", []byte("newer"), 0o600); err != nil {
		t.Fatal(err)
	}
	holds(t, path, "newer")
	s.Close()
	alone(t, path)
}

func TestASpareFileThatWasNotUsedIsRemoved(t *testing.T) {
	dir := rootOf(t)
	s := spareIn(t, dir)
	s.Close()
	s.Close()
	if _, err := dir.Stat("spare"); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
}

// Two processes must not write into the same one.
func TestASpareFileBelongsToOneProcess(t *testing.T) {
	dir := rootOf(t)
	mine := spareIn(t, dir)
	if mine.Used() {
		t.Skip("no locks here")
	}
	if other := spareIn(t, dir); other != nil {
		t.Error("another one has the same file")
	}
	if err := mine.Replace(dir, "file", []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	other := spareIn(t, dir)
	defer other.Close()
	holds(t, filepath.Join(dir.Name(), "file"), "mine")
}

// A file that a killed process leaves behind is used, and a link is not followed.
func TestASpareFileThatWasLeftBehindIsUsedAgain(t *testing.T) {
	dir := rootOf(t)
	path := filepath.Join(dir.Name(), "spare")
	if err := os.WriteFile(path, []byte("left behind"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := spareIn(t, dir)
	if err := s.Replace(dir, "file", []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	holds(t, filepath.Join(dir.Name(), "file"), "new")
	alone(t, filepath.Join(dir.Name(), "file"))
	if os.Symlink("file", path) == nil {
		spareIn(t, dir).Close()
		holds(t, filepath.Join(dir.Name(), "file"), "new")
	}
}
