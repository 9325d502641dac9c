// SPDX-License-Identifier: GPL-2.0-or-later

package archive

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// extractable returns samples that any user on any file system can extract.
func extractable() []sample {
	dir := strings.Repeat("d", 60) + "/" + strings.Repeat("e", 60)
	all := []sample{
		{Entry: Entry{Type: Directory, Mode: 0o750, Seconds: 1_600_000_000}},
		{Entry: Entry{Path: dir[:60], Type: Directory, Mode: 0o700, Seconds: 1_600_000_001}},
		{Entry: Entry{Path: dir, Type: Directory, Mode: 0o755, Seconds: 1_600_000_002}},
		{Entry: Entry{Path: dir + "/\xff\xfe", Type: File, Mode: 0o640, Seconds: 1_600_000_003, Size: 7}, content: "not UTF"},
		{Entry: Entry{Path: "empty", Type: File, Mode: 0o600, Seconds: 1_600_000_004}},
		{Entry: Entry{Path: "file", Type: File, Mode: 0o644, Seconds: 1_600_000_005, Size: 600}, content: strings.Repeat("file", 150)},
		{Entry: Entry{Path: "hard", Type: HardLink, LinkedTo: 5}},
		{Entry: Entry{Path: "long", Type: Symlink, Mode: 0o777, Seconds: 1_600_000_006, Target: strings.Repeat("t/", 100) + "t"}},
		{Entry: Entry{Path: "owned", Type: File, Mode: 0o644, Seconds: 1_600_000_007, Owned: true, User: 4_000_000_000, Group: 7, Size: 1}, content: "o"},
		{Entry: Entry{Path: "sparse", Type: SparseFile, Mode: 0o644, Seconds: 1_600_000_008, Size: 300_000, Extents: []Extent{{65536, 4096}, {131072, 1}}}, content: strings.Repeat("s", 4097)},
		{Entry: Entry{Path: "sparse of zeros", Type: SparseFile, Mode: 0o644, Seconds: 1_600_000_009, Size: 100_000}},
		{Entry: Entry{Path: "to its end", Type: SparseFile, Mode: 0o644, Seconds: 1_600_000_010, Size: 70_000, Extents: []Extent{{69_990, 10}}}, content: "0123456789"},
	}
	for i := range all {
		if all[i].content != "" {
			all[i].SHA256 = sha256.Sum256([]byte(all[i].content))
		}
	}
	return all
}

// expanded returns the content of a file with its zeros.
func (s *sample) expanded() string {
	if s.Type != SparseFile {
		return s.content
	}
	b, at := make([]byte, s.Size), 0
	for _, x := range s.Extents {
		at += copy(b[x.Offset:x.Offset+x.Length], s.content[at:])
	}
	return string(b)
}

// archiveFile writes the archive of samples into a file.
func archiveFile(t *testing.T, all []sample) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "a.tar")
	if err := os.WriteFile(name, bytesOf(t, readerOf(t, all)), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// tool returns a program of this system.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("there is no %s here", name)
	}
	return path
}

// spec.md 6.7: "an archive, which is a tar file": whoever receives it as a file extracts it.
// GNU tar warns of hdrcharset, which others need for names that are not UTF-8.
func TestGNUTarExtractsTheDirectory(t *testing.T) {
	program := tool(t, "tar")
	if out, _ := exec.Command(program, "--version").Output(); runtime.GOOS != "linux" || !strings.Contains(string(out), "GNU tar") {
		t.Skip("tar is not that of GNU on Linux")
	}
	all, dir := extractable(), t.TempDir()
	out, err := exec.Command(program, "--warning=no-unknown-keyword", "-xpf", archiveFile(t, all), "--no-same-owner", "-C", dir).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Fatalf("%v: %s", err, out)
	}
	for i := range all {
		checkExtracted(t, dir, all, &all[i])
	}
}

// checkExtracted compares what lies in a directory with an entry.
func checkExtracted(t *testing.T, dir string, all []sample, s *sample) {
	t.Helper()
	path := filepath.Join(dir, s.Path)
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if s.Type == HardLink {
		if other, err := os.Lstat(filepath.Join(dir, all[s.LinkedTo].Path)); err != nil || !os.SameFile(info, other) {
			t.Errorf("%q is not a hard link to %q: %v", s.Path, all[s.LinkedTo].Path, err)
		}
		return
	}
	kinds := map[Type]os.FileMode{Directory: os.ModeDir, File: 0, SparseFile: 0, Symlink: os.ModeSymlink}
	if info.Mode().Type() != kinds[s.Type] || s.Type != Symlink && info.Mode().Perm() != os.FileMode(s.Mode) {
		t.Errorf("%q has the mode %v, want that of %v, %o", s.Path, info.Mode(), s.Type, s.Mode)
	}
	if !info.ModTime().Equal(time.Unix(s.Seconds, 0)) {
		t.Errorf("%q is of %v, want %v", s.Path, info.ModTime(), time.Unix(s.Seconds, 0))
	}
	switch {
	case s.Type == Symlink:
		if target, err := os.Readlink(path); target != s.Target {
			t.Errorf("%q leads to %q, %v", s.Path, target, err)
		}
	case s.Type.HasContent():
		if b, err := os.ReadFile(path); string(b) != s.expanded() {
			t.Errorf("%q has other content: %d bytes, %v", s.Path, len(b), err)
		}
	}
}

// What Python reads of an archive; names in hexadecimal.
const pythonLists = `
import sys, json, os, tarfile, hashlib
all = []
for m in tarfile.open(sys.argv[1], "r:"):
    f = m.isreg() and m.size < 1 << 24 and tarfile.open(sys.argv[1], "r:").extractfile(m)
    all.append(dict(name=os.fsencode(m.name).hex(), link=os.fsencode(m.linkname).hex(), type=m.type.decode(), mode=m.mode,
        size=m.size, time=m.mtime, user=m.uid, group=m.gid, major=m.devmajor, minor=m.devminor,
        hash=hashlib.sha256(f.read()).hexdigest() if f else ""))
json.dump(all, sys.stdout)
`

func TestPythonReadsTheArchive(t *testing.T) {
	program := tool(t, "python3")
	for name, all := range map[string][]sample{"extractable": extractable(), "all types": samples()} {
		out, err := exec.Command(program, "-c", pythonLists, archiveFile(t, all)).Output()
		if err != nil {
			t.Fatalf("%s: %v %s", name, err, err.(*exec.ExitError).Stderr)
		}
		type member struct {
			Name, Link, Type, Hash                      string
			Mode, Size, Time, User, Group, Major, Minor int64
		}
		var got []member
		if err := json.Unmarshal(out, &got); err != nil || len(got) != len(all) {
			t.Fatalf("%s: %d entries, want %d: %v", name, len(got), len(all), err)
		}
		for i, s := range all {
			like := s
			if s.Type == HardLink {
				like = all[s.LinkedTo]
			}
			want := member{
				Name: hexOf(s.Path), Type: string(typeFlags[s.Type]), Mode: int64(like.Mode), Size: int64(s.Size), Time: max(like.Seconds, 0),
				User: int64(like.User), Group: int64(like.Group), Major: int64(s.Major), Minor: int64(s.Minor),
			}
			if i == 0 {
				want.Name = hexOf(".")
			}
			switch s.Type {
			case HardLink:
				want.Link = hexOf(like.Path)
			case Symlink:
				want.Link = hexOf(s.Target)
			case File, SparseFile:
				if s.Size < 1<<24 {
					want.Hash = fmt.Sprintf("%x", sha256.Sum256([]byte(s.expanded())))
				}
			}
			if got[i] != want {
				t.Errorf("%s: entry %d\n is %+v\nwant %+v", name, i, got[i], want)
			}
		}
	}
}

func hexOf(s string) string { return hex.EncodeToString([]byte(s)) }

// GNU tar lists devices and owners that only root can extract.
func TestGNUTarListsAllTypes(t *testing.T) {
	program := tool(t, "tar")
	if out, _ := exec.Command(program, "--version").Output(); !strings.Contains(string(out), "GNU tar") {
		t.Skip("tar is not that of GNU")
	}
	all := samples()
	cmd := exec.Command(program, "--numeric-owner", "--xattrs", "-tvf", archiveFile(t, all))
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	lines = slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, "  ") }) // names of extended attributes
	if len(lines) != len(all) {
		t.Fatalf("%d entries, want %d:\n%s", len(lines), len(all), out)
	}
	letters := map[Type]byte{Directory: 'd', File: '-', SparseFile: '-', Symlink: 'l', HardLink: 'h', CharDevice: 'c', BlockDevice: 'b', FIFO: 'p'}
	for i, s := range all {
		fields := strings.Fields(lines[i])
		owner, size := fmt.Sprintf("%d/%d", s.User, s.Group), fmt.Sprint(s.Size)
		switch s.Type {
		case CharDevice:
			size = fmt.Sprintf("%d,%d", s.Major, s.Minor)
		case HardLink:
			owner = fmt.Sprintf("%d/%d", all[s.LinkedTo].User, all[s.LinkedTo].Group)
		}
		if fields[0][0] != letters[s.Type] || fields[1] != owner || fields[2] != size {
			t.Errorf("entry %d, %+v, is listed as %s", i, s.Entry, lines[i])
		}
	}
}
