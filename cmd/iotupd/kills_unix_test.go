// SPDX-License-Identifier: GPL-2.0-or-later

//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"iotupd/cmd/iotupd/internal/cli"
)

// installScript has one effect, which is a line in a log. It notes if another one runs at the
// same time. With an argument it says at its end that the release is installed.
const installScript = `#!/bin/sh
echo $$ > pid
echo begin $$ >> log
set -C
true > busy || echo two at once $$ >> log
sleep 0.0%d
echo effect $$ >> log
rm busy
test -z "$1" || exec env %s "$1" installed
`

// "never two at once; never lost; twice only when cut between the hook's own last effect and
// the record": docs/installing.md. A receiver is killed at a random time between its last
// packet and the end of the installation, alone, or as by a power cut together with the
// command.
func TestKillsBeforeTheEndOfAnInstallation(t *testing.T) {
	t.Parallel()
	kills := 10
	if os.Getenv("IOTUPD_E2E_FULL") != "" {
		kills = 200
	} else if testing.Short() {
		kills = 4
	}
	from := newReleaser(t)
	from.send("firmware", "7", "20M")
	self, err := os.Executable()
	check(t, err)
	steps, twice := make(map[string]int), make(map[string]int)
	for n := range kills {
		says, alone := n%2 == 1, n%4 < 2
		k := installKill{T: t, from: from, dir: t.TempDir(), says: says}
		k.prepare(self)
		step := k.kill(alone)
		k.install()
		kind := fmt.Sprintf("%s, recv and command killed", step)
		if alone {
			kind = fmt.Sprintf("%s, recv killed", step)
		}
		if says {
			kind += ", command calls installed"
		}
		steps[kind]++
		switch effects := k.effects(); {
		case effects == 2 && step == "installing" && !(says && alone):
			twice[kind]++ // between the effect and the record
		case effects != 1:
			t.Errorf("kill %d (%s): installed %d times", n, kind, effects)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(steps)) {
		t.Logf("%3d kills: %s: %d installed twice", steps[kind], kind, twice[kind])
	}
}

// An installKill is a receiver that is killed, in a directory of its own.
type installKill struct {
	*testing.T
	from *releaser
	dir  string
	says bool // the command says itself that it is done
	args []string
}

func (k *installKill) path(name string) string { return filepath.Join(k.dir, name) }

func (k *installKill) prepare(self string) {
	k.Helper()
	check(k.T, os.WriteFile(k.path("install"), fmt.Appendf(nil, installScript, 1+rand.N(9), asCommand+"="+orphan), 0o700))
	command := "./install"
	if k.says {
		command += " " + self
	}
	k.args = []string{
		"recv", "-d", ".", "--trust", k.from.path("pub"), "--state", "state", "--exec", command,
		"-i", loopback(), "-p", fmt.Sprint(k.from.port),
	}
}

// kill kills a receiver, and the command too unless it is to die alone. It returns the
// state that is recorded then.
func (k *installKill) kill(alone bool) (state string) {
	k.Helper()
	p := startCommand(k.T, k.dir, nil, unhurried, k.args...)
	p.wantLine("signed by")
	time.Sleep(rand.N(150 * time.Millisecond))
	p.cmd.Process.Kill()
	for p.stderr.Scan() && alone {
		// The command has the other end, too: this waits for its end.
	}
	p.cmd.Wait()
	if _, err := os.Stat(k.path("pid")); err == nil && !alone {
		k.killCommand()
	}
	var out bytes.Buffer
	if code := run([]string{"status", "--json", "--state", k.path("state")}, cli.Stdio{Out: &out, Err: &out}); code != cli.ExitOK {
		return "nothing"
	}
	var status struct{ State string }
	line, _, _ := bytes.Cut(out.Bytes(), []byte("\n"))
	if json.Unmarshal(line, &status) != nil || status.State == "" {
		return "nothing"
	}
	return status.State
}

// killCommand kills the command, if it still runs.
func (k *installKill) killCommand() {
	k.Helper()
	pid := 0
	for start := time.Now(); pid == 0 && time.Since(start) < waitLimit; time.Sleep(time.Millisecond) {
		b, err := os.ReadFile(k.path("pid"))
		check(k.T, err)
		pid, _ = strconv.Atoi(strings.TrimSpace(string(b))) // it may have been created just now
	}
	for pid > 1 && syscall.Kill(pid, syscall.SIGKILL) == nil {
		time.Sleep(time.Millisecond) // until it has ended
	}
	os.Remove(k.path("busy"))
}

// install runs receivers until one has nothing more to do.
func (k *installKill) install() {
	k.Helper()
	p := startCommand(k.T, k.dir, nil, unhurried, k.args...)
	var lines []string
	for p.stderr.Scan() {
		lines = append(lines, p.stderr.Text())
	}
	if err := p.cmd.Wait(); err != nil {
		k.Errorf("%v: %q", err, lines)
	}
	(&delivery{T: k.T, dir: k.dir}).wantContent("fw.bin", "firmware")
}

// effects returns how often the release was installed.
func (k *installKill) effects() (n int) {
	k.Helper()
	log, err := os.ReadFile(k.path("log"))
	if err != nil {
		k.Errorf("it was lost: %v", err)
	}
	if strings.Contains(string(log), "two at once") {
		k.Errorf("%q", log)
	}
	return strings.Count(string(log), "effect")
}
