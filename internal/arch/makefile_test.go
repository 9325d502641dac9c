// SPDX-License-Identifier: GPL-2.0-or-later

package arch

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A test that gets another name would run again where the Makefile leaves it out, and the
// command beside a figure would run nothing.
func TestTestsThatAreNamedExist(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	list := regexp.MustCompile(`(?m)^ALONE := (.*)$`).FindSubmatch(makefile)
	if list == nil {
		t.Fatal("the Makefile has no list ALONE")
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	names := string(list[1])
	for _, run := range regexp.MustCompile(`-run '?([A-Za-z|\\]+)`).FindAllSubmatch(readme, -1) {
		names += "|" + strings.ReplaceAll(string(run[1]), `\`, "")
	}
	var sources bytes.Buffer
	if err := filepath.WalkDir("../..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		sources.Write(b)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Split(names, "|") {
		if !regexp.MustCompile(`(?m)^func Test\w*` + name).Match(sources.Bytes()) {
			t.Errorf("the Makefile or README names %s, and no test has this name", name)
		}
	}
}
