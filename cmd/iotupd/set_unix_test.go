// SPDX-License-Identifier: GPL-2.0-or-later

//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// Several files share the rate, and each receiver takes its own.
func TestSeveralFilesAreSentTogether(t *testing.T) {
	t.Parallel()
	dir, port := t.TempDir(), freePort(t)
	files := map[string]string{"small.bin": "small", "large.bin": strings.Repeat("large", 20_000), "empty.bin": ""}
	args := []string{"send", "-r", "20M", "--weight", "small.bin=2"}
	for name, content := range files {
		write(t, filepath.Join(dir, name), content)
		args = append(args, filepath.Join(dir, name))
	}
	s := start(t, port, args...)
	s.wantLine("Ctrl-C stops")
	for name, content := range files {
		r := start(t, port, "recv", "-d", ".", "--name", name)
		r.wantLine("ok  " + name)
		(&delivery{T: t, dir: r.dir}).wantContent(name, content)
	}
	s.signal(syscall.SIGINT)
	s.wantExit(130)
}

// A file that changes is left out, and the others are sent on.
func TestAFileThatChangesIsLeftOutOfASet(t *testing.T) {
	t.Parallel()
	dir, port := t.TempDir(), freePort(t)
	stays, changes := filepath.Join(dir, "stays.bin"), filepath.Join(dir, "changes.bin")
	write(t, stays, "stays")
	write(t, changes, "changes")
	s := start(t, port, "send", "-r", "5M", stays, changes)
	s.wantLine("Ctrl-C stops")
	write(t, changes, "has changed")
	s.wantLine("[file-dropped]")
	r := start(t, port, "recv", "-d", ".", "--name", "stays.bin")
	r.wantLine("ok  stays.bin")
	write(t, stays, "has changed, too")
	s.wantExit(11)
}

// The plan of a set has an event for each file.
func TestThePlanOfASetHasAllFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	write(t, a, strings.Repeat("a", 10_000))
	write(t, b, strings.Repeat("b", 1_000_000))
	out, err := os.Create(filepath.Join(dir, "out"))
	check(t, err)
	s := startTo(t, out, freePort(t), "send", "-n", "--json", a, b)
	s.wantExitZero()
	lines, err := os.ReadFile(out.Name())
	check(t, err)
	sum := 0.0
	for line := range strings.Lines(string(lines)) {
		var plan struct {
			Type  string
			Files int     `json:"files_together"`
			Share float64 `json:"rate_share"`
		}
		check(t, json.Unmarshal([]byte(line), &plan))
		if plan.Type == "plan" && plan.Files == 2 {
			sum += plan.Share
		}
	}
	if sum < 0.999 || sum > 1.001 {
		t.Errorf("the shares of all files are %v: %s", sum, lines)
	}
}

// startLimited starts the command with at most so many open files.
func startLimited(t *testing.T, files int, stdout *os.File, port uint16, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	check(t, err)
	limit := []string{"/bin/sh", "-c", fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, files), self}
	return startProgram(t, t.TempDir(), stdout, unhurried, slices.Concat(limit, args, []string{"-i", loopback(), "-p", fmt.Sprint(port)})...)
}

// manyFiles makes so many different files, and returns a list of their paths.
func manyFiles(t *testing.T, n int) (dir, list string) {
	t.Helper()
	dir = t.TempDir()
	var paths strings.Builder
	for i := range n {
		path := filepath.Join(dir, fmt.Sprintf("f%04d.bin", i))
		write(t, path, strings.Repeat(fmt.Sprintf("file %d ", i), 1+i%300))
		fmt.Fprintln(&paths, path)
	}
	list = filepath.Join(t.TempDir(), "list")
	write(t, list, paths.String())
	return dir, list
}

// Thousands of files are sent by a process that may open fewer, whatever of their parity is in
// a temporary file, and one that changes is left out.
func TestThousandsOfFilesAreSentWithFewDescriptors(t *testing.T) {
	t.Parallel()
	const n, most, fewer = 2000, 1024, 150
	dir, list := manyFiles(t, n)
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	check(t, err)
	port := freePort(t)
	s := startLimited(t, most, out, port, "send", "-r", "40M", "--files-from", list, "--parity", "10%", "--memory", "100k")
	s.wantLine("and 1997 more files")
	s.wantLine("list of the files")
	s.wantLine("Ctrl-C stops")
	r := start(t, port, "recv", "-d", ".", "--name", "f1234.bin")
	r.wantLine("ok  f1234.bin")
	(&delivery{T: t, dir: r.dir}).wantContent("f1234.bin", strings.Repeat("file 1234 ", 1+1234%300))
	if open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid)); err == nil && len(open) > fewer {
		t.Errorf("%d descriptors are open, want %d at most", len(open), fewer)
	}
	write(t, filepath.Join(dir, "f0777.bin"), "has changed")
	s.wantLine("f0777.bin is not sent any more, 1999 other files are")
	s.signal(syscall.SIGINT)
	s.wantExit(130)
}

// A process that may open fewer files than would stay open closes some of them.
func TestFilesAreClosedWhereDescriptorsAreShort(t *testing.T) {
	t.Parallel()
	_, list := manyFiles(t, 200)
	port := freePort(t)
	s := startLimited(t, 50, nil, port, "send", "-r", "20M", "--files-from", list, "--parity", "10%", "--memory", "10k")
	s.wantLine("Ctrl-C stops")
	r := start(t, port, "recv", "-d", ".", "--name", "f0123.bin")
	r.wantLine("ok  f0123.bin")
	s.signal(syscall.SIGINT)
	for _, line := range s.wantExit(130) {
		if strings.Contains(line, "not sent any more") {
			t.Error(line)
		}
	}
}

// When very many files change, there are few warnings of them.
func TestWarningsOfManyFilesThatChangeAreFew(t *testing.T) {
	t.Parallel()
	dir, list := manyFiles(t, 100)
	s := start(t, freePort(t), "send", "-r", "20M", "--files-from", list, "--parity", "10%", "--stats", "1s")
	s.wantLine("Ctrl-C stops")
	for i := range 60 {
		check(t, os.Remove(filepath.Join(dir, fmt.Sprintf("f%04d.bin", i))))
	}
	s.wantLine("60 files are not sent any more, 40 other files are [file-dropped]")
	s.signal(syscall.SIGINT)
	lines := s.wantExit(130)
	if n := strings.Count(strings.Join(lines, "\n"), "[file-dropped]"); n > 0 {
		t.Errorf("%d more warnings: %q", n, lines)
	}
}

// A dry run of very many files says what they are together, and shows the first ones.
func TestThePlanOfALargeSetIsShort(t *testing.T) {
	t.Parallel()
	_, list := manyFiles(t, 100)
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	check(t, err)
	s := startTo(t, out, freePort(t), "send", "-n", "--json", "--files-from", list)
	s.wantExitZero()
	lines, err := os.ReadFile(out.Name())
	check(t, err)
	types := make(map[string]int)
	for line := range strings.Lines(string(lines)) {
		var e struct {
			Type  string
			Files int     `json:"files_together"`
			Share float64 `json:"rate_share"`
			Bytes int     `json:"catalogue_bytes"`
		}
		check(t, json.Unmarshal([]byte(line), &e))
		if types[e.Type]++; e.Files != 100 || e.Type == "set" && (e.Share != 0.05 || e.Bytes < 100*100) {
			t.Errorf("event %s", line)
		}
	}
	if types["plan"] != 16 || types["set"] != 1 {
		t.Errorf("events %v", types)
	}
}

// wantExitZero waits for an end without an error.
func (p *process) wantExitZero() {
	p.Helper()
	for p.stderr.Scan() {
	}
	check(p.T, p.cmd.Wait())
}
