// SPDX-License-Identifier: GPL-2.0-or-later

package encode

import (
	"bytes"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/reason"
	"iotupd/sender/directory"
)

func TestWhatIsNotSentOfADirectoryIsWarnedOf(t *testing.T) {
	dir, err := os.MkdirTemp("", "d") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Skip("no sockets here: ", err)
	}
	defer l.Close()
	tool := filepath.Join(dir, "tool")
	if err := os.WriteFile(tool, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(tool, 0o755|fs.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	for preserve, want := range map[string][]string{
		"owners":         {reason.SocketsLeftOut, reason.BitsCleared},
		"special":        {reason.SocketsLeftOut, reason.BitsCleared},
		"special,owners": {reason.SocketsLeftOut},
	} {
		var o Directories
		if err := (*cli.PreserveFlag)(&o.Preserve).Set(preserve); err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		out := cli.NewOutput(t.Context(), cli.OutputOptions{Progress: "none"}, cli.Stdio{Out: &text, Err: &text}, nil)
		d, err := o.Scan(t.Context(), out, dir, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		out.Close(nil)
		for _, code := range want {
			if !strings.Contains(text.String(), "["+code+"]") {
				t.Errorf("--preserve %s: no %s in %q", preserve, code, text.String())
			}
		}
		if n := strings.Count(text.String(), "warning:"); n != len(want) {
			t.Errorf("--preserve %s: %d warnings: %s", preserve, n, text.String())
		}
	}
}

func TestAManifestLiesBesideItsDirectory(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.MkdirAll("a/b", 0o755); err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"a": "a.iotupd", "a/": "a.iotupd", "a/b/": "a/b.iotupd", "./a/b/..": "a.iotupd", ".": here + ".iotupd",
		"file": "file.iotupd", "./file": "./file.iotupd",
	} {
		if got := Beside(path); got != filepath.FromSlash(want) {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

func TestADirectoryIsCountedInWords(t *testing.T) {
	for want, counts := range map[string]directory.Counts{
		"1 file, 1 directory, 5 B of content":                         {Files: 1, Directories: 1, Content: 5},
		"0 files, 2 directories, 1 other entry, 0 B of content":       {Directories: 2, Others: 1},
		"2 files, 3 directories, 4 other entries, 1.0 KiB of content": {Files: 2, Directories: 3, Others: 4, Content: 1024},
	} {
		if got := Counted(counts); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
