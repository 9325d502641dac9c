// SPDX-License-Identifier: GPL-2.0-or-later

package bench

import (
	"errors"
	"math"
	"strings"
	"testing"
)

// measured is a row of 10 receivers, of which so many completed.
func measured(completed int) Row {
	r := Row{
		Scheme: "auto", X: "5%", Trials: 2, Receivers: 5, Completed: completed,
		Sent: Summary{
			N: 10, Mean: Estimate{1.01, 1.00, 1.02}, P50: Estimate{1.005, 1, 1.01},
			P90: Estimate{1.02, 1.01, 1.03}, P99: Estimate{1.04, 1.03, math.Inf(1)}, Slowest: 1.05,
		},
		Received: Summary{N: 10, Mean: Estimate{1.011, 1, 1.02}},
		Times:    Times{All: 75},
		Overhead: 0.004,
	}
	if completed < 10 {
		r.Sent.Mean.Value, r.Sent.Slowest, r.Times.All = math.Inf(1), math.Inf(1), 0
	}
	return r
}

func TestRequirements(t *testing.T) {
	tests := []struct {
		text      string
		all, some bool // met if all completed, or not
	}{
		{"mean<1.02", true, false},
		{"mean<=1.01", true, false},
		{"mean<1.01", false, false},
		{"mean > 1", true, true},
		{"p50<1.01", true, true},
		{"p90<=1.02", true, true},
		{"p99<=1.05", true, true},
		{"p99<=1.03", false, false},
		{"slowest<1.06", true, false},
		{"received>=1.011", true, true},
		{"completed>=100%", true, false},
		{"completed>=50%", true, true},
		{"overhead<0.5%", true, true},
		{"time<=75s", true, false},
		{"time<1m", false, false},
	}
	for _, test := range tests {
		q, err := ParseRequirement(test.text)
		if err != nil {
			t.Error(err)
			continue
		}
		if all, some := q.Met(measured(10)), q.Met(measured(7)); all != test.all || some != test.some {
			t.Errorf("%s: got %v, %v, want %v, %v", q, all, some, test.all, test.some)
		}
	}
}

func TestARequirementNamesTheRowsThatMissIt(t *testing.T) {
	q, err := ParseRequirement("p99<=1.03")
	if err != nil {
		t.Fatal(err)
	}
	good := measured(10)
	good.Sent.P99.Value = 1.03
	r := Result{Parameter: "loss", Rows: []Row{good, measured(10)}}
	const want = "bench: requirement p99<=1.03: not met by 1 of 2 rows: auto at loss=5%: 1.04"
	if err := q.Check(r); !errors.Is(err, ErrRequirement) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := q.Check(Result{Rows: r.Rows[:1]}); err != nil {
		t.Errorf("one good row: got %v", err)
	}
	if err := q.Check(Result{}); !errors.Is(err, ErrRequirement) {
		t.Errorf("no row: got %v, want ErrRequirement", err)
	}
}

func TestRequirementErrorsSayWhatThereIs(t *testing.T) {
	tests := map[string]string{
		"":                RequirementForms,
		"p99":             RequirementForms,
		"p99=1.05":        RequirementForms,
		"median<1":        RequirementForms,
		"p99<=fast":       "number",
		"p99<=NaN":        "number",
		"p99<=Inf":        "number",
		"completed>=1":    "percent sign",
		"completed>=half": "percent",
		"time<=10":        "90s",
	}
	for in, want := range tests {
		if _, err := ParseRequirement(in); !errors.Is(err, ErrRequirement) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want an ErrRequirement with %q", in, err, want)
		}
	}
}

func TestARequirementCautionsOfFewReceivers(t *testing.T) {
	tests := []struct {
		require   string
		receivers int
		want      string
	}{
		{"p99<=1.5", 10, "p99<=1.5: p99 of 10 receivers is just the slowest; take --receivers 400"},
		{"p99<=1.5", 200, "p99<=1.5: p99 of 200 receivers has no bound of confidence; take --receivers 400"},
		{"p99<=1.5", 400, ""},
		{"p99>=1", 10, ""},
		{"p90<2", 35, "p90<2: p90 of 35 receivers has no bound of confidence; take --receivers 40"},
		{"p90<2", 40, ""},
		{"p50<2", 10, ""},
		{"p50>1", 3, "p50>1: p50 of 3 receivers has no bound of confidence; take --receivers 10"},
		{"mean<2", 2, ""},
		{"slowest<2", 1, ""},
	}
	for _, test := range tests {
		q, err := ParseRequirement(test.require)
		if err != nil {
			t.Fatal(err)
		}
		r := run(t, Experiment{Size: 20_000, Schemes: mustSchemes(t, "loop"), Loss: mustLoss(t, "bernoulli:10%"), Receivers: test.receivers})
		if got := q.Caution(r); got != test.want {
			t.Errorf("%s with %d receivers: got %q, want %q", test.require, test.receivers, got, test.want)
		}
	}
}
