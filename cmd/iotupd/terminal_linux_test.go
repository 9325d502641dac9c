// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"iotupd/proto/keys"
)

// A terminal is one that a command runs on.
type terminal struct {
	*testing.T
	user   *os.File // who types and reads
	device *os.File
	seen   bytes.Buffer
}

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	t.Cleanup(func() { user.Close() })
	raw, err := user.SyscallConn() // Fd would make reads uninterruptible
	check(t, err)
	number := 0
	check(t, raw.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
			number, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	}))
	check(t, err)
	device, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	t.Cleanup(func() { device.Close() })
	return &terminal{T: t, user: user, device: device}
}

// wantText waits until a text is on the screen.
func (t *terminal) wantText(text string) {
	t.Helper()
	b := make([]byte, 4096)
	check(t.T, t.user.SetReadDeadline(time.Now().Add(waitLimit)))
	for !strings.Contains(t.seen.String(), text) {
		n, err := t.user.Read(b)
		if err != nil {
			t.Fatalf("got %q and %v, want %q", t.seen.String(), err, text)
		}
		t.seen.Write(b[:n])
	}
}

// stop is Ctrl-S: the terminal takes nothing more.
func (t *terminal) stop() {
	t.Helper()
	check(t.T, unix.IoctlSetInt(int(t.device.Fd()), unix.TCXONC, unix.TCOOFF))
}

// launch runs a command on the terminal. It is killed should it hang.
func (t *terminal) launch(dir string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	check(t.T, err)
	cmd := exec.Command(self, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), asCommand+"="+hurried, "TERM=xterm")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = t.device, t.device, t.device
	check(t.T, cmd.Start())
	hang := time.AfterFunc(waitLimit, func() { cmd.Process.Kill() })
	t.Cleanup(func() { hang.Stop(); cmd.Process.Kill(); cmd.Wait() })
	return cmd
}

// wantStuck waits until a thread of the process waits for the terminal to take what
// it writes.
func (t *terminal) wantStuck(cmd *exec.Cmd) {
	t.Helper()
	const terminalFile = 2
	want := fmt.Sprintf("%d 0x%x ", unix.SYS_WRITE, terminalFile)
	for end := time.Now().Add(waitLimit); time.Now().Before(end); time.Sleep(time.Millisecond) {
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", cmd.Process.Pid))
		for _, thread := range threads {
			b, err := os.ReadFile(thread)
			if err != nil && !os.IsNotExist(err) && !strings.Contains(err.Error(), "no such process") {
				t.Skipf("what a process waits for cannot be seen: %v", err)
			}
			if strings.HasPrefix(string(b), want) {
				return
			}
		}
	}
	t.Fatal("nothing waits for the terminal")
}

// A stage is something that a command does when the signal comes.
type stage struct {
	args  string
	begun string // on the screen when it has begun
	quiet bool   // it writes nothing more by itself
}

// "The first signal ends everything within a second at every stage", on a terminal
// that was stopped by Ctrl-S, too.
func TestTheFirstSignalEndsWhatAStoppedTerminalHolds(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	sendSlowly(t, port)
	// Each has a channel of its own, except the one that receives from the sender.
	elsewhere := func() string { return fmt.Sprintf(" -i %s -p %d", loopback(), freePort(t)) }
	for name, s := range map[string]stage{
		"waiting":   {args: "recv -n" + elsewhere(), begun: "nothing heard for"},
		"receiving": {args: fmt.Sprintf("recv -n -i %s -p %d", loopback(), port), begun: "loss "},
		"listening": {args: "inspect --for 1h" + elsewhere(), begun: " packets "},
		"preparing": {args: "send large --parity 0%" + elsewhere(), begun: "preparing 1%"},
		"sending":   {args: "send fw.bin -r 64k" + elsewhere(), begun: " loop "},
		"signing":   {args: "sign large --parity 0% --sequence 1 -s key", begun: "preparing 1%"},
		"asking":    {args: "sign fw.bin --sequence 1 -s secret", begun: "Password of the secret key: ", quiet: true},
		"choosing":  {args: "keygen --password", begun: "New password: ", quiet: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			terminal := newTerminal(t)
			cmd := terminal.launch(stageDir(t), strings.Fields(s.args)...)
			terminal.wantText(s.begun)
			terminal.stop()
			if !s.quiet {
				terminal.wantStuck(cmd)
			}
			wantEnd(t, cmd)
		})
	}
}

// stageDir returns a directory with what the commands need.
func stageDir(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	write(t, filepath.Join(dir, "fw.bin"), string(randomBytes(3_000_000)))
	write(t, filepath.Join(dir, "large"), "")
	check(t, os.Truncate(filepath.Join(dir, "large"), 32<<30))
	key := keys.Generate()
	write(t, filepath.Join(dir, "key"), string(key.AppendText(nil, nil)))
	write(t, filepath.Join(dir, "secret"), encryptedKey())
	return dir
}

// wantEnd sends SIGTERM and waits for the end.
func wantEnd(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	began := time.Now()
	check(t, cmd.Process.Signal(syscall.SIGTERM))
	cmd.Wait()
	t.Logf("ended after %v", time.Since(began).Round(time.Millisecond))
	if code := cmd.ProcessState.ExitCode(); code != 143 {
		t.Errorf("got %v, want exit code 143", cmd.ProcessState)
	}
}

// A terminal that was stopped before takes no prompt, and one that a password was
// asked on shows again what is typed.
func TestASignalLeavesATerminalThatShowsWhatIsTyped(t *testing.T) {
	t.Parallel()
	for _, signals := range [][]os.Signal{{syscall.SIGTERM}, {syscall.SIGINT, syscall.SIGTERM}} {
		terminal := newTerminal(t)
		before, err := unix.IoctlGetTermios(int(terminal.device.Fd()), unix.TCGETS)
		check(t, err)
		cmd := terminal.launch(t.TempDir(), "keygen", "--password")
		terminal.wantText("New password: ")
		for hidden := before; hidden.Lflag&unix.ECHO != 0; { // it is asked for once that is off
			hidden, err = unix.IoctlGetTermios(int(terminal.device.Fd()), unix.TCGETS)
			check(t, err)
		}
		check(t, cmd.Process.Signal(syscall.SIGSTOP)) // both signals are there when it goes on
		for _, s := range signals {
			check(t, cmd.Process.Signal(s))
		}
		check(t, cmd.Process.Signal(syscall.SIGCONT))
		cmd.Wait()
		after, err := unix.IoctlGetTermios(int(terminal.device.Fd()), unix.TCGETS)
		check(t, err)
		if after.Lflag != before.Lflag {
			t.Errorf("after %v, the terminal has flags %x, want %x", signals, after.Lflag, before.Lflag)
		}
	}
}

func TestAPromptThatATerminalDoesNotTakeIsEndedByASignal(t *testing.T) {
	t.Parallel()
	dir := pipeDir(t)
	terminal := newTerminal(t)
	terminal.stop()
	cmd := terminal.launch(dir, "sign", "fw.bin", "--sequence", "2", "-s", "pipe")
	w := openPipe(t, filepath.Join(dir, "pipe"))
	_, err := w.WriteString(encryptedKey())
	check(t, err)
	w.Close()
	terminal.wantStuck(cmd)
	wantEnd(t, cmd)
}

// encryptedKey is the file of a secret key that takes a password, which nobody knows.
func encryptedKey() string {
	raw := make([]byte, 158)
	copy(raw, "EdScB2")
	binary.LittleEndian.PutUint64(raw[38:], 1<<25) // operations and memory, as minisign has them
	binary.LittleEndian.PutUint64(raw[46:], 1<<30)
	return "untrusted comment: encrypted secret key\n" + base64.StdEncoding.EncodeToString(raw) + "\n"
}
