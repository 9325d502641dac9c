// SPDX-License-Identifier: GPL-2.0-or-later

//go:build unix

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// launch runs the command with what it has when it is not tested: little time after
// a signal.
func launch(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	return startCommand(t, dir, nil, hurried, args...)
}

// pipeDir returns a directory with keys, a file with its manifest, and a pipe that
// has a name.
func pipeDir(t *testing.T) (dir string) {
	t.Helper()
	r := newReleaser(t)
	write(t, r.path("fw.bin"), "firmware")
	r.do("sign", "-q", r.path("fw.bin"), "-s", r.path("key"), "--sequence", "1")
	check(t, syscall.Mkfifo(r.path("pipe"), 0o600))
	return r.dir
}

// openPipe waits until a process has opened the pipe to read from it, and is then
// somebody who may write, and does not.
func openPipe(t *testing.T, path string) *os.File {
	t.Helper()
	w, err := os.OpenFile(path, os.O_WRONLY, 0)
	check(t, err)
	t.Cleanup(func() { w.Close() })
	return w
}

// Where a pipe may stand for a file, as one of a process substitution does, it is
// waited for, but a signal ends that.
func TestTheFirstSignalEndsTheReadOfAPipe(t *testing.T) {
	t.Parallel()
	for _, args := range []string{
		"send fw.bin -n --manifest pipe", "send fw.bin -n -k pipe",
		"recv -n --trust pipe", "recv -n -k pipe", "recv -n --drop trace:pipe",
		"inspect pipe", "inspect fw.bin.iotupd --trust pipe", "inspect -k pipe",
		"sign fw.bin --sequence 2 -s pipe", "sign fw.bin --sequence 2 -s key --metadata pipe", "sign --add pipe -s key -o other",
		"keygen -s new.key -p new.pub --password-file pipe",
		"bench fit pipe", "bench compare pipe pipe", "bench --loss trace:pipe",
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			dir := pipeDir(t)
			p := launch(t, dir, strings.Fields(args)...)
			openPipe(t, filepath.Join(dir, "pipe"))
			p.signal(syscall.SIGTERM)
			p.wantExit(143)
		})
	}
}

// The open of a pipe without a writer cannot be interrupted at all: the process ends
// all the same. The first pipe says when the second one is next.
func TestTheFirstSignalEndsTheOpenOfAPipe(t *testing.T) {
	t.Parallel()
	for _, args := range []string{
		"recv -n --trust pipe --trust other", "inspect fw.bin.iotupd --trust pipe,other",
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			dir := pipeDir(t)
			check(t, syscall.Mkfifo(filepath.Join(dir, "other"), 0o600))
			key, err := os.ReadFile(filepath.Join(dir, "pub"))
			check(t, err)
			p := launch(t, dir, append(strings.Fields(args), "--json")...)
			w := openPipe(t, filepath.Join(dir, "pipe"))
			_, err = w.Write(key)
			check(t, err)
			p.signal(syscall.SIGTERM) // it waits for the end of the first one, or for the other one already
			w.Close()
			p.wantExit(143)
		})
	}
}

// Where a regular file is needed, a pipe is refused, and nothing waits for its other
// end.
func TestAPipeIsRefusedWhereAFileIsNeeded(t *testing.T) {
	t.Parallel()
	for args, code := range map[string]int{
		"send pipe": 3, "sign pipe -s key --sequence 2": 3, "inspect pipe.iotupd-part": 11,
		"recv -o pipe": 3, "recv -o new --reuse pipe": 3, "recv -n --trust keys": 3,
		"recv -n --trust pub --state state": 11, "sign fw.bin --sequence 2 -s key -o pipe": 3,
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			dir := pipeDir(t)
			check(t, os.Link(filepath.Join(dir, "pipe"), filepath.Join(dir, "pipe.iotupd-part")))
			check(t, os.Mkdir(filepath.Join(dir, "keys"), 0o777))
			check(t, os.Link(filepath.Join(dir, "pipe"), filepath.Join(dir, "keys", "a.pub")))
			if strings.Contains(args, "--state") {
				replaceByPipe(t, dir)
			}
			lines := launch(t, dir, strings.Fields(args)...).wantExit(code)
			if len(lines) != 1 || !strings.Contains(lines[0], "not a regular file") && !strings.Contains(lines[0], "not a manifest") {
				t.Errorf("got lines %q, want one that says what is wrong", lines)
			}
		})
	}
}

// replaceByPipe has a receiver remember what it installed, and puts a pipe in the
// place of that.
func replaceByPipe(t *testing.T, dir string) {
	t.Helper()
	port := freePort(t)
	start(t, port, "send", filepath.Join(dir, "fw.bin"), "--manifest", filepath.Join(dir, "fw.bin.iotupd"), "-r", "1M").wantLine("Ctrl-C stops")
	start(t, port, "recv", "-o", "fw.bin", "--trust", filepath.Join(dir, "pub"), "--state", filepath.Join(dir, "state")).wantLine("ok  fw.bin")
	states, err := filepath.Glob(filepath.Join(dir, "state", "*.installed"))
	if err != nil || len(states) != 1 {
		t.Fatalf("got states %q, %v, want one", states, err)
	}
	check(t, os.Remove(states[0]))
	check(t, syscall.Mkfifo(states[0], 0o600))
}

// "The first signal ends everything at every stage": a name server that was asked and
// says nothing.
func TestTheFirstSignalEndsAWaitForANameServer(t *testing.T) {
	t.Parallel()
	server, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	check(t, err)
	defer server.Close()
	p := launch(t, t.TempDir(), "recv", "dns:fw.example.net", "-n", "--resolver", server.LocalAddr().String())
	_, _, err = server.ReadFrom(make([]byte, 512))
	check(t, err)
	p.signal(syscall.SIGTERM)
	p.wantExit(143)
}

// "Two exceptions: a running hook gets its grace": it gets SIGTERM, and is not
// killed when the time of everything else is over.
func TestACommandThatInstallsEndsByItself(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	path := filepath.Join(t.TempDir(), "fw.bin")
	write(t, path, "firmware")
	start(t, port, "send", path, "-r", "1M")
	dir := t.TempDir()
	const install = `sh -c 'trap "sleep 1.5; echo whole > flashed; exit 0" TERM; echo begun; while :; do sleep 0.1; done'`
	p := launch(t, dir, "recv", "-o", "fw.bin", "--state", "state", "--exec", install, "-i", loopback(), "-p", fmt.Sprint(port))
	p.wantLine("sh: begun")
	p.signal(syscall.SIGTERM)
	p.wantExit(143)
	(&delivery{T: t, dir: dir}).wantContent("flashed", "whole\n")
}

// fullPipe returns the end to write to of a pipe that has no room left.
func fullPipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	check(t, err)
	t.Cleanup(func() { r.Close(); w.Close() })
	raw, err := w.SyscallConn()
	check(t, err)
	check(t, raw.Write(func(fd uintptr) bool {
		for b := make([]byte, 4096); len(b) > 0; { // the last bytes as well
			if _, err := syscall.Write(int(fd), b); err != nil {
				b = b[:len(b)/2]
			}
		}
		return true
	}))
	return r, w
}

// "Output that nobody reads is never waited for": neither events, nor lines, by a
// sender and a receiver.
func TestOutputThatNobodyReadsStopsNoTransfer(t *testing.T) {
	t.Parallel()
	for _, flags := range []string{"--json --stats 100ms", "-vv --progress plain --stats 100ms"} {
		t.Run(flags, func(t *testing.T) {
			t.Parallel()
			port := freePort(t)
			dir := t.TempDir()
			path := filepath.Join(dir, "fw.bin")
			content := string(randomBytes(1_000_000))
			write(t, path, content)
			sender := stuckProcess(t, port, "send", path, "-r", "20M", flags)
			receiver := stuckProcess(t, port, "recv", "-o", filepath.Join(dir, "received"), "--timeout", "3m", flags)
			if err := receiver.Wait(); err != nil {
				t.Errorf("the receiver ended with %v", err)
			}
			(&delivery{T: t, dir: dir}).wantContent("received", content)
			check(t, sender.Process.Signal(syscall.SIGTERM))
			if sender.Wait(); sender.ProcessState.ExitCode() != 143 {
				t.Errorf("the sender ended with %v, want 143", sender.ProcessState)
			}
		})
	}
}

// stuckProcess starts a command whose output nobody takes.
func stuckProcess(t *testing.T, port uint16, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	check(t, err)
	last := len(args) - 1
	args = append(args[:last:last], strings.Fields(args[last])...)
	cmd := exec.Command(self, append(args, "-i", loopback(), "-p", fmt.Sprint(port))...)
	cmd.Env = append(os.Environ(), asCommand+"="+hurried)
	_, out := fullPipe(t)
	_, errors := fullPipe(t)
	cmd.Stdout, cmd.Stderr = out, errors
	check(t, cmd.Start())
	hang := time.AfterFunc(waitLimit, func() { cmd.Process.Kill() })
	t.Cleanup(func() { hang.Stop(); cmd.Process.Kill(); cmd.Wait() })
	return cmd
}
