// SPDX-License-Identifier: GPL-2.0-or-later

//go:build unix

package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"iotupd/receiver/installed"
	"iotupd/receiver/installed/state"
)

// A process is the command, running in a directory of its own.
type process struct {
	*testing.T
	cmd    *exec.Cmd
	stderr *bufio.Scanner
	dir    string
	since  time.Time // the last signal
}

// start runs the command over the loopback interface. It is killed should it
// hang.
func start(t *testing.T, port uint16, args ...string) *process {
	t.Helper()
	return startTo(t, nil, port, args...)
}

// startTo is start, with stdout, nil for none.
func startTo(t *testing.T, stdout *os.File, port uint16, args ...string) *process {
	t.Helper()
	args = append(args, "-i", loopback(), "-p", fmt.Sprint(port))
	return startCommand(t, t.TempDir(), stdout, unhurried, args...)
}

// startCommand starts the command in a directory, in a process of its own that has
// little or much time after a signal. It is killed should it hang.
func startCommand(t *testing.T, dir string, stdout *os.File, haste string, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	check(t, err)
	return startProgram(t, dir, stdout, haste, append([]string{self}, args...)...)
}

// startProgram is startCommand of a program that ends as the command.
func startProgram(t *testing.T, dir string, stdout *os.File, haste string, args ...string) *process {
	t.Helper()
	p := &process{T: t, dir: dir}
	p.cmd = exec.Command(args[0], args[1:]...)
	p.cmd.Dir = dir
	if stdout != nil {
		p.cmd.Stdout = stdout
	}
	p.cmd.Env = append(os.Environ(), asCommand+"="+haste)
	r, err := p.cmd.StderrPipe()
	check(t, err)
	p.stderr = bufio.NewScanner(r)
	check(t, p.cmd.Start())
	hang := time.AfterFunc(waitLimit, func() { p.cmd.Process.Kill() })
	t.Cleanup(func() { hang.Stop(); p.cmd.Process.Kill(); p.cmd.Wait() })
	return p
}

// wantLine waits for a line that contains text.
func (p *process) wantLine(text string) {
	p.Helper()
	var seen []string
	for p.stderr.Scan() {
		if strings.Contains(p.stderr.Text(), text) {
			return
		}
		seen = append(seen, p.stderr.Text())
	}
	p.Fatalf("got lines %q and the end, want %q", seen, text)
}

// wantShare waits for a line of progress from so many percent on.
func (p *process) wantShare(percent int) {
	p.Helper()
	for p.stderr.Scan() {
		number, _, _ := strings.Cut(strings.TrimSpace(p.stderr.Text()), "%")
		if n, err := strconv.Atoi(number); err == nil && n >= percent {
			return
		}
	}
	p.Fatalf("ended before it had %d %%", percent)
}

func (p *process) signal(s os.Signal) {
	p.Helper()
	p.since = time.Now()
	check(p.T, p.cmd.Process.Signal(s))
}

// wantExit waits for the end with one of the codes, and returns the lines up
// to it.
func (p *process) wantExit(codes ...int) (lines []string) {
	p.Helper()
	for p.stderr.Scan() {
		lines = append(lines, p.stderr.Text())
	}
	err := p.cmd.Wait()
	if !p.since.IsZero() {
		p.Logf("ended %v after a signal", time.Since(p.since).Round(time.Millisecond))
	}
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || !slices.Contains(codes, exit.ExitCode()) {
		p.Errorf("got %v, want exit code %v; last lines %q", err, codes, lines)
	}
	return lines
}

// sendSlowly starts a sender that takes minutes for a loop.
func sendSlowly(t *testing.T, port uint16) *process {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fw.bin")
	write(t, path, string(randomBytes(3_000_000)))
	p := start(t, port, "send", path, "-r", "500k", "--progress", "none")
	p.wantLine("Ctrl-C stops")
	return p
}

func TestASignalEndsAReceiverAndLeavesItsPartialFile(t *testing.T) {
	t.Parallel()
	// What is caught here is not ignored by children, even under nohup.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	port := freePort(t)
	sendSlowly(t, port)
	for signal, code := range map[os.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143, syscall.SIGHUP: 129} {
		p := start(t, port, "recv", "-o", "fw.bin", "-v")
		p.wantLine("origin not verified")
		for end := time.Now().Add(waitLimit); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if _, err := os.Stat(filepath.Join(p.dir, ".fw.bin.iotupd-part")); err == nil {
				break // it is opened by a job, which may come after the line
			}
		}
		p.signal(signal)
		lines := p.wantExit(code)
		if last := strings.Join(lines, "\n"); !strings.Contains(last, "shards; the next run ") || strings.Contains(last, "iotupd: recv:") {
			t.Errorf("%v: got last lines %q", signal, lines)
		}
		(&delivery{T: t, dir: p.dir}).wantFiles(".fw.bin.iotupd-part")
	}
}

func TestTheNextReceiverContinues(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "fw.bin")
	content := string(randomBytes(3_000_000))
	write(t, path, content)
	port := freePort(t)
	start(t, port, "send", path, "-r", "1M") // half a minute for the file
	target := filepath.Join(t.TempDir(), "fw.bin")
	for i, end := range []struct {
		signal os.Signal
		code   int
	}{{syscall.SIGTERM, 143}, {syscall.SIGKILL, -1}, {syscall.SIGINT, 130}} {
		p := start(t, port, "recv", "-o", target, "--progress", "plain", "--stats", "100ms")
		p.wantShare(2 * (i + 1))
		p.signal(end.signal)
		p.wantExit(end.code)
	}
	start(t, port, "send", path, "-r", "50M") // or it would take the rest of it
	p := start(t, port, "recv", "-o", target)
	p.wantLine(" shards were there already")
	p.wantLine("ok  " + target)
	(&delivery{T: t, dir: filepath.Dir(target)}).wantContent("fw.bin", content)
}

func TestASignalEndsAWaitingReceiver(t *testing.T) {
	t.Parallel()
	p := start(t, freePort(t), "recv", "-d", ".")
	p.wantLine("listening on")
	p.signal(os.Interrupt)
	if lines := p.wantExit(130); strings.Join(lines, "\n") != "stopped; nothing was heard" {
		t.Errorf("got last lines %q", lines)
	}
}

func TestASignalEndsAReceiverWhoseConsumerStalls(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	path := filepath.Join(t.TempDir(), "fw.bin")
	write(t, path, string(randomBytes(1_000_000))) // more than any pipe holds
	start(t, port, "send", path, "-r", "20M")
	r, w, err := os.Pipe()
	check(t, err)
	defer r.Close()
	p := startTo(t, w, port, "recv", "-o", "-")
	w.Close()
	_, err = r.Read(make([]byte, 1)) // copying has begun
	check(t, err)
	p.signal(syscall.SIGTERM)
	p.wantExit(143)
}

// deadPipe is one that nobody reads.
func deadPipe(t *testing.T) (w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	check(t, err)
	r.Close()
	t.Cleanup(func() { w.Close() })
	return w
}

func TestAReaderOfEventsThatGoesAwayStopsNoInstall(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	path := filepath.Join(t.TempDir(), "fw.bin")
	write(t, path, "firmware")
	start(t, port, "send", path, "-r", "1M")
	for _, args := range [][]string{
		{"recv", "-o", "fw.bin", "--json", "--timeout", "2m"},
		{"recv", "-o", "fw.bin", "-v", "--timeout", "2m"},
		{"recv", "-o", "fw.bin", "--json", "--timeout", "2m", "--state", "state", "--exec", "sh -c 'echo installed; mv {} installed'"},
	} {
		self, err := os.Executable()
		check(t, err)
		cmd := exec.Command(self, append(args, "-i", loopback(), "-p", fmt.Sprint(port))...)
		cmd.Env = append(os.Environ(), asCommand+"="+unhurried)
		cmd.Dir, cmd.Stdout, cmd.Stderr = t.TempDir(), deadPipe(t), deadPipe(t)
		if err := cmd.Run(); err != nil {
			t.Errorf("%q: %v", args, err)
		}
		d := &delivery{T: t, dir: cmd.Dir}
		name := "fw.bin"
		if slices.Contains(args, "--exec") {
			name = "installed"
		}
		d.wantContent(name, "firmware")
	}
}

func TestAReceiverWithoutAReaderEndsAsBySIGPIPE(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	path := filepath.Join(t.TempDir(), "fw.bin")
	write(t, path, "firmware")
	start(t, port, "send", path, "-r", "1M")
	p := startTo(t, deadPipe(t), port, "recv", "-o", "-", "--timeout", "2m")
	if last := strings.Join(p.wantExit(141), "\n"); !strings.HasSuffix(last, "iotupd: recv: the program that read stdout (-o -) has ended") {
		t.Errorf("got last lines %q", last)
	}
}

func TestASignalEndsAReceiverAndItsCommand(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	path := filepath.Join(t.TempDir(), "fw.bin")
	write(t, path, "firmware")
	start(t, port, "send", path, "-r", "1M")
	p := start(t, port, "recv", "-o", "fw.bin", "--state", "state", "--exec", "sh -c 'echo begun; exec sleep 20'")
	p.wantLine("sh: begun")
	p.signal(syscall.SIGTERM)
	p.wantExit(143)
	(&delivery{T: t, dir: p.dir}).wantFiles("fw.bin", "state")
	all, err := installed.ReadAll(filepath.Join(p.dir, "state")) // the next run runs it again
	if err != nil || len(all) != 1 || all[0].State != state.Received || all[0].Cut != 1 {
		t.Errorf("got %+v, %v, want an attempt that was cut off", all, err)
	}
}

func TestASignalEndsASenderGracefully(t *testing.T) {
	t.Parallel()
	p := sendSlowly(t, freePort(t))
	p.signal(os.Interrupt)
	if last := strings.Join(p.wantExit(130), "\n"); !strings.HasPrefix(last, "stopped after 0.0") {
		t.Errorf("got last lines %q", last)
	}
}

func TestASignalEndsPreparingAndLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, kept := filepath.Join(dir, "fw.bin"), filepath.Join(dir, "kept")
	write(t, path, "")
	check(t, os.Truncate(path, 8<<30)) // that takes seconds
	longAgo := time.Now().Add(-time.Hour)
	check(t, os.Chtimes(path, longAgo, longAgo))
	p := start(t, freePort(t), "send", path, "--parity", "0%", "--cache", kept, "--stats", "100ms")
	p.wantLine("preparing")
	if entries, err := os.ReadDir(kept); err != nil || len(entries) != 1 {
		t.Errorf("%v, %v in the cache, want one that is being made", entries, err)
	}
	p.signal(os.Interrupt)
	last := strings.Join(p.wantExit(130), "\n")
	if !strings.Contains(last, "interrupted while preparing, at ") || !strings.HasSuffix(last, "%: nothing was sent") {
		t.Errorf("got last lines %q", last)
	}
	if entries, err := os.ReadDir(kept); err != nil || len(entries) > 0 {
		t.Errorf("%v, %v left behind, want nothing", entries, err)
	}
}

func TestASecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "fw.bin")
	write(t, path, string(randomBytes(3_000_000)))
	p := start(t, freePort(t), "send", path, "-r", "64k") // about 0.6 s for the last packets
	p.wantLine("Ctrl-C stops")
	p.signal(syscall.SIGSTOP) // both signals are there when it goes on
	p.signal(syscall.SIGINT)
	p.signal(syscall.SIGTERM)
	p.signal(syscall.SIGCONT)
	// Which of two signals comes first is the system's to say.
	if lines := p.wantExit(130, 143); len(lines) > 0 {
		t.Errorf("got lines %q, want none: it was not to end gracefully", lines)
	}
}

func TestSIGUSR1AsksForAStatusLine(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	other := freePort(t)
	waiting := start(t, other, "recv", "-n")
	waiting.wantLine("listening on")
	waiting.signal(syscall.SIGUSR1)
	waiting.wantLine(" nothing heard for ")

	sender := sendSlowly(t, port)
	sender.signal(syscall.SIGUSR1)
	sender.wantLine(" loop 1   0%  ")
	receiver := start(t, port, "recv", "-n", "--progress", "none")
	receiver.wantLine("origin not verified")
	receiver.signal(syscall.SIGUSR1)
	receiver.wantLine("  loss 0.0%")
}

func TestAStatusLineInJSONIsAnEvent(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	sendSlowly(t, port)
	p := start(t, port, "recv", "-o", "-", "--json", "--stats", "1h")
	p.wantLine(`"type":"object"`)
	p.signal(syscall.SIGUSR1)
	p.wantLine(`"type":"progress"`)
}
