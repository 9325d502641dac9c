// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// An operation is what a process did to the files of some directories.
type operation struct {
	kind kind
	file int    // of created, written, truncated, synced; numbered from 1
	dir  string // of created, renamed, removed, dirSynced
	name string // of created, renamed, removed; what marked says
	to   string // of renamed

	offset int64 // of written; the size of truncated
	data   []byte

	began, ended int // when, among all system calls
}

type kind int

const (
	created kind = iota
	written
	truncated
	renamed
	removed
	synced
	dirSynced
	marked
)

// traced are the system calls that change files, and those that say what a descriptor is.
const traced = "openat,open,creat,close,dup,dup2,dup3,write,pwrite64,writev,pwritev,pwritev2,copy_file_range,sendfile," +
	"ftruncate,truncate,fallocate,fsync,fdatasync,sync,syncfs,rename,renameat,renameat2,unlink,unlinkat,link,linkat,symlink,symlinkat,mkdirat"

// recordTest runs a test of this package under strace, with a variable of the environment,
// and returns what it does to the files of some directories. Each of its writes to the
// file at marks is a mark.
func recordTest(t *testing.T, name, variable, marks string, dirs ...string) []operation {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil && os.Getenv("IOTUPD_REQUIRE_NETNS") == "1" {
		t.Fatal("there is no strace here, and IOTUPD_REQUIRE_NETNS=1 asks for all tests")
	} else if err != nil {
		t.Skip("there is no strace here, which records what is done to files")
	}
	if out, err := exec.Command(strace, "-o", os.DevNull, os.Args[0], "-test.run=^$").CombinedOutput(); err != nil {
		t.Skipf("strace cannot trace here: %v: %s", err, out)
	}
	trace := filepath.Join(t.TempDir(), "trace")
	cmd := exec.Command(strace, "-f", "-qq", "-y", "-x", "-s", "1000000", "--signal=none", "-o", trace, "-e", "trace="+traced,
		os.Args[0], "-test.count=1", "-test.run=^"+name+"$")
	cmd.Env = append(os.Environ(), variable)
	r := recorder{T: t, marks: marks, dirs: dirs, named: make(map[string]int), open: make(map[string]int)}
	r.before()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(trace)
	check(t, err)
	r.read(string(text))
	return r.all
}

// A recorder reads what strace has written.
type recorder struct {
	*testing.T
	marks string
	dirs  []string

	named map[string]int // the file that a path leads to
	open  map[string]int // the file of a descriptor
	files int
	all   []operation
}

var (
	callText    = regexp.MustCompile(`^(\d+) +(\w+)\((.*?)(?: <unfinished \.\.\.>|\) += (-?\d+).*)$`)
	resumedText = regexp.MustCompile(`^(\d+) +<\.\.\. (\w+) resumed>(.*?)\) += (-?\d+).*$`)
	argument    = regexp.MustCompile(`"(?:[^"\\]|\\.)*"(?:\.\.\.)?|[^,"<> ][^,"<>]*(?:<[^>]*>)?`)
)

// before takes the files of earlier runs as made and synced, at negative times.
func (r *recorder) before() {
	for _, dir := range r.dirs {
		entries, err := os.ReadDir(dir)
		check(r.T, err)
		for _, e := range entries {
			data, err := os.ReadFile(filepath.Join(dir, e.Name()))
			check(r.T, err)
			r.files++
			r.named[filepath.Join(dir, e.Name())] = r.files
			r.all = append(r.all, operation{kind: created, file: r.files, dir: dir, name: e.Name(), began: -2, ended: -2},
				operation{kind: written, file: r.files, data: data, began: -2, ended: -2},
				operation{kind: synced, file: r.files, began: -1, ended: -1})
		}
		r.all = append(r.all, operation{kind: dirSynced, dir: dir, began: -1, ended: -1})
	}
}

// read joins what other threads have interrupted.
func (r *recorder) read(trace string) {
	type begun struct {
		args string
		at   int
	}
	waiting := make(map[string]begun)
	n := 0
	for line := range strings.Lines(trace) {
		n++
		line = strings.TrimSuffix(line, "\n")
		if m := resumedText.FindStringSubmatch(line); m != nil {
			b := waiting[m[1]]
			r.call(m[2], b.args+m[3], m[4], b.at, n)
			continue
		}
		m := callText.FindStringSubmatch(line)
		switch {
		case m == nil:
		case m[4] == "":
			waiting[m[1]] = begun{m[3], n}
		default:
			r.call(m[2], m[3], m[4], n, n)
		}
	}
}

// call takes a system call that has ended.
func (r *recorder) call(name, text, result string, began, ended int) {
	if strings.HasPrefix(result, "-") {
		return
	}
	var args []string
	for _, a := range argument.FindAllString(text, -1) {
		args = append(args, strings.TrimSpace(a))
	}
	add := func(op operation) {
		op.began, op.ended = began, ended
		r.all = append(r.all, op)
	}
	fd, path, _ := strings.Cut(strings.TrimSuffix(args[0], ">"), "<")
	file := r.open[fd]
	switch name {
	case "close":
		delete(r.open, fd)
	case "openat":
		r.opened(path, args, result, add)
	case "write", "pwrite64":
		r.wrote(name, path, file, args, result, add)
	case "ftruncate", "fallocate":
		if file != 0 {
			add(operation{kind: truncated, file: file, offset: r.number(args[len(args)-1])})
		}
	case "fsync", "fdatasync":
		if file != 0 {
			add(operation{kind: synced, file: file})
		} else if r.watched(path) {
			add(operation{kind: dirSynced, dir: path})
		}
	case "renameat", "renameat2":
		_, path2, _ := strings.Cut(strings.TrimSuffix(args[2], ">"), "<")
		from, to := r.path(path, args[1]), r.path(path2, args[3])
		if r.watched(filepath.Dir(from)) || r.watched(filepath.Dir(to)) {
			if filepath.Dir(from) != filepath.Dir(to) {
				r.Fatalf("renamed from %s to %s", from, to)
			}
			add(operation{kind: renamed, file: r.named[from], dir: filepath.Dir(from), name: filepath.Base(from), to: filepath.Base(to)})
			r.named[to] = r.named[from]
			delete(r.named, from)
		}
	case "unlinkat":
		if at := r.path(path, args[1]); r.watched(filepath.Dir(at)) {
			add(operation{kind: removed, dir: filepath.Dir(at), name: filepath.Base(at)})
			delete(r.named, at)
		}
	default: // it has no place in the model
		for _, dir := range r.dirs {
			if strings.Contains(text, dir) {
				r.Fatalf("%s(%.200s)", name, text)
			}
		}
	}
}

func (r *recorder) opened(path string, args []string, result string, add func(operation)) {
	at := r.path(path, args[1])
	delete(r.open, result)
	if !r.watched(filepath.Dir(at)) {
		return
	}
	file, known := r.named[at]
	if !known {
		if !strings.Contains(args[2], "O_CREAT") {
			return // "." and what else is a directory
		}
		r.files++
		file = r.files
		r.named[at] = file
		add(operation{kind: created, file: file, dir: filepath.Dir(at), name: filepath.Base(at)})
	}
	if known && strings.Contains(args[2], "O_TRUNC") {
		add(operation{kind: truncated, file: file})
	}
	r.open[result] = file
}

func (r *recorder) wrote(name, path string, file int, args []string, result string, add func(operation)) {
	if path == r.marks {
		add(operation{kind: marked, name: r.text(args[1])})
	}
	if file == 0 {
		return
	}
	data := []byte(r.text(args[1]))
	if strconv.Itoa(len(data)) != result {
		r.Fatalf("%d bytes were written, %s of them", len(data), result)
	}
	op := operation{kind: written, file: file, data: data, offset: -1} // at the end
	if name == "pwrite64" {
		op.offset = r.number(args[3])
	}
	add(op)
}

func (r *recorder) watched(dir string) bool {
	for _, d := range r.dirs {
		if d == dir {
			return true
		}
	}
	return false
}

// path joins a directory and a quoted name.
func (r *recorder) path(dir, name string) string {
	if name = r.text(name); filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}

func (r *recorder) text(quoted string) string {
	s, err := strconv.Unquote(quoted)
	if err != nil {
		r.Fatalf("%.100s: %v", quoted, err)
	}
	return s
}

func (r *recorder) number(s string) int64 {
	n, err := strconv.ParseInt(s, 0, 64)
	check(r.T, err)
	return n
}
