// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
)

const mib = 1 << 20

// newDir makes a directory that ends with the test.
func newDir(t *testing.T) string {
	t.Helper()
	needsNetwork(t) // or there is no place for it
	dir, err := os.MkdirTemp(runDir, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// files counts those made so far. Each has other bytes.
var files atomic.Int32

// newFile makes a file of random bytes in a directory of its own.
func newFile(t *testing.T, size int64) string {
	t.Helper()
	path := filepath.Join(newDir(t), "source.bin")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, mib)
	if _, err := io.CopyN(w, rand.NewChaCha8([32]byte{byte(files.Add(1))}), size); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil { // or the disk would be busy with it while we measure
		t.Fatal(err)
	}
	return path
}

// oldFile makes the file that a transfer is to replace, in a directory of its
// own.
func oldFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(newDir(t), "target.bin")
	if err := os.WriteFile(path, []byte("the old version"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// copyOf copies a file into a directory of its own, under its name.
func copyOf(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(newDir(t), filepath.Base(path))
	if err := os.WriteFile(copied, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return copied
}

// newTarget names a file that is not there, in a directory of its own.
func newTarget(t *testing.T) string {
	t.Helper()
	return filepath.Join(newDir(t), "target.bin")
}

func sumOf(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// wantSame compares a received file with its source.
func wantSame(t *testing.T, received, source string) {
	t.Helper()
	if got, want := sumOf(t, received), sumOf(t, source); got != want {
		t.Errorf("%s has SHA-256 %s, want %s", received, got, want)
	}
	wantAlone(t, received)
}

// wantOld checks that an old file is as it was, and nothing beside it but what
// the next receiver may go on with.
func wantOld(t *testing.T, path string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != "the old version" {
		t.Errorf("the old file has %d bytes now (%v), want it untouched", len(got), err)
	}
	names := slices.DeleteFunc(namesIn(t, filepath.Dir(path)), func(name string) bool { return name == filepath.Base(partOf(path)) })
	if want := []string{filepath.Base(path)}; !slices.Equal(names, want) {
		t.Errorf("the directory holds %q, want %q", names, want)
	}
}

// wantAlone checks that nothing was left behind beside a file.
func wantAlone(t *testing.T, path string) {
	t.Helper()
	if got, want := namesIn(t, filepath.Dir(path)), []string{filepath.Base(path)}; !slices.Equal(got, want) {
		t.Errorf("the directory holds %q, want %q", got, want)
	}
}

func namesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
