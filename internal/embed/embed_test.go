// SPDX-License-Identifier: GPL-2.0-or-later

// Package embed shows that other programs can use this module: the examples of
// its documentation are built outside of it, as they stand there, and transfer a
// file.
package embed

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// timeout ends a test that hangs. Nothing depends on how long it is.
const timeout = 3 * time.Minute

// root is the folder of this module.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// An example is a function of a file of examples.
type example struct{ file, function string }

var (
	sending   = example{"sender/agent/example_test.go", "Example"}
	receiving = example{"receiver/agent/example_test.go", "Example"}
	following = example{"receiver/agent/example_test.go", "ExampleAgent_Follow"}
)

// program returns the example as a program of its own: its body is main, and the
// imports are those that it uses.
func (e example) program(t *testing.T) string {
	t.Helper()
	fset := token.NewFileSet()
	path := filepath.Join(root(t), filepath.FromSlash(e.file))
	file, err := parser.ParseFile(fset, path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(file.Decls, func(d ast.Decl) bool {
		fn, ok := d.(*ast.FuncDecl)
		return ok && fn.Recv == nil && fn.Name.Name == e.function
	})
	if i < 0 {
		t.Fatalf("%s has no %s", e.file, e.function)
	}
	body := file.Decls[i].(*ast.FuncDecl).Body
	used := make(map[string]bool)
	ast.Inspect(body, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok {
				used[x.Name] = true
			}
		}
		return true
	})
	var b bytes.Buffer
	b.WriteString("package main\n\nimport (\n")
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		if used[imported[strings.LastIndex(imported, "/")+1:]] {
			fmt.Fprintf(&b, "\t%q\n", imported)
		}
	}
	b.WriteString(")\n\nfunc main() ")
	if err := format.Node(&b, fset, body); err != nil {
		t.Fatal(err)
	}
	return b.String() + "\n"
}

// build builds a program in a module of its own, which has this one instead of a
// download, and returns the path of the executable.
func build(t *testing.T, source string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "main.go"), source)
	mod, err := os.ReadFile(filepath.Join(root(t), "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	sum, err := os.ReadFile(filepath.Join(root(t), "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	// The versions of this module, so that nothing has to be downloaded.
	text := strings.Replace(string(mod), "module iotupd\n", "module example.org/embedder\n", 1)
	text += fmt.Sprintf("\nrequire iotupd v0.0.0\n\nreplace iotupd => %s\n", strconv.Quote(root(t)))
	write(t, filepath.Join(dir, "go.mod"), text)
	write(t, filepath.Join(dir, "go.sum"), string(sum))
	return compile(t, dir, ".")
}

// compile builds a package in dir.
func compile(t *testing.T, dir, pkg string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "program")
	cmd := exec.Command("go", "build", "-mod=mod", "-o", out, pkg)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", pkg, err, text)
	}
	return out
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A lab has a folder, a file to send, and names for what examples have names for.
type lab struct {
	*testing.T
	dir     string
	content []byte
	port    int
	lo      string
	iotupd  string
}

func newLab(t *testing.T) *lab {
	t.Helper()
	if testing.Short() {
		t.Skip("builds programs")
	}
	l := &lab{T: t, dir: t.TempDir(), content: make([]byte, 300_000), iotupd: compile(t, root(t), "./cmd/iotupd")}
	for i := range l.content {
		l.content[i] = byte(rand.Uint32())
	}
	write(t, l.path("firmware.bin"), string(l.content))
	all, _ := net.Interfaces()
	for _, ifi := range all {
		if ifi.Flags&net.FlagLoopback != 0 {
			l.lo = ifi.Name
		}
	}
	if l.lo == "" {
		t.Skip("there is no loopback interface")
	}
	return l
}

func (l *lab) path(name string) string { return filepath.Join(l.dir, name) }

// here replaces the literals of an example by the values of the lab. Each must be
// there.
func (l *lab) here(source string, literals map[string]string) string {
	l.Helper()
	literals["eth0"] = l.lo
	literals["fw.example.net"] = l.Name()
	for old, new := range literals {
		if !strings.Contains(source, strconv.Quote(old)) {
			l.Fatalf("the example does not have %q", old)
		}
		source = strings.ReplaceAll(source, strconv.Quote(old), strconv.Quote(new))
	}
	return source
}

// start starts a program, which is stopped at the end of the test if it still
// runs.
func (l *lab) start(path string, args ...string) *exec.Cmd {
	l.Helper()
	cmd := exec.Command(path, args...)
	cmd.Dir = l.dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() {
		if cmd.ProcessState == nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
		if l.Failed() {
			l.Logf("%s %q:\n%s", path, args, &out)
		}
	})
	return cmd
}

// run runs iotupd to its end.
func (l *lab) run(args ...string) {
	l.Helper()
	cmd := l.start(l.iotupd, args...)
	if err := l.wait(cmd); err != nil {
		l.Fatalf("iotupd %q: %v", args, err)
	}
}

// wait waits for the end of a program.
func (l *lab) wait(cmd *exec.Cmd) error {
	l.Helper()
	limit := time.AfterFunc(timeout, func() { cmd.Process.Kill() })
	defer limit.Stop()
	return cmd.Wait()
}

// wantFile fails unless a file has, or gets, the content that was sent.
func (l *lab) wantFile(name string) {
	l.Helper()
	for range timeout / (20 * time.Millisecond) {
		if got, err := os.ReadFile(l.path(name)); err == nil && bytes.Equal(got, l.content) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	l.Fatalf("%s has not come", name)
}

// release makes keys and signs the file.
func (l *lab) release(args ...string) {
	l.Helper()
	l.run("keygen", "-s", "release.key", "-p", "release.pub")
	l.run(append([]string{"sign", "-q", "firmware.bin", "-s", "release.key", "--sequence", "7", "--channel", l.Name()}, args...)...)
}

// send starts to send the release.
func (l *lab) send() {
	l.start(l.iotupd, "send", "-q", "firmware.bin", "--manifest", "firmware.bin.iotupd", "-i", l.lo, "--rate", "20M")
}

func TestTheExampleThatSendsBuildsElsewhereAndSends(t *testing.T) {
	l := newLab(t)
	build(t, sending.program(t)) // as it stands
	here := build(t, l.here(sending.program(t), map[string]string{"firmware.bin": l.path("firmware.bin")}))
	l.start(here)
	l.run("recv", "-q", "-o", "received.bin", "-i", l.lo, "--channel", l.Name())
	l.wantFile("received.bin")
}

func TestTheExampleThatReceivesBuildsElsewhereAndReceives(t *testing.T) {
	l := newLab(t)
	build(t, receiving.program(t))
	here := build(t, l.here(receiving.program(t), map[string]string{
		"/etc/iotupd/release.pub": l.path("release.pub"), "/var/lib/fw/fw.img": l.path("fw.img"), "/var/lib/iotupd": l.path("state"),
	}))
	l.release()
	l.send()
	if err := l.wait(l.start(here)); err != nil {
		t.Fatal(err)
	}
	l.wantFile("fw.img")
}

func TestTheExampleThatFollowsBuildsElsewhereAndInstalls(t *testing.T) {
	l := newLab(t)
	build(t, following.program(t))
	here := build(t, l.here(following.program(t), map[string]string{
		"/etc/iotupd/keys": l.dir, "/var/lib/fw": l.path("fw"), "/var/lib/iotupd": l.path("state"),
		"rauc install {}": "cp {} " + l.path("installed.bin"),
	}))
	if err := os.Mkdir(l.path("fw"), 0o755); err != nil {
		t.Fatal(err)
	}
	l.release("--target", "board-7")
	l.send()
	follower := l.start(here)
	l.wantFile("installed.bin")
	if err := follower.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := l.wait(follower); err != nil {
		t.Errorf("after a signal: %v", err)
	}
}

func TestThePageForEmbeddersShowsTheExamples(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root(t), "docs", "embedding.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []example{sending, receiving, following} {
		path := filepath.Join(root(t), filepath.FromSlash(e.file))
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, body, _ := strings.Cut(string(source), "\nfunc "+e.function+"() {\n")
		body, _, _ = strings.Cut(body, "\n}\n")
		want := strings.TrimPrefix(strings.ReplaceAll("\n"+body, "\n\t", "\n"), "\n")
		if !strings.Contains(string(page), "```go\n"+want+"\n```\n") {
			t.Errorf("docs/embedding.md does not show %s of %s as it stands", e.function, e.file)
		}
	}
}
