// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// "After a power cut, the next start goes on from there": docs/installing.md. A receiver on
// an ext4 file system is stopped at a random time, and the disk is copied as it is then. From
// the copy, another receiver goes on, as after a power cut.
func TestPowerCutsBeforeTheEndOfAnInstallation(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount")
	}
	for _, tool := range []string{"mkfs.ext4", "unshare"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	cuts := 4
	if os.Getenv("IOTUPD_E2E_FULL") != "" {
		cuts = 40
	}
	from := newReleaser(t)
	from.send("firmware", "7", "20M")
	states := make(map[string]int)
	for n := range cuts {
		c := powerCut{T: t, from: from, dir: t.TempDir()}
		states[c.cut(n)]++
		c.goOn()
		log, _ := os.ReadFile(c.path("log"))
		if got := strings.Count(string(log), "effect"); got != 1 && got != 2 {
			t.Errorf("installed %d times", got)
		}
	}
	for _, state := range slices.Sorted(maps.Keys(states)) {
		t.Logf("%d power cuts: %s", states[state], state)
	}
}

// A powerCut is a machine: its disk is a file, and its log, which shows what a command did,
// is elsewhere.
type powerCut struct {
	*testing.T
	from *releaser
	dir  string
}

func (c *powerCut) path(name string) string { return filepath.Join(c.dir, name) }

// boot starts a script in a mount namespace of its own, with the disk in its directory.
func (c *powerCut) boot(disk, script string) *exec.Cmd {
	c.Helper()
	self, err := os.Executable()
	check(c.T, err)
	recv := fmt.Sprintf(`"$0" recv -d . --trust %s --state state --exec 'sh -c "sleep 0.05; echo effect >> %s"' -i %s -p %d`,
		c.from.path("pub"), c.path("log"), loopback(), c.from.port)
	script = fmt.Sprintf("set -e; mkdir -p at; mount -o loop %s at; cd at; mkdir -p state; recv() { %s; }; %s", c.path(disk), recv, script)
	cmd := exec.Command("unshare", "-m", "sh", "-c", script, self)
	cmd.Dir, cmd.Env = c.dir, append(os.Environ(), asCommand+"="+unhurried)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return cmd
}

// cut stops a receiver, copies the disk, and returns what it says of the installation.
func (c *powerCut) cut(n int) (state string) {
	c.Helper()
	check(c.T, os.WriteFile(c.path("disk"), nil, 0o600))
	check(c.T, os.Truncate(c.path("disk"), 16<<20))
	if out, err := exec.Command("mkfs.ext4", "-q", c.path("disk")).CombinedOutput(); err != nil {
		c.Skipf("mkfs.ext4: %v: %s", err, out)
	}
	cmd := c.boot("disk", "recv")
	stderr, err := cmd.StderrPipe()
	check(c.T, err)
	check(c.T, cmd.Start())
	lines := process{T: c.T, cmd: cmd, stderr: bufio.NewScanner(stderr)}
	lines.wantLine("signed by")
	time.Sleep(rand.N(200 * time.Millisecond))
	check(c.T, syscall.Kill(-cmd.Process.Pid, syscall.SIGSTOP))
	disk, err := os.ReadFile(c.path("disk"))
	check(c.T, err)
	check(c.T, syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL))
	cmd.Wait()
	check(c.T, os.WriteFile(c.path("copy"), disk, 0o600))
	out, err := c.boot("copy", `"$0" status --json --state state || true; cd ..; umount at`).Output()
	if err != nil {
		c.Errorf("cut %d: the disk cannot be read: %v", n, err)
	}
	var status struct{ State string }
	line, _, _ := bytes.Cut(out, []byte("\n"))
	if json.Unmarshal(line, &status) != nil || status.State == "" {
		return "nothing"
	}
	return status.State
}

// goOn receives from the copy of the disk until the release is installed.
func (c *powerCut) goOn() {
	c.Helper()
	out, err := c.boot("copy", `recv; test "$(cat fw.bin)" = firmware; cd ..; umount at`).CombinedOutput()
	if err != nil {
		c.Errorf("after the power cut: %v: %s", err, out)
	}
}
