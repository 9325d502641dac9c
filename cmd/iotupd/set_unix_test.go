// SPDX-License-Identifier: GPL-2.0-or-later

//go:build unix

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
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

// wantExitZero waits for an end without an error.
func (p *process) wantExitZero() {
	p.Helper()
	for p.stderr.Scan() {
	}
	check(p.T, p.cmd.Wait())
}
