// SPDX-License-Identifier: GPL-2.0-or-later

package bench

import (
	"errors"
	"reflect"
	"testing"
	"time"
)

// slow is a fast simulation: a tenth of the default rates, a small file.
func slow() Layers {
	return Layers{
		Experiment:  Experiment{Rate: 200_000, Size: 1 << 20, Receivers: 4, Seed: 1},
		Bottlenecks: []int64{250_000, 500_000, 1_000_000, 4_000_000},
		Time:        5 * time.Minute,
	}
}

func runLayers(t *testing.T, e Layers) []Row {
	t.Helper()
	r, err := e.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r.Rows
}

// wantSettled fails unless all receivers are done and spend at least a share of
// their time at the level that their bottleneck carries.
func wantSettled(t *testing.T, r Row, share float64) {
	t.Helper()
	if r.Completed != r.Trials*r.Receivers {
		t.Errorf("%s: %d of %d receivers starved", r.X, r.Trials*r.Receivers-r.Completed, r.Trials*r.Receivers)
	}
	if got := r.Layered.Levels[r.Layered.Carries]; got < share {
		t.Errorf("%s: %.3f of the time at level %d, want at least %.3f: %+v", r.X, got, r.Layered.Carries, share, *r.Layered)
	}
}

func TestReceiversWithDifferentLinksFindTheirLevels(t *testing.T) {
	carries := []int{0, 1, 2, 3}
	for i, r := range runLayers(t, slow()) {
		if r.Layered.Carries != carries[i] {
			t.Errorf("%s carries level %d, want %d", r.X, r.Layered.Carries, carries[i])
		}
		wantSettled(t, r, 0.98)
		if r.Received.Mean.Value > 1.1 {
			t.Errorf("%s: %.3f packets received for one that was needed", r.X, r.Received.Mean.Value)
		}
	}
}

func TestRandomLossDoesNotCountAsCongestion(t *testing.T) {
	// "a trial distinguishes the two, and up to 5 % of random loss is tolerated"
	// spec.md 10.3
	for _, loss := range []string{"bernoulli:1%", "bernoulli:3%"} {
		e := slow()
		e.Loss = mustLoss(t, loss)
		for _, r := range runLayers(t, e) {
			wantSettled(t, r, 0.95)
		}
	}
}

func TestReceiversBehindOneBottleneckDoNotMisleadEachOther(t *testing.T) {
	// "So it leaves at once, and the others wait for longer than that" spec.md
	// 10.3
	for _, sharing := range []int{2, 10} {
		e := slow()
		e.Sharing, e.Receivers, e.Bottlenecks = sharing, sharing, []int64{500_000, 1_000_000}
		for _, r := range runLayers(t, e) {
			wantSettled(t, r, 0.95)
		}
	}
}

func TestReceiversOfSeveralSendersHaveOneLevel(t *testing.T) {
	e := slow()
	e.Senders, e.Bottlenecks = 2, []int64{500_000, 1_100_000, 8_000_000}
	for i, r := range runLayers(t, e) {
		if want := []int{0, 1, 3}[i]; r.Layered.Carries != want {
			t.Errorf("%s carries level %d of two senders, want %d", r.X, r.Layered.Carries, want)
		}
		wantSettled(t, r, 0.9)
	}
}

func TestALinkThatCarriesNothingIsRelieved(t *testing.T) {
	// "If on layer 0 the windows of every path had more than 50 % of loss for 30 s,
	// a receiver leaves all layers" spec.md 10.3. It finishes all the same.
	e := slow()
	e.Bottlenecks = []int64{80_000}
	r := runLayers(t, e)[0]
	if r.Completed != r.Receivers || r.Layered.Off < 0.4 {
		t.Errorf("%d of %d receivers done, off for %.2f of the time", r.Completed, r.Receivers, r.Layered.Off)
	}
}

func TestLayersAreTheSameOnAnyNumberOfCores(t *testing.T) {
	e := slow()
	e.Receivers, e.Bottlenecks, e.Loss = 20, []int64{1_000_000}, mustLoss(t, "gilbert:2%,burst=3")
	e.Parallel = 1
	one := runLayers(t, e)
	e.Parallel = 3
	if three := runLayers(t, e); !reflect.DeepEqual(one, three) {
		t.Errorf("with one goroutine %+v, with three %+v", one, three)
	}
}

func TestLayersThatCannotBeSimulatedAreRefused(t *testing.T) {
	for name, change := range map[string]func(*Layers){
		"layers":     func(e *Layers) { e.Layers = 17 },
		"rates":      func(e *Layers) { e.Layers, e.Rate = 16, 1_000_000_000 },
		"bottleneck": func(e *Layers) { e.Bottlenecks = []int64{1} },
		"time":       func(e *Layers) { e.Time = settling },
		"sharing":    func(e *Layers) { e.Sharing = -1 },
		"crowd":      func(e *Layers) { e.Sharing = maxSharing + 1 },
		"queue":      func(e *Layers) { e.Queue = 99999 * time.Hour },
		"packets":    func(e *Layers) { e.Queue, e.Bottlenecks = maxQueue, []int64{1_000_000_000_000} },
		"mode":       func(e *Layers) { e.Mode = Model },
		"bytes":      func(e *Layers) { e.WithBytes = true },
		"scheme":     func(e *Layers) { e.Schemes = mustSchemes(t, "ideal") },
		"order":      func(e *Layers) { e.Schemes = mustSchemes(t, "auto,order=plain") },
		"repeat":     func(e *Layers) { e.Schemes = mustSchemes(t, "repeat:2") },
		"sweep":      func(e *Layers) { e.Sweep = mustSweep(t, "loss=0,1%") },
	} {
		e := slow()
		change(&e)
		if _, err := e.Run(t.Context()); !errors.Is(err, ErrExperiment) {
			t.Errorf("%s: %v, want it to be refused", name, err)
		}
	}
}
