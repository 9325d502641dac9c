// SPDX-License-Identifier: GPL-2.0-or-later

package report

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"

	"iotupd/bench"
)

var update = flag.Bool("update", false, "rewrite the golden files: look at every difference")

var fixtures = []struct {
	name   string
	result bench.Result
	plots  []string // with a golden file
}{
	{"loss", lossSweep(), []string{"completion", "distribution-1"}},
	{"burst", burstSweep(), []string{"p99"}},
	{"senders", senderSweep(), []string{"speedup"}},
	{"size", sizeSweep(), []string{"time"}},
	{"net", oneNet(), []string{"schemes"}},
	{"pollution", pollution(), []string{"completion"}},
	{"layers", layers(), []string{"completion"}},
	{"set", set(), []string{"distribution-2"}},
}

// The same Result gives the same bytes on every CPU. The golden files are also
// compared on emulated ones, without and with fused multiplication.
func TestGolden(t *testing.T) {
	for _, f := range fixtures {
		t.Run(f.name, func(t *testing.T) {
			golden(t, f.name+".txt", written(t, func(w io.Writer) error { return Table(w, f.result, 80) }))
			golden(t, f.name+".md", written(t, func(w io.Writer) error { return Markdown(w, f.result) }))
			golden(t, f.name+".csv", written(t, func(w io.Writer) error { return CSV(w, f.result) }))
			golden(t, f.name+".json", written(t, func(w io.Writer) error { return JSON(w, f.result) }))
			plots := make(map[string]Plot)
			for _, p := range Plots(f.result) {
				plots[p.Name] = p
			}
			for _, name := range f.plots {
				golden(t, f.name+"-"+name+".svg", plots[name].SVG())
			}
		})
	}
}

func written(t *testing.T, write func(io.Writer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	name = filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; -update rewrites it", name)
	}
}
