// SPDX-License-Identifier: GPL-2.0-or-later

//go:build unix

package main

import (
	"io"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"iotupd/cmd/iotupd/internal/cli"
)

// A releaser signs and sends files of a directory. Its verbs narrate a test.
type releaser struct {
	*testing.T
	dir  string
	port uint16
}

func newReleaser(t *testing.T) *releaser {
	t.Helper()
	r := &releaser{T: t, dir: t.TempDir(), port: freePort(t)}
	r.do("keygen", "-q", "-s", r.path("key"), "-p", r.path("pub"))
	return r
}

func (r *releaser) path(name string) string { return filepath.Join(r.dir, name) }

func (r *releaser) do(args ...string) {
	r.Helper()
	if code := run(args, cli.Stdio{Out: io.Discard, Err: io.Discard}); code != cli.ExitOK {
		r.Fatalf("%q: got exit code %d", args, code)
	}
}

// send sends a content as fw.bin.
func (r *releaser) send(content, sequence, rate string) *process {
	r.Helper()
	file := r.path(sequence)
	write(r.T, file, content)
	r.do("sign", "-q", file, "-s", r.path("key"), "--sequence", sequence, "--name", "fw.bin")
	p := start(r.T, r.port, "send", file, "--manifest", file+".iotupd", "-r", rate)
	p.wantLine("Ctrl-C stops")
	return p
}

// recv starts a receiver in a directory of its own.
func (r *releaser) recv(args ...string) *process {
	r.Helper()
	return start(r.T, r.port, append([]string{"recv", "-d", ".", "--trust", r.path("pub"), "--state", r.path("state")}, args...)...)
}

// A newer release that is signed takes the place of the one that is received,
// and what was received of that is not asked for again.
func TestANewerReleaseTakesOver(t *testing.T) {
	t.Parallel()
	from := newReleaser(t)
	content := randomBytes(600_000)
	from.send(string(content), "1", "1M")
	r := from.recv()
	r.wantLine("signed by")
	content[500_000]++
	from.send(string(content), "2", "5M")
	r.wantLine("given up: a newer release is sent")
	r.wantLine("ok  fw.bin")
	d := &delivery{T: t, dir: r.dir}
	d.wantContent("fw.bin", string(content))
	d.wantFiles("fw.bin")
}

func TestAFollowerReceivesEveryNewerRelease(t *testing.T) {
	t.Parallel()
	from := newReleaser(t)
	from.send("one", "1", "1M")
	// The last command goes on: after it, a part of the stream that is still
	// being sent may be there.
	r := from.recv("--follow", "-v", "--exec", `sh -c 'echo $IOTUPD_FILE_SEQUENCE >> log; cat $IOTUPD_FILE; echo; test $IOTUPD_FILE_SEQUENCE -lt 3 || exec sleep 20'`)
	r.wantLine("sh: one")
	from.send("two", "2", "1M") // beside the one before
	r.wantLine("sh: two")
	from.send("three", "3", "1M")
	r.wantLine("sh: three")
	r.wantLine("--exec has succeeded")
	r.signal(syscall.SIGTERM)
	if lines := r.wantExit(143); strings.Contains(strings.Join(lines, "\n"), "warning") {
		t.Errorf("got lines %q, want no warning of what is installed", lines)
	}
	d := &delivery{T: t, dir: r.dir}
	d.wantContent("fw.bin", "three")
	d.wantContent("log", "1\n2\n3\n")
	d.wantFiles("fw.bin", "log")
}

// "take what is older than what was installed last, with --follow for the first
// file only": else the same release would be installed again and again.
func TestAFollowerGoesBackOnce(t *testing.T) {
	t.Parallel()
	from := newReleaser(t)
	two := from.send("two", "2", "1M")
	from.recv().wantLine("ok  fw.bin")
	two.signal(syscall.SIGINT)
	two.wantExit(130)
	from.send("one", "1", "1M")
	r := from.recv("--follow", "--allow-downgrade", "--exec", `sh -c 'cat $IOTUPD_FILE; echo'`)
	r.wantLine("sh: one")
	start(t, from.port, "recv", "-n").wantLine("ok (dry") // it is still being sent
	from.send("three", "3", "1M")
	for r.stderr.Scan() && !strings.Contains(r.stderr.Text(), "sh: three") {
		if strings.Contains(r.stderr.Text(), "already") {
			t.Fatalf("got %q, want each release once", r.stderr.Text())
		}
	}
	(&delivery{T: t, dir: r.dir}).wantContent("fw.bin", "three")
}

// After a release is installed, it is still sent, and so is an older one: neither is
// something that a follower gives up.
func TestAFollowerGivesNothingUpAfterItHasInstalled(t *testing.T) {
	t.Parallel()
	from := newReleaser(t)
	from.send("one", "1", "1M")
	from.send("two", "2", "1M")
	r := from.recv("--follow", "-v", "--exec", `sh -c 'echo has $IOTUPD_FILE_SEQUENCE'`)
	r.wantLine("has 2")
	r.wantLine("the command of --exec has succeeded")
	from.send("three", "3", "1M") // heard among packets of both
	r.wantLine("has 3")
	r.wantLine("the command of --exec has succeeded")
	r.signal(syscall.SIGINT)
	for _, line := range r.wantExit(130) {
		if strings.Contains(line, "given up") {
			t.Errorf("got %q", line)
		}
	}
}
