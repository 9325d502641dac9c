// SPDX-License-Identifier: GPL-2.0-or-later

package report

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var provenance = Provenance{
	Command:     []string{"iotupd", "bench", "--sweep", "loss=1%,10%", "--out", "it's here"},
	Environment: []string{"IOTUPD_SEED=1"},
	Program:     "v1.0.0", Go: "go1.26", System: "linux/amd64", CPU: "a <fast> CPU", CPUs: 2,
	Started: time.Date(2026, 3, 1, 12, 30, 0, 0, time.UTC), Took: 11700 * time.Millisecond,
}

const commandLine = `IOTUPD_SEED=1 iotupd bench --sweep loss=1%,10% --out 'it'\''s here'`

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// A directory holds everything, and after another run only what belongs to it;
// what is not ours stays.
func TestWriteDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "out")
	if err := WriteDir(dir, senderSweep(), provenance); err != nil {
		t.Fatal(err)
	}
	want := []string{"completion.svg", "distribution-1.svg", "distribution-2.svg", "p99.svg", "report.html",
		"result.csv", "result.json", "run.json", "slowest.svg", "speedup.svg", "time.svg"}
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := WriteDir(dir, oneNet(), provenance); err != nil {
		t.Fatal(err)
	}
	want = []string{"distribution-1.svg", "notes.txt", "report.html", "result.csv", "result.json", "run.json", "schemes.svg"}
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Errorf("after another run: got %v, want %v", got, want)
	}
	f, err := os.Open(filepath.Join(dir, "result.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if r, err := ReadJSON(f); err != nil || r.Mode != "net" {
		t.Errorf("result.json is of mode %q, %v; want net", r.Mode, err)
	}
}

// run.json and the page have the provenance; no other file does.
func TestProvenance(t *testing.T) {
	dir := t.TempDir()
	if err := WriteDir(dir, lossSweep(), provenance); err != nil {
		t.Fatal(err)
	}
	for _, name := range names(t, dir) {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		has := bytes.Contains(content, []byte("2026-03-01T12:30:00Z")) && bytes.Contains(content, []byte("v1.0.0"))
		if want := name == "run.json" || name == "report.html"; has != want {
			t.Errorf("%s has date and version: %v, want %v", name, has, want)
		}
		if name == "report.html" && !bytes.Contains(content, []byte(escape(commandLine))) {
			t.Errorf("the page does not hold %s", commandLine)
		}
		if name == "run.json" {
			var about run
			if err := json.Unmarshal(content, &about); err != nil || about.CommandLine != commandLine || about.Seconds != 11.7 {
				t.Errorf("run.json: %+v, %v", about, err)
			}
		}
	}
}

// Somebody's own report is not overwritten, and nothing else is written then.
func TestWriteDirRefusesForeignFiles(t *testing.T) {
	dir := t.TempDir()
	foreign := filepath.Join(dir, "report.html")
	for _, run := range []string{"", "{}"} {
		if err := os.WriteFile(foreign, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		if run != "" {
			if err := os.WriteFile(filepath.Join(dir, "run.json"), []byte(run), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		before := names(t, dir)
		err := WriteDir(dir, lossSweep(), provenance)
		if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "another directory") {
			t.Errorf("got %v, want an error that names the file and what to do", err)
		}
		if after := names(t, dir); !slices.Equal(before, after) {
			t.Errorf("there are %v, want %v", after, before)
		}
	}
}

// An error says which file and why, and leaves no temporary file behind.
func TestCheckDir(t *testing.T) {
	dir := t.TempDir()
	if err := CheckDir(filepath.Join(dir, "missing")); err != nil {
		t.Errorf("without a directory: got %v", err)
	}
	foreign := filepath.Join(dir, "distribution-2.svg") // a later run could remove it as its own
	if err := os.WriteFile(foreign, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := CheckDir(dir); err == nil || !strings.Contains(err.Error(), foreign+" exists") {
		t.Errorf("with a foreign plot: got %v, want that it exists", err)
	}
	if err := os.Remove(foreign); err != nil {
		t.Fatal(err)
	}
	if err := WriteDir(dir, oneNet(), Provenance{}); err != nil {
		t.Fatal(err)
	}
	if err := CheckDir(dir); err != nil {
		t.Errorf("with an earlier result: got %v", err)
	}
}

func TestCaveatsOfRows(t *testing.T) {
	r := oneNet()
	r.Parameters = append(r.Parameters, "join=random")
	r.Rows[0].Loss = "mix:50%*trace:x+50%*none"
	notes := strings.Join(newGrid(r).notes(), " ")
	for _, want := range []string{"compare with the row ideal", "repeat one trace", "same place of the loop", "encode is the file", "256 packets"} {
		if !strings.Contains(notes, want) {
			t.Errorf("the notes lack %q: %s", want, notes)
		}
	}
	for loss, want := range map[string]bool{"none": true, "bernoulli:5%": true, "mix:50%*none+50%*bernoulli:1%": true,
		"gilbert:5%,burst=3": false, "mix:50%*none+50%*ge:p=1%": false, "periodic:20": false} {
		if got := independent(loss); got != want {
			t.Errorf("independent(%q): got %v, want %v", loss, got, want)
		}
	}
}

func TestWriteDirErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := WriteDir(file, lossSweep(), provenance); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v, want an error about %s", err, file)
	}
	out := filepath.Join(dir, "out")
	if err := WriteDir(out, lossSweep(), provenance); err != nil {
		t.Fatal(err)
	}
	blocked := filepath.Join(out, "report.html")
	if err := os.Remove(blocked); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(blocked, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	before := names(t, out)
	if err := WriteDir(out, lossSweep(), provenance); err == nil || !strings.Contains(err.Error(), blocked) {
		t.Errorf("got %v, want an error about %s", err, blocked)
	}
	if after := names(t, out); !slices.Equal(before, after) {
		t.Errorf("there are %v, want %v", after, before)
	}
}
