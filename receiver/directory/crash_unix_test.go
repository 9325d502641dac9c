// SPDX-License-Identifier: GPL-2.0-or-later

//go:build unix

package directory

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// A way is how a new directory takes its place.
type way struct {
	name   string
	cfg    Config
	noSwap bool // the file system exchanges no names
	always bool // NAME is there at every moment
	before func(t testing.TB, dir string)
}

// ways are all of them.
func ways() []way {
	nothing := func(testing.TB, string) {}
	receiveOld := func(cfg Config) func(testing.TB, string) {
		return func(t testing.TB, dir string) {
			r := &receiver{TB: t, Place: Open(dir, cfg), cfg: cfg}
			check(t, r.Prepare())
			r.receive(old(t))
			r.Close()
		}
	}
	directory, link := receiveOld(Config{}), receiveOld(Config{Link: true})
	foreign := func(t testing.TB, dir string) {
		check(t, os.Mkdir(filepath.Join(dir, "tree"), 0o755))
		check(t, os.WriteFile(filepath.Join(dir, "tree", "changed"), []byte("before"), 0o644))
	}
	return []way{
		{name: "fresh", before: nothing},
		{name: "exchange", always: true, before: directory},
		{name: "two renames", noSwap: true, before: directory},
		{name: "fresh link", cfg: Config{Link: true}, before: nothing},
		{name: "link", cfg: Config{Link: true}, always: true, before: link},
		{name: "link in the place of a directory", cfg: Config{Link: true, Replace: true}, always: true, before: directory},
		{name: "link in the place of a directory by two renames", cfg: Config{Link: true, Replace: true}, noSwap: true, before: directory},
		{name: "directory in the place of a link", always: true, before: link},
		{name: "foreign directory", cfg: Config{Replace: true}, always: true, before: foreign},
	}
}

// open returns a receiver that goes this way, in the directory at path.
func (w *way) open(t testing.TB, path string) *receiver {
	r := &receiver{TB: t, Place: Open(path, w.cfg), cfg: w.cfg}
	if w.noSwap {
		r.swap = func(*os.Root, string, string) error { return errNoExchange }
	}
	return r
}

const (
	killedWay  = "IOTUPD_TEST_WAY"
	killedStep = "IOTUPD_TEST_STEP"
)

// TestKillsAtEachStep runs this in another process, which kills itself.
func TestRunThatIsKilled(t *testing.T) {
	if os.Getenv(killedDir) == "" {
		t.Skip("it is run by TestKillsAtEachStep")
	}
	number, _ := strconv.Atoi(os.Getenv(killedWay))
	last, _ := strconv.Atoi(os.Getenv(killedStep))
	w := ways()[number]
	r := w.open(t, os.Getenv(killedDir))
	check(t, r.Prepare())
	r.step = func(string) {
		if last--; last == 0 {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	r.receive(recent(t))
	r.Close()
}

// isComplete reports whether NAME is a directory that was sent, or the one of before.
func (w *way) isComplete(r *receiver, dir string) (which string, err error) {
	for name, s := range map[string]*sent{"old": old(r), "new": recent(r)} {
		path, err := filepath.EvalSymlinks(filepath.Join(dir, "tree"))
		if err != nil {
			return "", err
		}
		if len(differences(path, s)) == 0 {
			return name, nil
		}
	}
	if b, err := os.ReadFile(filepath.Join(dir, "tree", "changed")); err == nil && string(b) == "before" && w.name == "foreign directory" {
		return "old", nil
	}
	return "", fmt.Errorf("it is neither: from the new one, it differs by %q", differences(filepath.Join(dir, "tree"), recent(r)))
}

// "Kills at each step of the exchange: old tree or new tree, never a mixture"
func TestKillsAtEachStep(t *testing.T) {
	for number, w := range ways() {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			for step := 1; ; step++ {
				if !w.killedAt(t, number, step) {
					t.Logf("killed at %d steps", step-1)
					return
				}
			}
		})
	}
}

// killedAt reports whether the run came to so many steps, and checks all that follows.
func (w *way) killedAt(t *testing.T, number, step int) bool {
	t.Helper()
	dir := t.TempDir()
	w.before(t, dir)
	r := w.open(t, dir)
	cmd := exec.Command(os.Args[0], "-test.run=^TestRunThatIsKilled$")
	cmd.Env = append(os.Environ(), killedDir+"="+dir, killedWay+"="+strconv.Itoa(number), killedStep+"="+strconv.Itoa(step))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if err == nil {
		return false
	}
	if !strings.Contains(err.Error(), "killed") {
		t.Fatalf("step %d: %v\n%s", step, err, out.String())
	}
	if _, err := w.isComplete(r, dir); err != nil && w.always {
		t.Errorf("step %d: after the kill: %v", step, err)
	}
	w.goOn(r, dir, fmt.Sprintf("step %d", step))
	return true
}

// goOn checks what the next run finds and does in a directory.
func (w *way) goOn(r *receiver, dir, when string) {
	r.Helper()
	next := w.open(r, dir)
	check(r, next.Prepare())
	defer next.Close()
	which, err := w.isComplete(r, dir)
	if err != nil && (!strings.HasPrefix(w.name, "fresh") || !os.IsNotExist(err)) {
		r.Errorf("%s: after Prepare: %v", when, err)
	}
	next.removal.Wait()
	w.wantTidy(next, when+", Prepare")
	has, err := next.Has(r.Context(), recent(r).m)
	if err != nil || (has != "") != (which == "new") {
		r.Errorf("%s: it is the %s directory, and Has says %q, %v", when, which, has, err)
	}
	if err := next.try(recent(r)); err != nil {
		r.Errorf("%s: %v", when, err)
	}
	if which, err := w.isComplete(r, dir); err != nil || which != "new" {
		r.Errorf("%s: in the end, it is the %q directory, %v", when, which, err)
	}
	next.Wait(r.Context())
	w.wantTidy(next, when+", in the end")
}

// wantTidy fails if something is left over.
func (w *way) wantTidy(r *receiver, when string) {
	r.Helper()
	entries, err := os.ReadDir(r.Place.path)
	check(r, err)
	target, _ := os.Readlink(r.in("tree"))
	for _, e := range entries {
		if name := e.Name(); name != "tree" && name != target && !strings.HasSuffix(name, recordSuffix) {
			r.Errorf("%s: %s is left", when, name)
		}
	}
}
