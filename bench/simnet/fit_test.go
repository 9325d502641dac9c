// SPDX-License-Identifier: GPL-2.0-or-later

package simnet

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

// record returns what happens to n packets.
func record(t testing.TB, loss string, key Key, n int) *Trace {
	t.Helper()
	s := mustRead(t, loss).Stream(key)
	trace := new(Trace)
	for range n {
		add := trace.AddReceived
		if s.Lost() {
			add = trace.AddLost
		}
		if err := add(1); err != nil {
			t.Fatal(err)
		}
	}
	return trace
}

// traceOf returns the trace of a text of . for received and X for lost packets.
func traceOf(text string) *Trace {
	trace := new(Trace)
	for _, c := range text {
		if c == 'X' {
			trace.AddLost(1)
		} else {
			trace.AddReceived(1)
		}
	}
	return trace
}

func kindOf(l Loss) string {
	kind, _, _ := strings.Cut(l.String(), ":")
	return kind
}

// choose takes the simplest model whose AIC is within 2 of the lowest.
func choose(results []FitResult) Loss {
	var chosen Loss
	for _, kind := range []string{"ge", "gilbert", "bernoulli"} {
		for _, r := range results {
			if kindOf(r.Loss) == kind && r.AIC < results[0].AIC+2 {
				chosen = r.Loss
			}
		}
	}
	return chosen
}

// The model that made a long trace is found, and its parameters to within 5
// standard errors, as 16 such traces have them.
func TestFitFindsTheModel(t *testing.T) {
	const n = 100_000
	const elliott = "ge:p=%f%%,r=%f%%,h=%f%%,k=%f%%"
	tests := []struct {
		loss, format string
		want, sigma  []float64 // of the parameters
	}{
		{"bernoulli:5%", "bernoulli:%f%%", []float64{5}, []float64{0.069}},
		{"gilbert:10%,burst=5", "gilbert:%f%%,burst=%f", []float64{10, 5}, []float64{0.21, 0.09}},
		{"gilbert:1%,burst=20", "gilbert:%f%%,burst=%f", []float64{1, 20}, []float64{0.21, 2.5}},
		{"ge:p=1%,r=10%,h=50%,k=99.9%", elliott, []float64{1, 10, 50, 99.9}, []float64{0.047, 0.43, 0.57, 0.022}},
		{"ge:p=0.1%,r=1%,h=60%,k=99%", elliott, []float64{0.1, 1, 60, 99}, []float64{0.008, 0.097, 0.58, 0.026}},
		{"ge:p=0.5%,r=5%,h=0%,k=98%", elliott, []float64{0.5, 5, 0, 98}, []float64{0.02, 0.23, 0.01, 0.045}},
	}
	for _, test := range tests {
		chosen := choose(Fit(record(t, test.loss, Key{Seed: 100}, n)))
		got := make([]float64, len(test.want))
		var pointers []any
		for i := range got {
			pointers = append(pointers, &got[i])
		}
		if _, err := fmt.Sscanf(chosen.String(), test.format, pointers...); err != nil {
			t.Errorf("%s: got %v: %v", test.loss, chosen, err)
			continue
		}
		for i := range got {
			if math.Abs(got[i]-test.want[i]) > 5*test.sigma[i] {
				t.Errorf("%s: got %v, with %v not within 5*%v of %v", test.loss, chosen, got[i], test.sigma[i], test.want[i])
			}
		}
	}
}

func TestFitOfSmallTraces(t *testing.T) {
	for trace, want := range map[string]string{
		"":                                     "",
		".":                                    "bernoulli:0%",
		"XX":                                   "bernoulli:100%",
		"...X":                                 "bernoulli:25%", // whether the burst would end is unknown
		"XX..":                                 "bernoulli:50%", // so is when the next one would begin
		"..XX....":                             "bernoulli:25%",
		".X.X.X.X.X.X.X":                       "gilbert:50%,burst=1",
		"......XXXXXX......XXXXXX......XXXXXX": "gilbert:58.6207%,burst=8.5", // 3 of 18 and 2 of 17 are followed by a change
	} {
		got := ""
		if results := Fit(traceOf(trace)); len(results) > 0 {
			got = results[0].Loss.String()
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", trace, got, want)
		}
	}
}

// Each likelihood equals the product over the outcomes, packet by packet, under
// the model that is returned.
func TestFitReturnsTheLikelihood(t *testing.T) {
	for _, trace := range []*Trace{
		traceOf("..XX.X....XXX........X......XX"),
		traceOf("X..X.XX"),
		traceOf(strings.Repeat(".", 3000) + strings.Repeat("X", 2000) + strings.Repeat(".", 5000)),
		record(t, "ge:p=1%,r=10%,h=50%,k=99.9%", Key{}, 5000),
	} {
		results := Fit(trace)
		if len(results) != 3 {
			t.Fatalf("got %v, want three models", results)
		}
		parameters := map[string]float64{"bernoulli": 1, "gilbert": 2, "ge": 4}
		for i, r := range results {
			want := logLikelihood(t, r.Loss, trace)
			if math.Abs(r.LogLikelihood-want) > 1e-4*(1-want) {
				t.Errorf("%v: log-likelihood is %v, want %v", r.Loss, r.LogLikelihood, want)
			}
			if want := 2 * (parameters[kindOf(r.Loss)] - r.LogLikelihood); r.AIC != want {
				t.Errorf("%v: AIC is %v, want %v", r.Loss, r.AIC, want)
			}
			if i > 0 && r.AIC < results[i-1].AIC {
				t.Errorf("%v has a lower AIC than %v ahead of it", r.Loss, results[i-1].Loss)
			}
		}
	}
}

// logLikelihood weighs both states packet by packet, from the thresholds of l.
func logLikelihood(t *testing.T, l Loss, trace *Trace) float64 {
	ratio := func(threshold uint64) float64 { return float64(threshold) / (1 << 63) }
	var loss, move [2]float64
	var bad float64
	switch p := l.start(newSource(Key{}, lossDomain)).(type) {
	case *chain: // the state is what became of the packet before
		loss = [2]float64{ratio(p.afterReceived), ratio(p.afterLost)}
		bad = loss[0] / (loss[0] + 1 - loss[1])
	case *elliott:
		loss, move, bad = [2]float64{ratio(p.loss[0]), ratio(p.loss[1])}, [2]float64{ratio(p.move[0]), ratio(p.move[1])}, ratio(p.begin)
	}
	_, hidden := l.start(newSource(Key{}, lossDomain)).(*elliott)
	likelihood := 0.0
	for i, n := range trace.runs() {
		for range n {
			a := [2]float64{(1 - bad) * loss[0], bad * loss[1]}
			if i%2 == 0 {
				a = [2]float64{(1 - bad) * (1 - loss[0]), bad * (1 - loss[1])}
			}
			sum := a[0] + a[1]
			likelihood += math.Log(sum)
			bad = a[0]/sum*move[0] + a[1]/sum*(1-move[1])
			if !hidden {
				bad = float64(i % 2)
			}
		}
	}
	return likelihood
}

// Every round of the search climbs, from wherever it begins.
func TestImproveClimbs(t *testing.T) {
	trace := record(t, "ge:p=2%,r=10%,h=40%,k=99%", Key{Seed: 2}, 20_000)
	e := newExpectation(trace)
	for _, m := range []hidden{
		{move: [2]float64{0.1, 0.1}, loss: [2]float64{0.1, 0.9}},
		{move: [2]float64{0.5, 0.001}, loss: [2]float64{0.9, 0.01}},
		{move: [2]float64{1, 1}, loss: [2]float64{0.5, 0.6}},
	} {
		last := math.Inf(-1)
		for round := range 50 {
			next, likelihood := e.improve(m)
			if likelihood < last-0.1 { // the first packet's share is not optimized
				t.Errorf("round %d fell from %v to %v", round, last, likelihood)
			}
			m, last = next, likelihood
		}
	}
}

// A trace can hold 2^40 packets, and its fit does no work for each of them.
func TestFitOfVeryLongRuns(t *testing.T) {
	trace := new(Trace)
	for range 10 {
		trace.AddReceived(1 << 36)
		trace.AddLost(1 << 34)
	}
	for _, r := range Fit(trace) {
		if math.IsNaN(r.AIC) || math.IsInf(r.AIC, 0) {
			t.Errorf("%v has AIC %v", r.Loss, r.AIC)
		}
	}
}

func BenchmarkFit(b *testing.B) {
	trace := record(b, "ge:p=1%,r=10%,h=50%,k=99.9%", Key{}, 300_000)
	b.ReportAllocs()
	for b.Loop() {
		Fit(trace)
	}
	b.ReportMetric(float64(len(trace.ends)/2), "bursts")
}
