// SPDX-License-Identifier: GPL-2.0-or-later

package filesource

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"iotupd/fec"
)

func newFile(t *testing.T, content string) *File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fw.bin")
	write(t, path, content)
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestAnUnchangedSourceReads(t *testing.T) {
	s := newFile(t, "firmware")
	b := make([]byte, 4)
	if n, err := s.ReadAt(b, 4); n != 4 || err != nil || string(b) != "ware" {
		t.Errorf("got %d, %v, %q", n, err, b)
	}
	if n, err := s.ReadAt(b, 6); n != 2 || err != io.EOF {
		t.Errorf("got %d, %v at the end, want 2, EOF", n, err)
	}
	if err := s.Check(); err != nil {
		t.Error(err)
	}
}

func TestASourceThatChangesIsNoLongerSent(t *testing.T) {
	longAgo := time.Now().Add(-time.Hour)
	tests := map[string]struct {
		change func(t *testing.T, path string)
		reads  bool // ReadAt still works: the file that was opened has not changed
		want   string
	}{
		"longer": {func(t *testing.T, path string) { appendTo(t, path, "more") }, false, "changed while it was sent"},
		"cut":    {func(t *testing.T, path string) { check(t, os.Truncate(path, 3)) }, false, "changed while it was sent"},
		"rewritten": {func(t *testing.T, path string) {
			write(t, path, "FIRMWARE")
			check(t, os.Chtimes(path, longAgo, longAgo))
		}, false, "changed while it was sent"},
		"replaced": {func(t *testing.T, path string) {
			write(t, path+".new", "firmware")
			check(t, os.Rename(path+".new", path))
		}, true, "was replaced while it was sent"},
		"removed": {func(t *testing.T, path string) { check(t, os.Remove(path)) }, true, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newFile(t, "firmware")
			test.change(t, s.path)
			_, readErr := s.ReadAt(make([]byte, 3), 0)
			if got := readErr == nil; got != test.reads {
				t.Errorf("ReadAt: got %v", readErr)
			}
			if readErr != nil && !errors.As(readErr, new(*ChangedError)) {
				t.Errorf("ReadAt: got %v, want a ChangedError", readErr)
			}
			switch err := s.Check(); {
			case test.want == "" && err != nil:
				t.Errorf("check: got %v; what was opened is still whole", err)
			case test.want == "":
			case err == nil || !strings.Contains(err.Error(), test.want) || !errors.As(err, new(*ChangedError)):
				t.Errorf("check: got %v, want %q", err, test.want)
			}
		})
	}
}

func TestAFileThatChangesSaysSoByItself(t *testing.T) {
	s := newFile(t, "firmware")
	params, err := fec.Policy{}.Params(uint64(s.size))
	check(t, err)
	appendTo(t, s.path, "more")
	_, err = Prepare(t.Context(), s, params, Config{})
	if want := s.path + " changed while it was sent"; err == nil || !errors.As(err, new(*ChangedError)) || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %q and nothing before it", err, want)
	}
}

func appendTo(t *testing.T, path, more string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	check(t, err)
	defer f.Close()
	_, err = f.WriteString(more)
	check(t, err)
}
