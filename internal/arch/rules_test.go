// SPDX-License-Identifier: GPL-2.0-or-later

package arch

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"maps"
	"path"
	"slices"
	"strings"
)

// A rule returns what is wrong with a tree, one line a violation.
type rule func(t tree) []string

// importsAreAllowed holds arrows: the folder of a file must have a line of its
// own, and the line must name what the file imports.
func importsAreAllowed(t tree) (wrong []string) {
	for _, f := range t.files {
		if f.test {
			continue
		}
		allowed, known := t.arrows[f.dir]
		if !known {
			wrong = append(wrong, fmt.Sprintf("%s: folder %s has no line in arrows", f.path, f.dir))
			continue
		}
		for _, imported := range f.imports() {
			p, ours := strings.CutPrefix(imported, module)
			standard := !ours && !strings.Contains(strings.Split(p, "/")[0], ".")
			if !standard && !slices.ContainsFunc(allowed, func(a string) bool { return matches(a, p) }) {
				wrong = append(wrong, fmt.Sprintf("%s: %s must not import %s", f.path, f.dir, imported))
			}
		}
	}
	return wrong
}

// arrowsAreUsed finds permissions that nothing needs any more, so that arrows
// stays a picture of the tree.
func arrowsAreUsed(t tree) (wrong []string) {
	for _, dir := range slices.Sorted(maps.Keys(t.arrows)) {
		var imported []string
		files := 0
		for _, f := range t.files {
			if f.dir == dir && !f.test {
				files++
				imported = append(imported, f.imports()...)
			}
		}
		if files == 0 {
			wrong = append(wrong, fmt.Sprintf("arrows: folder %s does not exist", dir))
			continue
		}
		for _, a := range t.arrows[dir] {
			if !slices.ContainsFunc(imported, func(p string) bool { return matches(a, strings.TrimPrefix(p, module)) }) {
				wrong = append(wrong, fmt.Sprintf("arrows: %s does not import %s", dir, a))
			}
		}
	}
	return wrong
}

// matches reports whether a pattern, as in arrows, allows import path p.
func matches(pattern, p string) bool {
	if folder, all := strings.CutSuffix(pattern, "/..."); all {
		return p == folder || strings.HasPrefix(p, folder+"/")
	}
	return p == pattern
}

// sendersAndReceiversNeverMeet: what one end decides, the other must not know,
// since a sender never hears from a receiver.
func sendersAndReceiversNeverMeet(t tree) (wrong []string) {
	for _, ends := range [][2]string{{"sender", "receiver"}, {"receiver", "sender"}} {
		for _, f := range t.files {
			if f.test || !within(f.dir, ends[0]) {
				continue
			}
			for _, p := range f.imports() {
				if within(strings.TrimPrefix(p, module), ends[1]) {
					wrong = append(wrong, fmt.Sprintf("%s: %s must not know %s", f.path, ends[0], p))
				}
			}
		}
	}
	return wrong
}

// coresTouchNothingOutside: "Protocol code decides, it never waits." Only the
// shell around a core, run.go, is exempt.
func coresTouchNothingOutside(t tree) (wrong []string) {
	for _, f := range t.files {
		if f.test || f.isShell() || !slices.Contains(cores, f.dir) {
			continue
		}
		for _, p := range f.imports() {
			if slices.Contains(outside, p) {
				wrong = append(wrong, fmt.Sprintf("%s: a core must not import %s", f.path, p))
			}
		}
	}
	return wrong
}

// coresStartNothing: goroutines and channels belong to shells.
func coresStartNothing(t tree) (wrong []string) {
	for _, f := range t.files {
		if f.test || f.isShell() || !slices.Contains(coresOfProtocol, f.dir) {
			continue
		}
		ast.Inspect(f.File, func(n ast.Node) bool {
			if g, ok := n.(*ast.GoStmt); ok {
				wrong = append(wrong, fmt.Sprintf("%v: a core must not start a goroutine", f.fset.Position(g.Pos())))
			}
			return true
		})
	}
	return wrong
}

// onlyShellsReadTheClock: the time comes by parameter, so that tests and
// simulations have their own.
func onlyShellsReadTheClock(t tree) (wrong []string) {
	reads := []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}
	for _, f := range t.files {
		if f.test || f.isShell() || within(f.dir, "cmd") || slices.Contains(clocks, f.dir) {
			continue
		}
		name := f.nameOf("time")
		ast.Inspect(f.File, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := s.X.(*ast.Ident); ok && name != "" && x.Name == name && slices.Contains(reads, s.Sel.Name) {
				wrong = append(wrong, fmt.Sprintf("%v: time.%s outside of a shell", f.fset.Position(s.Pos()), s.Sel.Name))
			}
			return true
		})
	}
	return wrong
}

// onlyCommandsKnowTheTerminal: flags, exit codes and the terminal are matters of
// the commands. A library returns typed errors.
func onlyCommandsKnowTheTerminal(t tree) (wrong []string) {
	for _, f := range t.files {
		if f.test || within(f.dir, "cmd") || slices.Contains(programs, f.dir) {
			continue
		}
		for _, p := range f.imports() {
			if strings.HasPrefix(p, "github.com/spf13/") || p == "golang.org/x/term" || p == "flag" || within(strings.TrimPrefix(p, module), "cmd") {
				wrong = append(wrong, fmt.Sprintf("%s: %s is for commands only", f.path, p))
			}
		}
	}
	return append(wrong, exits(t)...)
}

// exits finds what ends the process, which main and the second signal may.
func exits(t tree) (wrong []string) {
	for _, f := range t.files {
		if f.test || f.path == "cmd/iotupd/main.go" || f.path == "cmd/iotupd/internal/cli/signals.go" || slices.Contains(programs, f.dir) {
			continue
		}
		name := f.nameOf("os")
		ast.Inspect(f.File, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "Exit" {
				if x, ok := s.X.(*ast.Ident); ok && name != "" && x.Name == name {
					wrong = append(wrong, fmt.Sprintf("%v: only main ends the process", f.fset.Position(s.Pos())))
				}
			}
			return true
		})
	}
	return wrong
}

// maxMain is how many lines of code the main package may have: it joins the
// commands, and does nothing itself.
const maxMain = 300

// mainIsThin: each command has a folder of its own.
func mainIsThin(t tree) (wrong []string) {
	lines := 0
	for _, f := range t.files {
		if f.dir == "cmd/iotupd" && !f.test {
			lines += bytes.Count(f.source, []byte("\n"))
		}
	}
	if lines > maxMain {
		wrong = append(wrong, fmt.Sprintf("cmd/iotupd: %d lines in package main, more than %d", lines, maxMain))
	}
	return wrong
}

// publicSignaturesNameNoInternalType: a program outside this module could not
// name it either.
func publicSignaturesNameNoInternalType(t tree) (wrong []string) {
	for _, f := range t.files {
		if f.test || strings.Contains("/"+f.dir+"/", "/internal/") || within(f.dir, "cmd") {
			continue
		}
		internal := make(map[string]bool) // names under which f knows internal packages
		for _, p := range f.imports() {
			if strings.Contains(p+"/", "/internal/") {
				internal[f.nameOf(p)] = true
			}
		}
		check := func(what string, n ast.Node) {
			ast.Inspect(n, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					if x, ok := s.X.(*ast.Ident); ok && internal[x.Name] {
						wrong = append(wrong, fmt.Sprintf("%v: %s names %s.%s, an internal type", f.fset.Position(s.Pos()), what, x.Name, s.Sel.Name))
					}
				}
				return true
			})
		}
		for _, d := range f.Decls {
			checkExported(d, check)
		}
	}
	return wrong
}

// checkExported calls check for what others see of a declaration.
func checkExported(d ast.Decl, check func(what string, n ast.Node)) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && (d.Recv == nil || receiverOf(d).IsExported()) {
			check(d.Name.Name, d.Type)
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() {
					checkType(s.Name.Name, s.Type, check)
				}
			case *ast.ValueSpec:
				if s.Type != nil && slices.ContainsFunc(s.Names, (*ast.Ident).IsExported) {
					check(s.Names[0].Name, s.Type)
				}
			}
		}
	}
}

// checkType is checkExported for the type called name. Unexported fields are
// nobody's business.
func checkType(name string, typ ast.Expr, check func(what string, n ast.Node)) {
	s, ok := typ.(*ast.StructType)
	if !ok {
		check(name, typ)
		return
	}
	for _, field := range s.Fields.List {
		if len(field.Names) == 0 || slices.ContainsFunc(field.Names, (*ast.Ident).IsExported) {
			check(name, field.Type)
		}
	}
}

// receiverOf returns the name of the type that a method is of.
func receiverOf(d *ast.FuncDecl) *ast.Ident {
	typ := d.Recv.List[0].Type
	for {
		switch t := typ.(type) {
		case *ast.StarExpr:
			typ = t.X
		case *ast.IndexExpr:
			typ = t.X
		case *ast.Ident:
			return t
		default:
			return ast.NewIdent("_")
		}
	}
}

// filesAreShortFormattedAndLicensed holds maxLines, the format, and the licence.
func filesAreShortFormattedAndLicensed(t tree) (wrong []string) {
	for _, f := range t.files {
		if n := bytes.Count(f.source, []byte("\n")); n > maxLines {
			wrong = append(wrong, fmt.Sprintf("%s has %d lines, more than %d: what is its second concept?", f.path, n, maxLines))
		}
		if formatted, err := format.Source(f.source); err != nil || !bytes.Equal(formatted, f.source) {
			wrong = append(wrong, fmt.Sprintf("%s is not formatted by gofmt (%v)", f.path, err))
		}
		if !bytes.HasPrefix(f.source, []byte("// SPDX-License-Identifier: GPL-2.0-or-later\n\n")) {
			wrong = append(wrong, fmt.Sprintf("%s does not start with its licence", f.path))
		}
	}
	return wrong
}

// maxFunction is the length of a function that one still reads, in lines.
const maxFunction = 60

// functionsAreShort holds maxFunction for all but tests.
func functionsAreShort(t tree) (wrong []string) {
	for _, f := range t.files {
		if f.test {
			continue
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := f.fset.Position(fn.End()).Line - f.fset.Position(fn.Pos()).Line + 1; n > maxFunction {
				wrong = append(wrong, fmt.Sprintf("%s: function %s has %d lines, more than %d", f.path, fn.Name.Name, n, maxFunction))
			}
		}
	}
	return wrong
}

// within reports whether dir is folder or below it.
func within(dir, folder string) bool { return dir == folder || strings.HasPrefix(dir, folder+"/") }

// isShell reports whether f is the shell around a core.
func (f *goFile) isShell() bool {
	switch path.Base(f.path) {
	case "run.go":
		return slices.Contains(cores, f.dir) || slices.Contains(shells, f.dir)
	case "run_linux.go", "run_other.go":
		return slices.Contains(shells, f.dir)
	}
	return false
}
