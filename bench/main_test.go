// SPDX-License-Identifier: GPL-2.0-or-later

package bench

import (
	"encoding/json"
	"flag"
	"math"
	"os"
	"testing"

	"iotupd/bench/simnet"
	"iotupd/internal/leak"
)

// Every test has a seed of its own that makes it pass or fail for good; another
// one may fail a statistical test once in a few thousand times.
var seedFlag = flag.Uint64("seed", 1, "run the simulations with this `seed`")

func TestMain(m *testing.M) { os.Exit(leak.Main(m)) }

func mustLoss(t testing.TB, s string) simnet.Loss {
	t.Helper()
	l, err := simnet.ParseLoss(s)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustSchemes(t testing.TB, list string) []Scheme {
	t.Helper()
	all, err := ParseSchemes(list)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func mustSweep(t testing.TB, s string) Sweep {
	t.Helper()
	w, err := ParseSweep(s)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// run runs an experiment whose seed is the flag's unless it has one.
func run(t testing.TB, e Experiment) Result {
	t.Helper()
	if e.Seed == 0 {
		e.Seed = *seedFlag
	}
	r, err := e.Run(t.Context())
	if err != nil {
		t.Fatalf("-seed=%d: %v", e.Seed, err)
	}
	return r
}

// skipIfShort skips what takes many packets.
func skipIfShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes many packets; run without -short")
	}
}

// runOne is run of an experiment with a single row.
func runOne(t testing.TB, e Experiment) Row {
	t.Helper()
	rows := run(t, e).Rows
	if len(rows) != 1 {
		t.Fatalf("%d rows, want 1", len(rows))
	}
	return rows[0]
}

func mustJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.MarshalIndent(v, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	return string(b) + "\n"
}

// wantNear fails unless got is within slack of want, or its interval, widened
// to 99.9 %, holds want.
func wantNear(t *testing.T, what string, got Estimate, want, slack float64) {
	t.Helper()
	const widen = 3.291 / 1.960
	low, high := got.Value-widen*(got.Value-got.Low), got.Value+widen*(got.High-got.Value)
	if math.Abs(got.Value-want) > slack && (want < low || want > high) {
		t.Errorf("-seed=%d: %s: got %.4f, 99.9 %% from %.4f to %.4f, want %.4f", *seedFlag, what, got.Value, low, high, want)
	}
}
