// SPDX-License-Identifier: GPL-2.0-or-later

package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestAFileIsReplacedAsAWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, content := range []string{"first, which is longer", "second"} {
		if err := ReplaceFile(path, []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
		holds(t, path, content)
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v; want mode 640 whatever the umask", info.Mode(), err)
	}
	alone(t, path)
}

func TestAFailedReplacementLeavesTheOldFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dir")
	inside := filepath.Join(path, "file")
	if err := os.Mkdir(path, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(inside, []byte("old"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := ReplaceFile(path, []byte("new"), 0o600); err == nil {
		t.Error("a directory with files in it was replaced by a file")
	}
	holds(t, inside, "old")
	alone(t, path)
}

func TestAFileThatExistsIsNotCreated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := CreateFile(path, []byte("first"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := CreateFile(path, []byte("second"), 0o600); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want fs.ErrExist", err)
	}
	holds(t, path, "first")
	alone(t, path)
}

func TestATemporaryFileHasRoomAndLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	f, remove, err := Scratch(4096)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := f.Stat(); err != nil || info.Size() != 4096 {
		t.Errorf("got %v, %v; want 4096 bytes", info, err)
	}
	remove()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	t.Setenv("TMPDIR", filepath.Join(dir, "missing"))
	_, _, err = Scratch(4096)
	var failed *ScratchError
	if !errors.As(err, &failed) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want a ScratchError that wraps fs.ErrNotExist", err)
	}
}

// holds fails unless the file at path has this content.
func holds(t *testing.T, path, content string) {
	t.Helper()
	if b, err := os.ReadFile(path); err != nil || string(b) != content {
		t.Errorf("%s: got %q, %v; want %q", path, b, err, content)
	}
}

// alone fails unless nothing else is beside path.
func alone(t *testing.T, path string) {
	t.Helper()
	if all, err := os.ReadDir(filepath.Dir(path)); err != nil || len(all) != 1 {
		t.Errorf("beside %s: got %v, %v; want nothing", path, all, err)
	}
}
