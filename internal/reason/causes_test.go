// SPDX-License-Identifier: GPL-2.0-or-later

package reason

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite docs/causes.md")

const page = "../../docs/causes.md"

// text is the page with all causes.
func text() string {
	var b strings.Builder
	b.WriteString("# Causes\n\nWhat iotupd warns of, or ends by. The code stands in the events `warn` and `error` of `--json`, and in brackets behind a\n" +
		"warning; it does not change. A command that ends by it has this exit code. This page is made from the program, by\n`make docs`.\n\n" +
		"| code | what it means | what to do | exit |\n|---|---|---|---|\n")
	cell := strings.NewReplacer("|", `\|`)
	for c := range Causes() {
		advice, exit := "", "warning only"
		if c.Advice != "" {
			advice = "`" + strings.Join(strings.Fields(c.Advice), " ") + "`"
		}
		if c.Exit > 0 {
			exit = fmt.Sprint(c.Exit)
		}
		if c.Code == Signal {
			exit = "128 and its number"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", c.Code, cell.Replace(c.Sentence), cell.Replace(advice), exit)
	}
	return b.String()
}

func TestThePageOfCausesMatchesTheProgram(t *testing.T) {
	if *update {
		if err := os.WriteFile(page, []byte(text()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil || string(got) != text() {
		t.Errorf("%s is not what the program says, %v: run make docs", page, err)
	}
}

func TestEveryCauseIsComplete(t *testing.T) {
	code := regexp.MustCompile(`^[a-z]+[a-z0-9-]*$`)
	seen := make(map[string]bool)
	for c := range Causes() {
		switch {
		case !code.MatchString(c.Code) || seen[c.Code]:
			t.Errorf("%+v: another one has that code, or it is none", c)
		case !strings.HasSuffix(c.Sentence, ".") || strings.Contains(c.Sentence+c.Advice, "\n"):
			t.Errorf("%+v is not a sentence on one line", c)
		case c.Advice == "" && c.Exit < 128:
			t.Errorf("%+v without advice", c)
		}
		seen[c.Code] = true
		if CauseOf(c.Code) != c {
			t.Errorf("%s is not found", c.Code)
		}
	}
	for _, exit := range []int{1, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 128, 141} {
		if c := CauseOf(ByExit(exit)); c.Exit != exit {
			t.Errorf("exit code %d has no cause: %+v", exit, c)
		}
	}
}

// sources returns the text of files below the root of the module, by path.
func sources(t *testing.T, which func(path string) bool) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !which(filepath.ToSlash(path)) {
			return err
		}
		b, err := os.ReadFile(path)
		all[filepath.ToSlash(path)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A test reaches a cause if it has its code or its name in the source, beside this one.
func TestEveryCauseIsReachedByATest(t *testing.T) {
	program := sources(t, func(p string) bool { return strings.HasSuffix(p, ".go") && !strings.HasSuffix(p, "_test.go") })
	tests := sources(t, func(p string) bool {
		return strings.HasSuffix(p, "_test.go") && !strings.HasSuffix(p, "reason/causes_test.go") || strings.Contains(p, "cmd/iotupd/testdata/") && strings.HasSuffix(p, ".txt")
	})
	names := make(map[string][]string) // of constants, by code
	constant := regexp.MustCompile(`\b([A-Z]\w+)(?: +\w+\.Reason)? += "([a-z0-9-]+)"`)
	for _, s := range program {
		for _, m := range constant.FindAllStringSubmatch(s, -1) {
			names[m[2]] = append(names[m[2]], m[1])
		}
	}
	for c := range Causes() {
		words := []string{`"` + c.Code + `"`, "[" + c.Code + "]", `\[` + c.Code + `\]`}
		for _, name := range names[c.Code] {
			if strings.ToLower(name[1:]) != name[1:] { // one word may be anything
				words = append(words, name)
			}
		}
		found := false
		for _, s := range tests {
			found = found || slices.ContainsFunc(words, func(w string) bool { return strings.Contains(s, w) })
		}
		if !found {
			t.Errorf("no test reaches %s", c.Code)
		}
	}
}

// What is warned of has its code from here, so that none is missing in the table.
func TestCodesOfWarningsStandInOnePlace(t *testing.T) {
	literal := regexp.MustCompile(`\bCode:\s*"`)
	for path, s := range sources(t, func(p string) bool {
		return !strings.HasPrefix(p, "../../bench/") && strings.HasSuffix(p, ".go") && !strings.HasSuffix(p, "_test.go")
	}) {
		if at := literal.FindString(s); at != "" {
			t.Errorf("%s has a code of its own: %s", path, at)
		}
	}
}
