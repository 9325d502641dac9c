// SPDX-License-Identifier: GPL-2.0-or-later

//go:build unix

package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"iotupd/receiver/installed"
	"iotupd/receiver/installed/state"
)

// kills is how often a receiver is killed; with IOTUPD_E2E_FULL=1 two hundred times.
func kills() int {
	if os.Getenv("IOTUPD_E2E_FULL") != "" {
		return 100 // for each of two commands
	}
	return 4
}

// "never two at once; never lost; twice only when cut between the command's own last
// effect and the record, and not even then if the command itself calls iotupd installed
// last"
func TestAReceiverThatIsKilledInstallsOnce(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	check(t, err)
	from := newReleaser(t)
	from.send("firmware", "7", "5M")
	for name, last := range map[string]string{
		"the command records nothing":             "",
		"the command calls iotupd installed last": asCommand + "=" + unhurried + ` "` + self + `" installed -q;`,
	} {
		t.Run(name, func(t *testing.T) {
			hook := filepath.Join(t.TempDir(), "hook")
			// mkdir fails if another one is at work.
			write(t, hook, "#!/bin/sh\nmkdir busy || echo overlap >> log\necho begin >> log\nsleep 0.05\necho effect >> log\n"+last+"\nrmdir busy\nsleep 0.05\n")
			check(t, os.Chmod(hook, 0o755))
			twice := make(map[string]int)
			killed := make(map[string]int)
			rng := rand.New(rand.NewPCG(1, uint64(len(last))))
			for range kills() {
				when, effects := from.killOnce(t, hook, time.Duration(rng.IntN(250))*time.Millisecond)
				killed[when]++
				if effects > 1 {
					twice[when]++
				}
			}
			t.Logf("killed by the state of the record: %v; installed twice: %v", killed, twice)
			for when, n := range twice {
				if when != state.Installing.String() || last != "" {
					t.Errorf("%d of %d that were killed in the state %s were installed twice", n, killed[when], when)
				}
			}
		})
	}
}

// killOnce kills a receiver some time after it has heard of the release, and then lets
// others finish. It returns the state in which the record was, and how often the command
// had its effect.
func (r *releaser) killOnce(t *testing.T, hook string, after time.Duration) (when string, effects int) {
	t.Helper()
	stateDir := filepath.Join(t.TempDir(), "state")
	args := []string{"recv", "-d", ".", "--trust", r.path("pub"), "--state", stateDir, "--exec", hook}
	first := start(t, r.port, args...)
	first.wantLine("signed by")
	time.Sleep(after) // at random: any moment will do
	first.signal(syscall.SIGKILL)
	for first.stderr.Scan() { // until an orphan has ended, too, which has the same stderr
	}
	first.cmd.Wait()
	when = stateIn(t, stateDir)
	for range 3 {
		p := startCommand(t, first.dir, nil, unhurried, append(args, "-i", loopback(), "-p", strconv.Itoa(int(r.port)))...)
		for p.stderr.Scan() {
		}
		p.cmd.Wait()
		if stateIn(t, stateDir) == state.Installed.String() {
			break
		}
	}
	if got := stateIn(t, stateDir); got != state.Installed.String() {
		t.Errorf("killed when it was %s: it is %s now, and lost", when, got)
	}
	log, err := os.ReadFile(filepath.Join(first.dir, "log"))
	if err != nil || strings.Contains(string(log), "overlap") {
		t.Errorf("killed when it was %s: two at once: %q, %v", when, log, err)
	}
	effects = strings.Count(string(log), "effect")
	if effects == 0 {
		t.Errorf("killed when it was %s: the command had no effect: %q", when, log)
	}
	return when, effects
}

// stateIn returns the state of the only record in a directory.
func stateIn(t *testing.T, dir string) string {
	t.Helper()
	all, err := installed.ReadAll(dir)
	check(t, err)
	if len(all) == 0 {
		return state.None.String()
	}
	return all[0].State.String()
}
