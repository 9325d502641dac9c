// SPDX-License-Identifier: GPL-2.0-or-later

package encode

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/proto"
)

func newSource(t *testing.T, content string) *Source {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fw.bin")
	write(t, path, content)
	s, err := OpenSource(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestAnUnchangedSourceReads(t *testing.T) {
	s := newSource(t, "firmware")
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
			s := newSource(t, "firmware")
			test.change(t, s.Path)
			_, readErr := s.ReadAt(make([]byte, 3), 0)
			if got := readErr == nil; got != test.reads {
				t.Errorf("ReadAt: got %v", readErr)
			}
			if readErr != nil && cli.ExitCode(readErr) != cli.ExitLocalIO {
				t.Errorf("ReadAt: got exit code %d for %v", cli.ExitCode(readErr), readErr)
			}
			switch err := s.Check(); {
			case test.want == "" && err != nil:
				t.Errorf("check: got %v; what was opened is still whole", err)
			case test.want == "":
			case err == nil || !strings.Contains(err.Error(), test.want) || cli.ExitCode(err) != cli.ExitLocalIO:
				t.Errorf("check: got %v, exit code %d, want %q", err, cli.ExitCode(err), test.want)
			}
		})
	}
}

func TestAFileThatChangesSaysSoByItself(t *testing.T) {
	s := newSource(t, "firmware")
	opts := Options{Parity: "auto", Profile: "standard", ShardSize: proto.DefaultShardSize, Digest: "on"}
	params, err := opts.Params(s.Size)
	check(t, err)
	p, err := NewPreparation(opts, params, cli.NewOutput(cli.OutputOptions{}, cli.Stdio{Out: io.Discard, Err: io.Discard}, io.Discard))
	check(t, err)
	appendTo(t, s.Path, "more")
	_, release, err := p.Prepare(t.Context(), s)
	defer release()
	if want := s.Path + " changed while it was sent"; cli.ExitCode(err) != cli.ExitLocalIO || !strings.HasPrefix(err.Error(), want) {
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
