// SPDX-License-Identifier: GPL-2.0-or-later

// Package arch holds what is true of all packages together.
package arch

import (
	"bytes"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "iotupd/"

// maxLines is the length of a file that one still reads.
const maxLines = 500

// arrows says what a package may import, beside the standard library: packages
// of this module, "x/..." for all below x, and other modules. A package takes
// the line of the closest folder above it.
var arrows = map[string][]string{
	"proto":    {},
	"fec":      {"proto", "github.com/klauspost/reedsolomon"},
	"sender":   {"proto", "fec", "proto/seal"},
	"receiver": {"proto", "fec", "proto/seal"},

	"receiver/layers": {"proto", "receiver"},

	"bench":      {"proto", "fec", "sender", "receiver", "receiver/layers", "bench/...", "internal/simnet", "internal/quantity"},
	"bench/live": {"bench/...", "internal/...", "golang.org/x/sys/..."}, // real processes and sockets

	"cmd": {"cmd/...", "proto/...", "fec", "sender/...", "receiver/...", "bench/...", "internal/...", "github.com/spf13/...", "golang.org/x/..."},

	"internal":         {"internal/..."},
	"internal/durable": {"internal/quantity", "golang.org/x/sys/..."},
	"internal/clock":   {"golang.org/x/sys/..."},
	"proto/keys":       {"proto", "golang.org/x/crypto/..."},
	"internal/mcast":   {"internal/mcast/...", "internal/leak", "golang.org/x/net/...", "golang.org/x/sys/..."},
	"proto/seal":       {"proto", "golang.org/x/crypto/..."},

	"internal/simnet":   {},
	"internal/quantity": {},

	"internal/discover":  {"proto", "golang.org/x/net/dns/..."},
	"internal/listeners": {"internal/diagnose", "golang.org/x/net/...", "golang.org/x/sys/..."},
}

// cores decide and never wait. What touches the world is in their run.go.
// Folders below them are packages of their own.
var cores = []string{"proto", "proto/seal", "fec", "sender", "receiver", "receiver/layers"}

// outside are packages that no core imports.
var outside = []string{"net", "os", "log", "log/slog", "syscall", "os/exec", "os/signal", "net/http"}

// clocks may ask what time it is, beside run*.go and tests.
var clocks = []string{
	"cmd", "bench/live", "internal/clock", "internal/mcast", "internal/diagnose", "internal/demo", "internal/e2e", "internal/leak",
}

// A goFile is a file of this module.
type goFile struct {
	path   string // from the root, with slashes
	dir    string
	test   bool
	source []byte
	*ast.File
	fset *token.FileSet
}

// goFiles reads all Go files of the module.
func goFiles(t *testing.T) (files []goFile) {
	t.Helper()
	root := os.DirFS("../..") // of the module
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || name != "." && strings.HasPrefix(d.Name(), ".")) {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		f := goFile{path: name, dir: path.Dir(name), test: strings.HasSuffix(name, "_test.go"), fset: token.NewFileSet()}
		if f.source, err = fs.ReadFile(root, name); err != nil {
			return err
		}
		f.File, err = parser.ParseFile(f.fset, name, f.source, parser.ParseComments)
		files = append(files, f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 50 {
		t.Fatalf("found %d files only", len(files))
	}
	return files
}

// imports returns the paths that f imports.
func (f *goFile) imports() (paths []string) {
	for _, spec := range f.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			panic(err)
		}
		paths = append(paths, p)
	}
	return paths
}

// within reports whether dir is one of folders or below it.
func within(dir string, folders []string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return dir == f || strings.HasPrefix(dir, f+"/") })
}

// isRun reports whether f is a shell, around a core.
func (f *goFile) isRun() bool { return strings.HasPrefix(path.Base(f.path), "run") }

func TestImportsPointDown(t *testing.T) {
	// cmd -> bench -> sender, receiver -> fec -> proto. Sender and receiver
	// never meet, and nothing below cmd knows sockets.
	for _, f := range goFiles(t) {
		if f.test || f.dir == "." {
			continue
		}
		dir := f.dir
		for dir != "." && arrows[dir] == nil {
			dir = path.Dir(dir)
		}
		allowed, known := arrows[dir]
		if !known {
			t.Errorf("%s: package %s has no line in arrows", f.path, f.dir)
			continue
		}
		for _, imported := range f.imports() {
			p, ours := strings.CutPrefix(imported, module)
			standard := !ours && !strings.Contains(strings.Split(p, "/")[0], ".")
			if !standard && !slices.ContainsFunc(allowed, func(a string) bool { return matches(a, p) }) {
				t.Errorf("%s: %s must not import %s", f.path, f.dir, imported)
			}
		}
	}
}

// matches reports whether a pattern, as in arrows, allows import path p.
func matches(pattern, p string) bool {
	if folder, all := strings.CutSuffix(pattern, "/..."); all {
		return p == folder || strings.HasPrefix(p, folder+"/")
	}
	return p == pattern
}

func TestCoresTouchNothingOutside(t *testing.T) {
	// "Protocol code decides, it never waits."
	for _, f := range goFiles(t) {
		if f.test || f.isRun() || !slices.Contains(cores, f.dir) {
			continue
		}
		for _, imported := range f.imports() {
			if slices.Contains(outside, imported) {
				t.Errorf("%s: a core must not import %s", f.path, imported)
			}
		}
	}
}

func TestOnlyShellsReadTheClock(t *testing.T) {
	// The time comes by parameter, so that tests and simulations have their own.
	reads := []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}
	for _, f := range goFiles(t) {
		if f.test || f.isRun() || within(f.dir, clocks) || !slices.Contains(f.imports(), "time") {
			continue
		}
		ast.Inspect(f.File, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(reads, s.Sel.Name) {
					t.Errorf("%v: time.%s outside of a shell", f.fset.Position(s.Pos()), s.Sel.Name)
				}
			}
			return true
		})
	}
}

func TestFilesAreShortFormattedAndLicensed(t *testing.T) {
	for _, f := range goFiles(t) {
		if n := bytes.Count(f.source, []byte("\n")); n > maxLines {
			t.Errorf("%s has %d lines, more than %d: what is its second concept?", f.path, n, maxLines)
		}
		if formatted, err := format.Source(f.source); err != nil || !bytes.Equal(formatted, f.source) {
			t.Errorf("%s is not formatted by gofmt (%v)", f.path, err)
		}
		if !bytes.HasPrefix(f.source, []byte("// SPDX-License-Identifier: GPL-2.0-or-later\n\n")) {
			t.Errorf("%s does not start with its licence", f.path)
		}
	}
}
