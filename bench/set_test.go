// SPDX-License-Identifier: GPL-2.0-or-later

package bench

import (
	"errors"
	"math"
	"reflect"
	"slices"
	"testing"

	"iotupd/sender"
)

func mustObjects(t testing.TB, list string) []ObjectSize {
	t.Helper()
	all, err := ParseObjects(list)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func runSet(t *testing.T, e Set) map[Want]map[string]Row {
	t.Helper()
	setDefault(&e.Seed, *seedFlag)
	r, err := e.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[Want]map[string]Row)
	for _, row := range r.Rows {
		if rows[Want(row.X)] == nil {
			rows[Want(row.X)] = make(map[string]Row)
		}
		rows[Want(row.X)][row.Scheme] = row
		if row.Completed != row.Trials*row.Receivers {
			t.Errorf("%s, %s: %d of %d receivers are done", row.X, row.Scheme, row.Completed, row.Trials*row.Receivers)
		}
	}
	return rows
}

func TestEachShareIsBestInItsCaseAndNearTheOptimum(t *testing.T) {
	// "Three ways to share the rate are useful." spec.md 6.5
	rows := runSet(t, Set{
		Experiment: Experiment{Loss: mustLoss(t, "bernoulli:5%"), Receivers: 60},
		Objects:    mustObjects(t, "300K:4,1M,3M:2,10M"),
	})
	for want, best := range map[Want]string{WantOneRandom: "sqrt", WantOneStart: "shortest", WantAll: "size"} {
		optimum := rows[want][best].Set.Constant
		if want == WantOneStart {
			optimum = rows[want][best].Set.Optimum
		}
		got := rows[want][best].Sent.Mean.Value
		if got < 0.98*optimum || got > 1.1*optimum {
			t.Errorf("%s, %s: the mean is %.3f, want about %.3f", want, best, got, optimum)
		}
		for share, row := range rows[want] {
			if mean := row.Sent.Mean.Value; share != best && mean < got || mean < row.Set.Optimum {
				t.Errorf("%s: the mean is %.3f with %s, %.3f with %s, and at least %.3f", want, got, best, mean, share, row.Set.Optimum)
			}
			if row.Received.Mean.Value > 1.02 {
				t.Errorf("%s, %s: %.3f packets received for one that was needed", want, share, row.Received.Mean.Value)
			}
		}
	}
}

func demandOf(need ...float64) *demand {
	d := &demand{need: need}
	for _, n := range need {
		d.packets += n
		d.wanted = append(d.wanted, 1/float64(len(need)))
	}
	return d
}

func TestTheOptimaAreTheOnesOfTheFormulas(t *testing.T) {
	equal := demandOf(slices.Repeat([]float64{7}, 10)...)
	var steps []float64 // ten files of 100 KiB to 1 GiB
	for i := range 10 {
		steps = append(steps, 100*math.Pow(1<<20/100., float64(i)/9))
	}
	for _, test := range []struct {
		what      string
		got, want float64
	}{
		{"equal files, random", equal.random(), 0.1 * (1/0.2 + 1 - 0.05)},
		{"equal files, constant", equal.constant(), 1},
		{"equal files, start", equal.turns(), 0.55},
		{"equal files, all", equal.all(), 1},
		{"two files, constant", demandOf(1, 9).constant(), 0.5 * (1 + 3) * (1 + 3) / 10},
		{"two files, start", demandOf(9, 1).turns(), (1. + 10) / 2 / 10},
		{"one file, random", demandOf(5).random(), 1},
		{"ten steps, constant", demandOf(steps...).constant(), 0.39},
		{"ten steps, start", demandOf(steps...).turns(), 0.16},
	} {
		if math.Abs(test.got-test.want) > 0.006 {
			t.Errorf("%s: got %.4f, want %.4f", test.what, test.got, test.want)
		}
	}
	// No other shares make the sum less.
	d := demandOf(1, 4, 20)
	best := math.Inf(1)
	for i := range 100 {
		for j := range 100 - i {
			sum := 0.0
			for k, f := range []float64{float64(i) / 100, float64(j) / 100, float64(100-i-j) / 100} {
				sum += d.wanted[k] * d.need[k] * (1/(2*f) + 1 - f/2)
			}
			best = min(best, sum/d.packets)
		}
	}
	if got := d.random(); got > best || got < best-0.002 {
		t.Errorf("got %.4f, and by trial %.4f", got, best)
	}
}

func TestReceiversWantObjectsByWeight(t *testing.T) {
	e := Set{Experiment: Experiment{Receivers: 100, Trials: 2, Seed: *seedFlag}.withDefaults(), Objects: mustObjects(t, "100K:7,200K:2,300K")}
	c, err := e.cell(WantOneRandom, sender.ShareSqrt)
	if err != nil {
		t.Fatal(err)
	}
	for trial := range 2 {
		counts := make([]int, 3)
		for _, wanted := range c.mixture.wanted[100*trial:][:100] {
			counts[wanted[0]]++
		}
		for i, want := range []int{70, 20, 10} {
			if counts[i] < want-2 || counts[i] > want+2 {
				t.Errorf("trial %d: object %d is wanted by %d of 100, want about %d", trial, i, counts[i], want)
			}
		}
	}
}

func TestASetOfRealBytesTakesAsManyPackets(t *testing.T) {
	e := Set{Experiment: Experiment{Loss: mustLoss(t, "bernoulli:10%"), Receivers: 6}, Objects: mustObjects(t, "20K,60K,200K")}
	headers := runSet(t, e)
	e.WithBytes = true
	for want, rows := range runSet(t, e) {
		for share, row := range rows {
			if got, want := row.Sent.Mean.Value, headers[want][share].Sent.Mean.Value; math.Abs(got-want) > 0.15*want {
				t.Errorf("%s, %s: the mean is %.3f with bytes, and %.3f without", row.X, share, got, want)
			}
		}
	}
}

func TestSetsAreTheSameOnAnyNumberOfCores(t *testing.T) {
	e := Set{Experiment: Experiment{Loss: mustLoss(t, "gilbert:10%,burst=3"), Receivers: 40}, Objects: mustObjects(t, "20K*2,100K")}
	e.Parallel = 1
	one := runSet(t, e)
	e.Parallel = 3
	if three := runSet(t, e); !reflect.DeepEqual(one, three) {
		t.Errorf("with one goroutine %+v, with three %+v", one, three)
	}
}

func TestObjectsOfASetAreRead(t *testing.T) {
	got := mustObjects(t, "1M*2,300K:2.5,1:1e6")
	want := []ObjectSize{{1 << 20, 1}, {1 << 20, 1}, {300 << 10, 2.5}, {1, 1e6}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if text := formatObjects(got); text != "1M*2,300K:2.5,1:1e+06" || !slices.Equal(mustObjects(t, text), want) {
		t.Errorf("written as %s", text)
	}
	for _, list := range []string{"", "1M,", "0", "1M*0", "1M*-1", "1M*x", "1M:0", "1M:-1", "1M:NaN", "1M:2e6", "1M*17", "1M*16,1M", "1M*9999999999", "x*2", "1M:1*2"} {
		if all, err := ParseObjects(list); !errors.Is(err, ErrExperiment) {
			t.Errorf("%q: got %v, %v, want it to be refused", list, all, err)
		}
	}
}

func TestSetsThatCannotBeSimulatedAreRefused(t *testing.T) {
	for name, change := range map[string]func(*Set){
		"one object": func(e *Set) { e.Objects = e.Objects[:1] },
		"too many":   func(e *Set) { e.Objects = slices.Repeat(e.Objects, 9) },
		"empty file": func(e *Set) { e.Objects[0].Size = 0 },
		"large file": func(e *Set) { e.Objects[0].Size = 1 << 40 },
		"weight":     func(e *Set) { e.Objects[0].Weight = -1 },
		"share":      func(e *Set) { e.Shares = []sender.Share{7} },
		"senders":    func(e *Set) { e.Senders = 2 },
		"mode":       func(e *Set) { e.Mode = Model },
		"scheme":     func(e *Set) { e.Schemes = mustSchemes(t, "ideal") },
		"order":      func(e *Set) { e.Schemes = mustSchemes(t, "auto,order=plain") },
		"sweep":      func(e *Set) { e.Sweep = mustSweep(t, "loss=0,1%") },
		"bytes":      func(e *Set) { e.WithBytes, e.Objects[0].Size = true, maxBytes },
	} {
		e := Set{Objects: mustObjects(t, "100K,200K")}
		change(&e)
		if _, err := e.Run(t.Context()); !errors.Is(err, ErrExperiment) {
			t.Errorf("%s: %v, want it to be refused", name, err)
		}
	}
}
