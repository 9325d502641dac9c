// SPDX-License-Identifier: GPL-2.0-or-later

package arch

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestFigures prints what the tree measures. Nothing depends on it:
//
//	go test -v -count=1 -run Figures ./internal/arch
func TestFigures(t *testing.T) {
	if !testing.Verbose() {
		t.Skip("prints only, with -v")
	}
	files := goFiles(t)
	var code, tests, main, mainFiles, exported int
	var fileLines, funcLines []int
	longest := make(map[string]int)
	for _, f := range files {
		n := codeLines(f.source)
		if f.test {
			tests += n
			continue
		}
		code += n
		fileLines = append(fileLines, bytes.Count(f.source, []byte("\n")))
		if f.dir == "cmd/iotupd" {
			main, mainFiles = main+bytes.Count(f.source, []byte("\n")), mainFiles+1
		}
		for _, d := range f.Decls {
			exported += exportedIn(d)
			if fn, ok := d.(*ast.FuncDecl); ok {
				lines := f.fset.Position(fn.End()).Line - f.fset.Position(fn.Pos()).Line + 1
				funcLines = append(funcLines, lines)
				longest[f.path+" "+fn.Name.Name] = lines
			}
		}
	}
	slices.Sort(fileLines)
	slices.Sort(funcLines)
	t.Logf("code %d lines without blanks and comments, tests %d", code, tests)
	t.Logf("package main: %d files, %d lines", mainFiles, main)
	t.Logf("files: median %d lines, longest %d; functions: median %d, longest %d", median(fileLines), fileLines[len(fileLines)-1], median(funcLines), funcLines[len(funcLines)-1])
	t.Logf("exported names: %d", exported)
	t.Logf("longest functions: %s", top(longest, 3))
	methods, fields := typesOf(files)
	t.Logf("most methods: %s", top(methods, 6))
	t.Logf("most fields: %s", top(fields, 6))
	for _, dir := range []string{"cmd/iotupd", "receiver", "sender"} {
		arrows, circle := between(files, dir)
		t.Logf("%s: %d arrows between its files, %d of them in circles", dir, arrows, circle)
	}
}

// between counts the arrows between the files of a folder, from one that uses a
// name of the package to the one that declares it, and those of them by which
// one comes back to where one was.
func between(files []*goFile, dir string) (arrows, circle int) {
	declared := make(map[string]string) // name: file
	for _, f := range files {
		if f.dir == dir && !f.test {
			for name := range f.Scope.Objects {
				declared[name] = f.path
			}
		}
	}
	to := make(map[string]map[string]bool)
	for _, f := range files {
		if f.dir != dir || f.test {
			continue
		}
		to[f.path] = make(map[string]bool)
		for _, id := range f.Unresolved {
			if other := declared[id.Name]; other != "" && other != f.path {
				to[f.path][other] = true
			}
		}
		for _, d := range f.Decls { // a method needs its type
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv != nil {
				if other := declared[receiverOf(fn).Name]; other != "" && other != f.path {
					to[f.path][other] = true
				}
			}
		}
	}
	for from := range to {
		for other := range to[from] {
			arrows++
			if reaches(to, other, from, map[string]bool{}) {
				circle++
			}
		}
	}
	return arrows, circle
}

func reaches(to map[string]map[string]bool, from, goal string, seen map[string]bool) bool {
	if from == goal {
		return true
	}
	seen[from] = true
	for next := range to[from] {
		if !seen[next] && reaches(to, next, goal, seen) {
			return true
		}
	}
	return false
}

// codeLines counts lines that are neither blank nor only a comment.
func codeLines(source []byte) (n int) {
	for line := range strings.Lines(string(source)) {
		if s := strings.TrimSpace(line); s != "" && !strings.HasPrefix(s, "//") {
			n++
		}
	}
	return n
}

// exportedIn counts the exported names that a declaration makes: functions,
// methods of exported types, types, variables and constants.
func exportedIn(d ast.Decl) (n int) {
	checkExported(d, func(string, ast.Node) { n++ })
	if g, ok := d.(*ast.GenDecl); ok {
		n = 0
		for _, s := range g.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				n += count(s.Name)
			case *ast.ValueSpec:
				n += count(s.Names...)
			}
		}
	}
	return n
}

func count(names ...*ast.Ident) (n int) {
	for _, name := range names {
		if name.IsExported() {
			n++
		}
	}
	return n
}

// typesOf counts the methods and fields of every struct type but those of tests.
func typesOf(files []*goFile) (methods, fields map[string]int) {
	methods, fields = make(map[string]int), make(map[string]int)
	for _, f := range files {
		if f.test {
			continue
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv != nil {
				methods[f.dir+"."+receiverOf(fn).Name]++
			}
		}
		ast.Inspect(f.File, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if s, ok := spec.Type.(*ast.StructType); ok {
				for _, field := range s.Fields.List {
					fields[f.dir+"."+spec.Name.Name] += max(1, len(field.Names))
				}
			}
			return true
		})
	}
	return methods, fields
}

func median(sorted []int) int { return sorted[len(sorted)/2] }

// top lists the n largest.
func top(counts map[string]int, n int) string {
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), strings.Compare(a, b))
	})
	var texts []string
	for _, k := range keys[:min(n, len(keys))] {
		texts = append(texts, fmt.Sprintf("%s %d", k, counts[k]))
	}
	return strings.Join(texts, ", ")
}
