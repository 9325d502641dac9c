// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the sample outputs of README.md")

const readme = "../../README.md"

// A sample is a command in README.md, and the lines that it prints there.
type sample struct {
	command string
	lines   []string
}

// samplesOf returns the commands of the code block of README.md that begins with a
// command, and the text of the block.
func samplesOf(t *testing.T, first string) (list []sample, block string) {
	t.Helper()
	page, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	_, block, ok := strings.Cut(string(page), "```\n"+first+"\n")
	if !ok {
		t.Fatalf("README.md has no code block that begins with %q", first)
	}
	block, _, _ = strings.Cut(first+"\n"+block, "```")
	for line := range strings.Lines(block) {
		line = strings.TrimSuffix(line, "\n")
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			list = append(list, sample{command: command})
		} else if last := &list[len(list)-1]; line != "" {
			last.lines = append(last.lines, line)
		}
	}
	return list, block
}

// replaceBlock rewrites a code block.
func replaceBlock(t *testing.T, old, text string) {
	t.Helper()
	page, err := os.ReadFile(readme)
	if err == nil {
		err = os.WriteFile(readme, bytes.Replace(page, []byte(old), []byte(text), 1), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// What differs from run to run.
var varying = []struct {
	pattern *regexp.Regexp
	by      string
}{
	{regexp.MustCompile(` \(limited by [a-z ]+\)`), ""}, // a busy machine
	{regexp.MustCompile(`\b[0-9a-f]{64}\b|\b[0-9a-f]{8}\.\.\.`), "ID"},
	{regexp.MustCompile(`\[?\b(?:[0-9a-f]{1,4}:+){2,7}[0-9a-f]{1,4}\b\]?|\b\d+\.\d+\.\d+\.\d+\b`), "ADDRESS"},
	{regexp.MustCompile(`\b\d+(\.\d+)?m\d+s\b`), "N s"},
	{regexp.MustCompile(`\d+(\.\d+)?`), "N"},
	{regexp.MustCompile(`\b[kMG]bit/s`), "bit/s"},
	{regexp.MustCompile(`\b[KMG]iB\b`), "B"},
	{regexp.MustCompile(`N groups? of`), "N groups of"},
	{regexp.MustCompile(` +N%`), " N%"},
}

// layout is a line without what differs from run to run.
func layout(line string) string {
	for _, v := range varying {
		line = v.pattern.ReplaceAllString(line, v.by)
	}
	return line
}

// progressLine is one of a transfer that goes on.
var progressLine = regexp.MustCompile(`^ (loop +\d+ )? *\d+%  `)

// isAside reports whether README.md leaves a line out: a busy machine takes longer to
// prepare, and may warn.
func isAside(line string) bool {
	return slices.ContainsFunc([]string{" preparing ", "warning: ", "  ", "stopped after "}, func(s string) bool { return strings.HasPrefix(line, s) })
}

// compare wants the lines of a sample to be what the command prints, in words and layout.
// Of progress there is one line in a sample.
func (s sample) compare(t *testing.T, printed []string) {
	t.Helper()
	got := make(map[string]bool)
	for _, line := range printed {
		got[layout(line)] = true
	}
	want := make(map[string]bool)
	for _, line := range s.lines {
		want[layout(line)] = true
		if !got[layout(line)] {
			t.Errorf("README.md says that %q prints\n%s\nand it printed\n%s\nrun this test with -update", s.command, line, strings.Join(printed, "\n"))
		}
	}
	for _, line := range printed {
		if !progressLine.MatchString(line) && !isAside(line) && !want[layout(line)] {
			t.Errorf("%q prints\n%s\nwhich README.md does not have: run this test with -update", s.command, line)
		}
	}
}

// chosen are the lines that stand in README.md of all that a command has printed.
func chosen(printed []string) (lines []string) {
	var progress []string
	at := 0
	for _, line := range printed {
		switch {
		case progressLine.MatchString(line):
			at, progress = len(lines), append(progress, line)
		case !isAside(line):
			lines = append(lines, line)
		}
	}
	if len(progress) > 0 {
		lines = slices.Insert(lines, at, progress[len(progress)/2])
	}
	return lines
}

func TestTheTwoHostsOfTheREADMEPrintWhatItShows(t *testing.T) {
	t.Parallel()
	samples, block := samplesOf(t, "$ iotupd send firmware.bin")
	if len(samples) != 2 {
		t.Fatalf("got %d commands, want send and recv", len(samples))
	}
	l := newLab(t)
	hosts := []*host{l.host(linkLocalOnly), l.host(linkLocalOnly)}
	size := int64(2 * mib)
	if *update {
		size = 25 * mib
	}
	dir := newDir(t)
	if err := os.Rename(newFile(t, size), filepath.Join(dir, "firmware.bin")); err != nil {
		t.Fatal(err)
	}
	var stderr [2]bytes.Buffer
	var commands [2]*exec.Cmd
	for i, s := range samples {
		words := strings.Fields(strings.TrimPrefix(s.command, "iotupd "))
		args := slices.Concat([]string{"netns", "exec", hosts[i].name, binary}, words, []string{"--progress", "plain", "--stats", "100ms"})
		c := exec.Command("ip", args...)
		c.Dir, c.Stderr = dir, &stderr[i]
		c.Env = append(os.Environ(), "TMPDIR="+runDir)
		if i == 1 {
			c.Dir = newDir(t)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		hang := time.AfterFunc(5*time.Minute, func() { c.Process.Kill() })
		defer hang.Stop()
		commands[i] = c
	}
	if err := commands[1].Wait(); err != nil {
		t.Errorf("recv: %v", err)
	}
	commands[0].Process.Signal(syscall.SIGINT)
	commands[0].Wait() // by a signal
	var text []string
	for i, s := range samples {
		printed := strings.Split(strings.TrimSuffix(stderr[i].String(), "\n"), "\n")
		if *update {
			s.lines = chosen(printed)
		} else {
			s.compare(t, printed)
		}
		text = append(text, "$ "+s.command+"\n"+strings.Join(s.lines, "\n")+"\n")
	}
	if *update {
		replaceBlock(t, block, strings.Join(text, "\n"))
	}
}

// The demonstration needs no root. Lines of both ends come in any order.
func TestTheDemonstrationOfTheREADMEPrintsWhatItShows(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	_, block := samplesOf(t, "$ go build -o iotupd ./cmd/iotupd")
	c := exec.Command("go", "run", "./internal/demo")
	c.Dir = "../.."
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if *update {
		replaceBlock(t, block, string(out))
		return
	}
	if got, want := layouts(string(out)), layouts(block); got != want {
		t.Errorf("the demonstration prints\n%s\nand README.md shows\n%s\nrun this test with -update", got, want)
	}
}

// layouts are the lines of a demonstration, in order.
func layouts(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if _, said, _ := strings.Cut(line, " | "); progressLine.MatchString(said) || strings.HasPrefix(said, "warning: ") || strings.HasPrefix(said, "  try: ") {
			continue // a slow machine
		}
		lines = append(lines, layout(line))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}
