// SPDX-License-Identifier: GPL-2.0-or-later

//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// "never two at once": the command inherits the lock, and goes on when recv is killed.
func TestNoCommandRunsBesideOneThatAKilledReceiverHasLeft(t *testing.T) {
	t.Parallel()
	from := newReleaser(t)
	from.send("firmware", "7", "1M")
	const install = `sh -c 'echo begun >> log; echo begun; while ! test -e go; do sleep 0.05; done; echo ended >> log'`
	args := []string{"recv", "-d", ".", "--trust", from.path("pub"), "--state", from.path("state"), "--exec", install}
	first := start(t, from.port, args...)
	first.wantLine("sh: begun")
	first.signal(syscall.SIGKILL)
	first.wantExit(-1)

	args = append(args, "-i", loopback(), "-p", "1")
	again := startCommand(t, first.dir, nil, unhurried, args...)
	if last := strings.Join(again.wantExit(11), "\n"); !strings.Contains(last, "an installation of this channel is still running") {
		t.Errorf("got %q, want that it is still running", last)
	}
	write(t, filepath.Join(first.dir, "go"), "")
	for end := time.Now().Add(waitLimit); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if b, _ := os.ReadFile(filepath.Join(first.dir, "log")); strings.HasSuffix(string(b), "ended\n") {
			break
		}
	}
	startCommand(t, first.dir, nil, unhurried, append(args, "-v")...).wantLine("--exec has succeeded")
	(&delivery{T: t, dir: first.dir}).wantContent("log", strings.Repeat("begun\nended\n", 2))
}

// What was passed on of a signed release is remembered like what was installed.
func TestAReleaseIsPassedOnToStdoutOnce(t *testing.T) {
	t.Parallel()
	from := newReleaser(t)
	from.send("firmware", "7", "1M")
	for i, want := range []string{"firmware", ""} {
		out, err := os.Create(from.path("out"))
		check(t, err)
		p := startTo(t, out, from.port, "recv", "-o", "-", "--trust", from.path("pub"), "--state", from.path("state"))
		p.wantLine("ok  ")
		for p.stderr.Scan() {
		}
		if err := p.cmd.Wait(); err != nil {
			t.Errorf("run %d: %v", i, err)
		}
		out.Close()
		if got, err := os.ReadFile(from.path("out")); err != nil || string(got) != want {
			t.Errorf("run %d: got %q, %v, want %q", i, got, err, want)
		}
	}
}
