// SPDX-License-Identifier: GPL-2.0-or-later

package reason

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"iotupd/proto"
	"iotupd/receiver"
)

// constants returns the values of all constants of type proto.Reason in the
// sources of this module.
func constants(t *testing.T) (found []proto.Reason) {
	t.Helper()
	const root = "../.."
	fset := token.NewFileSet()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || path != root && strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(fset, path, source, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range f.Decls {
			if g, ok := decl.(*ast.GenDecl); ok && g.Tok == token.CONST {
				found = append(found, reasonsOf(t, g)...)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// reasonsOf returns the values of the reasons that a declaration of constants
// declares. Each has its type and its text: const ReasonX Reason = "x".
func reasonsOf(t *testing.T, g *ast.GenDecl) (found []proto.Reason) {
	t.Helper()
	for _, spec := range g.Specs {
		s := spec.(*ast.ValueSpec)
		if !isReason(s.Type) {
			for _, name := range s.Names {
				if strings.HasPrefix(name.Name, "Reason") {
					t.Errorf("%s: give it its type, as in const %[1]s proto.Reason = ...", name.Name)
				}
			}
			continue
		}
		for _, v := range s.Values {
			text, ok := v.(*ast.BasicLit)
			if !ok {
				t.Fatalf("%s is not a text", s.Names[0].Name)
			}
			value, err := strconv.Unquote(text.Value)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, proto.Reason(value))
		}
	}
	return found
}

// isReason reports whether a type is Reason or proto.Reason.
func isReason(typ ast.Expr) bool {
	if s, ok := typ.(*ast.SelectorExpr); ok {
		typ = s.Sel
	}
	name, ok := typ.(*ast.Ident)
	return ok && name.Name == "Reason"
}

func TestEveryReasonIsExplainedOnce(t *testing.T) {
	want := constants(t)
	if len(want) < 25 || !slices.Contains(want, receiver.ReasonUnverified) {
		t.Fatalf("found the reasons %q only", want)
	}
	var got []proto.Reason
	for e := range All() {
		got = append(got, e.Reason)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("explained are\n%q, and there are\n%q", got, want)
	}
}

func TestEveryExplanationIsWhole(t *testing.T) {
	files := true
	for e := range All() {
		if e.Packets == "" || e.Fix == "" || Of(e.Reason) != e {
			t.Errorf("%s: got %+v", e.Reason, Of(e.Reason))
		}
		if e.File == "" && e.Failure != Silence {
			t.Errorf("%s: a failure without words for it", e.Reason)
		}
		if files = files && e.File != ""; e.File != "" && !files {
			t.Errorf("%s: not among those of files, which come first", e.Reason)
		}
		if !strings.HasPrefix(e.Fix, "iotupd ") && !strings.HasPrefix(e.Fix, "ip ") {
			t.Errorf("%s: %q is not a command", e.Reason, e.Fix)
		}
	}
}
