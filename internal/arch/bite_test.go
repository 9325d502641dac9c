// SPDX-License-Identifier: GPL-2.0-or-later

package arch

import (
	"slices"
	"strings"
	"testing"
)

// violations breaks every rule, by a small file or a few.
var violations = []struct {
	rule  string
	files map[string]string // path: what follows the licence
	want  string            // part of the only error
}{
	{"imports are allowed", map[string]string{"proto/x.go": "package proto\n\nimport _ \"iotupd/fec\"\n"}, "proto must not import iotupd/fec"},
	{"imports are allowed", map[string]string{"proto/x.go": "package proto\n\nimport _ \"example.org/m\"\n"}, "proto must not import example.org/m"},
	{"imports are allowed", map[string]string{"proto/new/x.go": "package new\n"}, "folder proto/new has no line"},
	{"imports are allowed", map[string]string{"internal/new/x.go": "package new\n"}, "folder internal/new has no line"},
	{"imports are allowed", map[string]string{"cmd/iotupd/internal/new/x.go": "package new\n"}, "folder cmd/iotupd/internal/new has no line"},
	{"senders and receivers never meet", map[string]string{"sender/x.go": "package sender\n\nimport _ \"iotupd/receiver\"\n"}, "sender must not know iotupd/receiver"},
	{"senders and receivers never meet", map[string]string{"receiver/layers/x.go": "package layers\n\nimport _ \"iotupd/sender\"\n"}, "receiver must not know iotupd/sender"},
	{"cores touch nothing outside", map[string]string{"receiver/runner.go": "package receiver\n\nimport _ \"net\"\n"}, "a core must not import net"},
	{"cores touch nothing outside", map[string]string{"receiver/layers/x.go": "package layers\n\nimport _ \"os\"\n"}, "a core must not import os"},
	{"cores start nothing", map[string]string{"sender/x.go": "package sender\n\nfunc f() { go f() }\n"}, "must not start a goroutine"},
	{"only shells read the clock", map[string]string{"fec/x.go": "package fec\n\nimport t \"time\"\n\nvar now = t.Now\n"}, "time.Now outside"},
	{"only shells read the clock", map[string]string{"internal/quantity/run.go": "package quantity\n\nimport \"time\"\n\nvar now = time.Now\n"}, "time.Now outside"},
	{"only commands know the terminal", map[string]string{"receiver/x.go": "package receiver\n\nimport _ \"github.com/spf13/pflag\"\n"}, "is for commands only"},
	{"only commands know the terminal", map[string]string{"sender/x.go": "package sender\n\nimport _ \"iotupd/cmd/iotupd/internal/cli\"\n"}, "is for commands only"},
	{"only commands know the terminal", map[string]string{"cmd/iotupd/internal/cli/x.go": "package cli\n\nimport \"os\"\n\nfunc f() { os.Exit(1) }\n"}, "only main ends the process"},
	{"main is thin", map[string]string{"cmd/iotupd/x.go": "package main\n" + strings.Repeat("\n", maxMain)}, "lines in package main"},
	{"public signatures name no internal type", map[string]string{"receiver/x.go": "package receiver\n\nimport \"iotupd/internal/mcast\"\n\ntype C struct{ B *mcast.Batch }\n"}, "C names mcast.Batch"},
	{"public signatures name no internal type", map[string]string{"sender/x.go": "package sender\n\nimport m \"iotupd/internal/mcast\"\n\nfunc F(m.Batch) {}\n"}, "F names m.Batch"},
	{"files are short, formatted and licensed", map[string]string{"fec/x.go": "package fec\n" + strings.Repeat("\n//\n", maxLines/2)}, "more than 500"},
	{"files are short, formatted and licensed", map[string]string{"fec/x.go": "package  fec\n"}, "not formatted"},
	{"functions are short", map[string]string{"fec/x.go": "package fec\n\nfunc f() {\n" + strings.Repeat("\tf()\n", maxFunction) + "}\n"}, "function f has 62 lines"},
}

func TestEveryRuleBites(t *testing.T) {
	bitten := map[string]bool{"arrows are used": true} // below
	for _, v := range violations {
		bitten[v.rule] = true
		got := rules[v.rule](tree{parse(t, v.files), arrows})
		if len(got) != 1 || !strings.Contains(got[0], v.want) {
			t.Errorf("%s: got %q of %v, want %q", v.rule, got, v.files, v.want)
		}
	}
	for name := range rules {
		if !bitten[name] {
			t.Errorf("no violation of %q is tried", name)
		}
	}
}

func TestUnusedArrowsAreFound(t *testing.T) {
	files := parse(t, map[string]string{"fec/x.go": "package fec\n\nimport _ \"iotupd/proto\"\n"})
	got := arrowsAreUsed(tree{files, map[string][]string{"fec": {"proto", "sender"}, "gone": {}}})
	want := []string{"arrows: fec does not import sender", "arrows: folder gone does not exist"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAFileWithoutALicenceIsFound(t *testing.T) {
	f, err := newFile("fec/x.go", []byte("package fec\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := filesAreShortFormattedAndLicensed(tree{[]*goFile{f}, arrows}); len(got) != 1 || !strings.Contains(got[0], "licence") {
		t.Errorf("got %q", got)
	}
}

func parse(t *testing.T, sources map[string]string) (files []*goFile) {
	t.Helper()
	for name, source := range sources {
		f, err := newFile(name, []byte("// SPDX-License-Identifier: GPL-2.0-or-later\n\n"+source))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}
