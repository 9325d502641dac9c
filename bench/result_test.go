// SPDX-License-Identifier: GPL-2.0-or-later

package bench

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The result of a seed is the same on every CPU: `make qemu` runs this on
// others.
func TestGoldenResult(t *testing.T) {
	e := small(t)
	e.Seed, e.Receivers, e.Trials = 1, 6, 2
	sim := run(t, e)
	model := run(t, Experiment{
		Mode: Model, Seed: 1, Size: 30_000, ShardSize: shardSize, Receivers: 1000,
		Schemes: e.Schemes[:1], Loss: mustLoss(t, "bernoulli:10%"),
	})
	got := mustJSON(t, []Result{sim, model})
	name := filepath.Join("testdata", "golden.json")
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the result differs from %s; if that is meant, run with -update", name)
	}
}

func TestAResultSurvivesJSON(t *testing.T) {
	want := Result{Format: ResultFormat, Mode: "sim", Rows: []Row{measured(10), measured(7)}}
	var got Result
	if err := json.Unmarshal([]byte(mustJSON(t, want)), &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if err := json.Unmarshal([]byte(`{"rows":[{"sent":{"mean":{"value":"x"}}}]}`), &got); err == nil {
		t.Error("a text for a number is accepted")
	}
}

func TestCompare(t *testing.T) {
	row := func(scheme, x string, low, high float64) Row {
		r := Row{Scheme: scheme, X: x, Loss: "bernoulli:" + x}
		r.Sent.Mean = Estimate{(low + high) / 2, low, high}
		return r
	}
	a := Result{Rows: []Row{row("auto", "1%", 1, 1.5), row("auto", "2%", 1, 1.5), row("loop", "1%", 4, 6), row("loop", "2%", never, never)}}
	b := Result{Rows: []Row{row("loop", "2%", never, never), row("auto", "1%", 1.25, 2.5), row("auto", "2%", 2, 3), row("ideal", "1%", 1, 1)}}
	type brief struct {
		scheme, x string
		a, b      bool
		ratio     float64
		overlap   bool
	}
	want := []brief{
		{"auto", "1%", true, true, 1.5, true},
		{"auto", "2%", true, true, 2, false},
		{"loop", "1%", true, false, 0, false},
		{"loop", "2%", true, true, 0, true},
		{"ideal", "1%", false, true, 0, false},
	}
	var got []brief
	for _, d := range Compare(a, b) {
		got = append(got, brief{d.Scheme, d.X, d.A != nil, d.B != nil, d.Mean.Ratio, d.Mean.Overlap})
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}
}

func TestTheTourIsAValidExperiment(t *testing.T) {
	e := Tour().withDefaults()
	if err := e.validate(); err != nil {
		t.Fatal(err)
	}
	cells, err := e.cells()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(cells), 36; got != want {
		t.Errorf("%d rows, want %d", got, want)
	}
}
