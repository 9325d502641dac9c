// SPDX-License-Identifier: GPL-2.0-or-later

//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// A gathered is a directory that recv --all receives into, and files that are sent.
type gathered struct {
	*testing.T
	*releaser
	files map[string]string // what is sent
	out   string            // the directory
	flags []string          // of every receiver
}

// gather makes so many small files to send.
func gather(t *testing.T, n int) *gathered {
	t.Helper()
	g := &gathered{T: t, releaser: newReleaser(t), files: make(map[string]string), out: t.TempDir()}
	for i := range n {
		g.add(fmt.Sprintf("f%02d.bin", i), 1000+700*i)
	}
	return g
}

// add makes a file to send.
func (g *gathered) add(name string, size int) (path string) {
	g.T.Helper()
	g.files[name] = string(randomBytes(size))
	path = g.path(name)
	write(g.T, path, g.files[name])
	return path
}

// paths returns the files to send.
func (g *gathered) paths() (all []string) {
	for _, name := range slices.Sorted(maps.Keys(g.files)) {
		all = append(all, g.path(name))
	}
	return all
}

// sends starts a sender of all files.
func (g *gathered) sends(rate string, args ...string) *process {
	g.T.Helper()
	p := start(g.T, g.port, slices.Concat([]string{"send", "-r", rate}, args, g.paths())...)
	p.wantLine("Ctrl-C stops")
	return p
}

// A gathering is a running recv --all.
type gathering struct {
	*process
	events *os.File
}

// recvAll starts a receiver of all files.
func (g *gathered) recvAll(args ...string) *gathering {
	g.T.Helper()
	return g.recvAllBy(nil, args...)
}

// recvAllBy is recvAll by a program that runs another one, nil for none.
func (g *gathered) recvAllBy(program []string, args ...string) *gathering {
	g.T.Helper()
	self, err := os.Executable()
	check(g.T, err)
	events, err := os.Create(filepath.Join(g.T.TempDir(), "events"))
	check(g.T, err)
	g.T.Cleanup(func() { events.Close() })
	args = slices.Concat(program, []string{self, "recv", "--all", "-d", g.out, "--json", "-i", loopback(), "-p", fmt.Sprint(g.port)}, g.flags, args)
	return &gathering{startProgram(g.T, g.T.TempDir(), events, unhurried, args...), events}
}

// A gatheredEvent is a line of --json.
type gatheredEvent struct {
	Type     string
	Name     string
	Text     string
	Files    int  `json:"files_known"`
	New      int  `json:"files_new"`
	Had      int  `json:"files_had_already"`
	Failed   int  `json:"files_failed"`
	Complete bool `json:"list_complete"`
}

// soFar returns the events of a type up to now.
func (r *gathering) soFar(kind string) (all []gatheredEvent) {
	r.Helper()
	b, err := os.ReadFile(r.events.Name())
	check(r.T, err)
	for line := range bytes.Lines(b) {
		var e gatheredEvent
		if json.Unmarshal(line, &e) == nil && e.Type == kind { // the last one may be incomplete
			all = append(all, e)
		}
	}
	return all
}

// end waits for the end with an exit code. It returns the result, and the last line for people.
func (r *gathering) end(code int) (e gatheredEvent, last string) {
	r.Helper()
	if code == 0 {
		r.wantExitZero()
	} else if lines := r.wantExit(code); len(lines) > 0 {
		last = lines[len(lines)-1]
	}
	if all := r.soFar("finished"); len(all) > 0 {
		e = all[len(all)-1]
	}
	return e, last
}

// wantAll fails unless the files whose names match are there, and nothing else.
func (g *gathered) wantAll(glob string) {
	g.T.Helper()
	var names []string
	d := &delivery{T: g.T, dir: g.out}
	for name, content := range g.files {
		if ok, _ := filepath.Match(glob, name); ok {
			names = append(names, name)
			if got, err := os.ReadFile(filepath.Join(g.out, name)); err != nil || string(got) != content {
				same := 0
				for same < min(len(got), len(content)) && got[same] == content[same] {
					same++
				}
				g.T.Errorf("%s: %v, %d bytes, of which the first %d are right, want %d", name, err, len(got), same, len(content))
			}
		}
	}
	d.wantFiles(names...)
}

// parts returns the partial files.
func (g *gathered) parts() []string {
	parts, err := filepath.Glob(filepath.Join(g.out, ".*.iotupd-part*"))
	check(g.T, err)
	return parts
}

// Every file of a set arrives, whichever way it is protected, and a second run finds all of
// them there.
func TestAllFilesOfASetAreReceived(t *testing.T) {
	t.Parallel()
	for name, protect := range map[string]func(g *gathered) (send []string){
		"unsigned": func(g *gathered) []string { return nil },
		"signed": func(g *gathered) []string {
			g.do(append([]string{"sign", "-q", "--set", "-o", g.path("release.set"), "-s", g.path("key"), "--sequence", "3", "--component", "maps"}, g.paths()...)...)
			g.flags = []string{"--trust", g.path("pub"), "--state", g.path("state"), "--component", "maps"}
			return []string{"--set", g.path("release.set")}
		},
		"sealed": func(g *gathered) []string {
			g.do("keygen", "-q", "--group", g.path("group"))
			g.flags = []string{"--group-key", g.path("group")}
			return g.flags
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := gather(t, 20)
			g.sends("20M", protect(g)...)
			if e, _ := g.recvAll("--name", "f0[2-4].bin").end(0); e.Files != 3 || e.New != 3 || !e.Complete {
				t.Errorf("got %+v, want the three that match", e)
			}
			g.wantAll("f0[2-4].bin")
			if e, _ := g.recvAll().end(0); e.Files != 20 || e.New != 17 || e.Had != 3 || !e.Complete {
				t.Errorf("got %+v, want 17 more files", e)
			}
			g.wantAll("*")
			again := g.recvAll()
			if e, _ := again.end(0); e.Files != 20 || e.New != 0 || e.Had != 20 || len(again.soFar("file")) != 20 {
				t.Errorf("got %+v, want that all are there", e)
			}
			g.wantAll("*")
		})
	}
}

// With --component, files of other components are not waited for.
func TestAllFilesOfAComponentOfASetAreReceived(t *testing.T) {
	t.Parallel()
	g := gather(t, 18)
	for _, name := range []string{"f01.bin", "f02.bin"} { // of one release
		g.do("sign", "-q", g.path(name), "-s", g.path("key"), "--sequence", "5", "--component", "boot")
	}
	g.do(append([]string{"sign", "-q", "--set", "-o", g.path("release.set"), "-s", g.path("key"), "--sequence", "3", "--component", "maps"}, g.paths()...)...)
	g.sends("20M", "--set", g.path("release.set"))
	for component, files := range map[string]int{"maps": 16, "boot": 2, "none": 0} {
		g.flags = []string{"--trust", g.path("pub"), "--state", g.path("state" + component), "--component", component}
		g.out = t.TempDir()
		if files == 0 {
			g.recvAll("--timeout", "2s").wantExit(4, 7) // the last is for the manifests that nobody has signed
			(&delivery{T: t, dir: g.out}).wantFiles()
		} else if e, _ := g.recvAll().end(0); e.Files != files || e.New != files || !e.Complete {
			t.Errorf("got %+v of %s, want %d files", e, component, files)
		}
		if entries, err := os.ReadDir(g.out); err != nil || len(entries) != files {
			t.Errorf("%d files, %v, want %d", len(entries), err, files)
		}
	}
}

// Limits leave files out, which is not a success.
func TestFilesOfASetOverALimitAreLeftOut(t *testing.T) {
	t.Parallel()
	g := gather(t, 20)
	g.add("large.bin", 100_000)
	g.sends("20M")
	if e, last := g.recvAll("--max-size", "50k").end(8); e.New != 20 || !strings.Contains(last, "--max-size") {
		t.Errorf("got %+v, %q", e, last)
	}
	g.wantAll("f*.bin")
	g.out = t.TempDir()
	if e, last := g.recvAll("--max-total", "50k").end(8); e.New == 0 || e.New > 18 || !strings.Contains(last, "--max-total") {
		t.Errorf("got %+v, %q", e, last)
	}
	g.out = t.TempDir()
	g.recvAll("--name", "large.bin", "--max-size", "50k", "--timeout", "1s").end(8)
	r := start(t, g.port, "recv", "-d", ".", "--name", "large.bin", "--max-size", "50k", "--timeout", "1s")
	r.wantExit(8)
	(&delivery{T: t, dir: r.dir}).wantFiles()
	r = start(t, g.port, "recv", "--all", "-d", ".", "-n")
	r.wantExit(3)
}

// A file that fails leaves the others alone.
func TestAFileOfASetInTheWayFailsAlone(t *testing.T) {
	t.Parallel()
	g := gather(t, 20)
	check(t, os.Mkdir(filepath.Join(g.out, "f07.bin"), 0o777))
	g.sends("20M")
	e, last := g.recvAll().end(11)
	if e.New != 19 || e.Failed != 1 || !strings.Contains(last, "f07.bin is in the way") {
		t.Errorf("got %+v, %q", e, last)
	}
	for _, stays := range []string{"f06.bin", "f08.bin"} {
		(&delivery{T: t, dir: g.out}).wantContent(stays, g.files[stays])
	}
}

// Of two files of one name, the one that is there first stays.
func TestTheSecondOfTwoFilesOfOneNameIsRefused(t *testing.T) {
	t.Parallel()
	g := gather(t, 18)
	check(t, os.Mkdir(g.path("other"), 0o777))
	write(t, g.path("other/f03.bin"), "other content")
	g.sends("20M", g.path("other/f03.bin"))
	e, last := g.recvAll().end(11)
	if e.New != 18 || e.Failed != 1 || !strings.Contains(last, "f03.bin") || !strings.Contains(last, "same name") {
		t.Errorf("got %+v, %q", e, last)
	}
	got, err := os.ReadFile(filepath.Join(g.out, "f03.bin"))
	check(t, err)
	if s := string(got); s != "other content" && s != g.files["f03.bin"] {
		t.Errorf("it has %d bytes of neither", len(s))
	}
	if e, _ := g.recvAll().end(11); e.Had != 18 || e.Failed != 1 {
		t.Errorf("again: got %+v", e)
	}
	after, err := os.ReadFile(filepath.Join(g.out, "f03.bin"))
	check(t, err)
	if !bytes.Equal(got, after) {
		t.Error("the next run replaces it")
	}
}

// A directory belongs to one receiver; one that is killed leaves what it has to the next one.
func TestAKilledReceiverOfAllFilesGoesOn(t *testing.T) {
	t.Parallel()
	g := gather(t, 20)
	g.add("large.bin", 2_000_000)
	slow := g.sends("4M", "--share", "sqrt")
	r := g.recvAll()
	partial := func() (os.FileInfo, bool) {
		for _, part := range g.parts() {
			if info, err := os.Stat(part); err == nil && info.Size() >= 2_000_000 {
				return info, true
			}
		}
		return nil, false
	}
	waitUntil(t, func() bool { _, ok := partial(); return ok && len(r.soFar("file")) >= 3 })
	second := g.recvAll()
	if _, last := second.end(11); !strings.Contains(last, "another iotupd receives all files into it") {
		t.Errorf("got %q from a second one", last)
	}
	r.signal(syscall.SIGKILL)
	r.wantExit(-1)
	before, ok := partial()
	if !ok {
		t.Fatalf("no partial file of the large one: %q", g.parts())
	}
	whole := len(r.soFar("file"))
	slow.signal(syscall.SIGKILL)
	g.sends("40M")
	e, _ := g.recvAll().end(0)
	if e.Had < whole || e.Had+e.New != 21 || e.New == 0 {
		t.Errorf("got %+v, want that %d files are there at least", e, whole)
	}
	g.wantAll("*")
	if after, err := os.Stat(filepath.Join(g.out, "large.bin")); err != nil || !os.SameFile(before, after) {
		t.Errorf("%v: the partial file was not gone on with", err)
	}
}

// Whatever ends the receiver, partial files stay.
func TestAReceiverOfAllFilesThatStopsLeavesPartialFiles(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		stop func(s, r *process)
		code int
		says string
	}{
		"SIGINT":      {func(_, r *process) { r.signal(syscall.SIGINT) }, 130, ""},
		"sender ends": {func(s, _ *process) { s.signal(syscall.SIGKILL) }, 5, "silent for 1 s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := gather(t, 20)
			g.add("large.bin", 2_000_000)
			s := g.sends("4M")
			r := g.recvAll("--stall", "1s")
			waitUntil(t, func() bool { return len(r.soFar("file")) >= 1 && len(g.parts()) > 0 })
			test.stop(s, r.process)
			if _, last := r.end(test.code); !strings.Contains(last, test.says) {
				t.Errorf("got %q, want %q", last, test.says)
			}
			if len(g.parts()) == 0 {
				t.Error("no partial file is left")
			}
			if _, err := os.Stat(filepath.Join(g.out, ".iotupd-all.lock")); err == nil {
				t.Error("the directory is still locked")
			}
		})
	}
}

// A disk that is full for one file takes the smaller ones.
func TestAFullDiskEndsOneFileOfASet(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("makes a small file system as Linux does")
	}
	mount := []string{"unshare", "-rm", "sh", "-c", `mount -t tmpfs -o size=1m none "$0" && exec "$@"`}
	g := gather(t, 20)
	mount = append(mount, g.out)
	if out, err := exec.Command(mount[0], append(mount[1:], "true")...).CombinedOutput(); err != nil {
		t.Skipf("cannot mount a small file system: %v: %s", err, out)
	}
	g.add("large.bin", 2_000_000)
	g.sends("20M")
	e, last := g.recvAllBy(mount).end(11)
	if e.New != 20 || e.Failed != 1 || !strings.Contains(last, "large.bin") || !strings.Contains(last, "no space") {
		t.Errorf("got %+v, %q", e, last)
	}
}

// Without a choice, a set is listed, and nothing is written.
func TestASetWithoutAChoiceIsListedAndNothingWritten(t *testing.T) {
	t.Parallel()
	g := gather(t, 20)
	g.sends("10M")
	for _, args := range []string{"-o fw.bin", "-o fw.bin --json --timeout 10s", "-d . --stall 1s", "-o -"} {
		out, err := os.Create(filepath.Join(t.TempDir(), "out"))
		check(t, err)
		p := startTo(t, out, g.port, append([]string{"recv"}, strings.Fields(args)...)...)
		lines := strings.Join(p.wantExit(3), "\n")
		(&delivery{T: t, dir: p.dir}).wantFiles()
		b, err := os.ReadFile(out.Name())
		check(t, err)
		if !strings.Contains(lines, "20 files are sent here: choose one by --name") {
			t.Errorf("%s: got %q", args, lines)
		}
		if strings.Contains(args, "--json") && strings.Count(string(b), `"type":"listed"`) != 20 || strings.Contains(args, "-o -") && len(b) > 0 {
			t.Errorf("%s: got events %s", args, b)
		}
	}
}

// Where keys are trusted, files that nobody has signed do not count. This waits for the list.
func TestTheOnlyFileOfASetThatIsSignedIsReceived(t *testing.T) {
	t.Parallel()
	g := gather(t, 3)
	g.do("sign", "-q", g.path("f01.bin"), "-s", g.path("key"), "--sequence", "5")
	g.sends("5M")
	trust := []string{"--trust", g.path("pub"), "--state"}
	one := start(t, g.port, append([]string{"recv", "-o", "fw.bin", "--timeout", "2m"}, append(trust, g.path("s1"))...)...)
	g.flags = append(trust, g.path("s2"))
	all := g.recvAll()
	one.wantLine("ok  fw.bin")
	(&delivery{T: t, dir: one.dir}).wantContent("fw.bin", g.files["f01.bin"])
	(&delivery{T: t, dir: one.dir}).wantFiles("fw.bin")
	if e, _ := all.end(0); e.New != 1 || e.Complete {
		t.Errorf("got %+v", e)
	}
	g.wantAll("f01.bin")
}

// A follower of a set of two components keeps to one of them, reports the other, and goes on.
func TestAFollowerOfASetKeepsToOneComponent(t *testing.T) {
	t.Parallel()
	from := newReleaser(t)
	content := string(randomBytes(20_000))
	first := from.sends("5M", from.signs("boot", "5", content), from.signs("app", "9", content+"app"))
	f := from.recv("--follow", "-v", "--exec", `sh -c 'echo has $IOTUPD_FILE_COMPONENT'`)
	var has string
	warned := false // which may come before the command has run
	for has == "" && f.stderr.Scan() {
		line := f.stderr.Text()
		_, has, _ = strings.Cut(line, "sh: has ")
		warned = warned || strings.Contains(line, "[other-component]")
	}
	other := map[string]string{"boot": "app", "app": "boot"}[has]
	if !warned {
		f.wantLine("[other-component]")
	}
	first.signal(syscall.SIGKILL)
	from.sends("5M", from.signs(other, "20", content+"other"), from.signs(has, "10", content+"newer"))
	f.wantLine("sh: has " + has)
	f.wantLine("--exec has succeeded")
	f.signal(syscall.SIGTERM)
	for _, line := range f.wantExit(143) {
		if strings.Contains(line, "sh: has "+other) {
			t.Errorf("it has installed %s: %q", other, line)
		}
	}
	if _, err := os.Stat(filepath.Join(f.dir, other+"20.bin")); err == nil || other == "" {
		t.Errorf("it has received %q", other)
	}
}

// A little memory is enough for large files, which are decoded one after the other.
func TestAllFilesAreReceivedWithLittleMemory(t *testing.T) {
	t.Parallel()
	g := gather(t, 17) // with a list, which is there at once
	for i := range 3 {
		g.add(fmt.Sprintf("large%d.bin", i), 6<<20+i)
	}
	g.sends("200M")
	if e, _ := g.recvAll("--memory", "24M", "--drop", "bernoulli:2%").end(0); e.New != 20 {
		t.Errorf("got %+v", e)
	}
	g.wantAll("*")
}
