// SPDX-License-Identifier: GPL-2.0-or-later

//go:build unix

package durable

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Neither end of a pipe is waited for.
func TestOnlyRegularFilesAreOpened(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	pipe, file := filepath.Join(dir, "pipe"), filepath.Join(dir, "file")
	if err := errors.Join(syscall.Mkfifo(pipe, 0o600), os.WriteFile(file, []byte("content"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, flag := range []int{os.O_RDONLY, os.O_WRONLY, os.O_RDWR} {
		for _, path := range []string{pipe, dir} {
			f, err := OpenRegular(path, flag)
			if f != nil || err == nil || path == pipe && !errors.Is(err, ErrNotRegular) {
				t.Errorf("%s with flag %d: got %v, %v", path, flag, f, err)
			}
		}
		if _, err := OpenRegularIn(root, "pipe", flag); !errors.Is(err, ErrNotRegular) {
			t.Errorf("flag %d: got %v", flag, err)
		}
		for _, open := range []func() (*os.File, error){
			func() (*os.File, error) { return OpenRegular(file, flag) },
			func() (*os.File, error) { return OpenRegularIn(root, "file", flag) },
		} {
			f, err := open()
			if err != nil {
				t.Fatal(err)
			}
			f.Close()
		}
	}
	if _, err := OpenRegular(filepath.Join(dir, "missing"), os.O_RDONLY); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
