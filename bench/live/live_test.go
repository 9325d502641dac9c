// SPDX-License-Identifier: GPL-2.0-or-later

package live_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"iotupd/bench"
	"iotupd/bench/live"
	"iotupd/bench/simnet"
)

// program is the iotupd under test, built once.
var program string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "iotupd-live-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "iotupd.exe")
	if out, err := exec.Command("go", "build", "-o", program, "iotupd/cmd/iotupd").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build iotupd: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// small is an experiment of some packets, quickly sent, under a loss model.
func small(t *testing.T, loss string) bench.Experiment {
	t.Helper()
	l, err := simnet.ParseLoss(loss)
	if err != nil {
		t.Fatal(err)
	}
	return bench.Experiment{Size: 500_000, Rate: 20e6, Loss: l, Receivers: 2, Seed: 1}
}

// schemes parses a list of them.
func schemes(t *testing.T, list string) []bench.Scheme {
	t.Helper()
	all, err := bench.ParseSchemes(list)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// options returns options for a run on the loopback interface, in a folder that
// is empty again afterwards.
func options(t *testing.T) live.Options {
	if testing.Short() {
		t.Skip("real processes are not short")
	}
	dir := t.TempDir()
	t.Cleanup(func() {
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	})
	return live.Options{Program: program, Dir: dir, OnLoopback: true, Note: func(text string) { t.Log(text) }}
}

// The same sender and receiver, the same file, the same losses: real processes
// need the packets that the simulation predicts, except the manifests, whose
// losses are not known.
func TestSimAndNetAgree(t *testing.T) {
	t.Setenv("IOTUPD_RATE", "64k") // is for people, not for the processes
	for loss, compared := range map[string]string{"bernoulli:10%": "auto,auto:tiny,loop", "gilbert:20%,burst=10": "auto"} {
		t.Run(loss, func(t *testing.T) {
			e := small(t, loss)
			e.Schemes, e.Join = schemes(t, compared), bench.JoinStart
			net := runWithoutOwnDrops(t, e)
			e.Receivers, e.WithBytes = 2, true
			sim, err := e.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(net.Rows) != len(sim.Rows) {
				t.Fatalf("got %d rows, want %d", len(net.Rows), len(sim.Rows))
			}
			for i, want := range sim.Rows {
				got := net.Rows[i]
				t.Logf("%s: net %d of %d done, sent %.4f, received %.4f; sim sent %.4f, received %.4f; own drops %d",
					got.Scheme, got.Completed, got.Trials*got.Receivers, got.Sent.Mean.Value, got.Received.Mean.Value,
					want.Sent.Mean.Value, want.Received.Mean.Value, got.Measured.OwnDrops)
				if got.Scheme != want.Scheme || got.Loss != want.Loss || got.Completed != want.Completed {
					t.Errorf("got %s, %s, %d completed, want %s, %s, %d",
						got.Scheme, got.Loss, got.Completed, want.Scheme, want.Loss, want.Completed)
				}
				within(t, got.Scheme+": packets sent", got.Sent.Mean.Value, want.Sent.Mean)
				within(t, got.Scheme+": packets received", got.Received.Mean.Value, want.Received.Mean)
			}
		})
	}
}

// runWithoutOwnDrops runs an experiment until no socket of this host has dropped
// anything: drops of a busy host do not count as losses of the experiment.
func runWithoutOwnDrops(t *testing.T, e bench.Experiment) (r bench.Result) {
	t.Helper()
	for range 5 {
		r, err := live.Run(t.Context(), e, options(t))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(r.Rows, func(row bench.Row) bool { return row.Measured.OwnDrops > 0 }) {
			return r
		}
	}
	t.Skip("nothing to compare: the sockets of this host drop packets, since it is busy or their buffers are small")
	return r
}

// within wants a figure within the interval of another, or next to it.
func within(t *testing.T, what string, got float64, want bench.Estimate) {
	t.Helper()
	const next = 0.01
	if got < want.Low-next || got > want.High+next {
		t.Errorf("%s: got %v, want %+v", what, got, want)
	}
}

func TestARunMeasuresBothSides(t *testing.T) {
	e := small(t, "bernoulli:30%")
	e.Senders = 2
	var progress []int
	e.Progress = func(done, total int) { progress = append(progress, done, total) }
	r, err := live.Run(t.Context(), e, options(t))
	if err != nil {
		t.Fatal(err)
	}
	row := r.Rows[0]
	m := row.Measured
	t.Logf("%+v", m)
	if row.Completed != 2 || row.Times.All <= 0 || row.Sent.N != 2 {
		t.Errorf("got %+v", row)
	}
	if m == nil || m.EncodeBytesPerSecond <= 0 || m.DecodeBytesPerSecond <= 0 || m.SenderCPUSeconds <= 0 || m.ReceiverCPUSeconds <= 0 {
		t.Errorf("got %+v, want times of both sides", m)
	}
	if r.Mode != "net" || fmt.Sprint(progress) != "[1 1]" {
		t.Errorf("got mode %s and progress %v", r.Mode, progress)
	}
}

func TestReceiversThatAreNotDoneInTimeDoNotCount(t *testing.T) {
	e := small(t, "none")
	e.Rate = 64_000 // takes a minute
	o := options(t)
	o.Timeout = 300 * time.Millisecond
	r, err := live.Run(t.Context(), e, o)
	if err != nil {
		t.Fatal(err)
	}
	if row := r.Rows[0]; row.Completed != 0 || row.Times.All != 0 {
		t.Errorf("got %+v, want nobody done", row)
	}
}

func TestARunEndsWithItsContext(t *testing.T) {
	e := small(t, "none")
	sweep, err := bench.ParseSweep("loss=0,99%") // the second takes minutes
	if err != nil {
		t.Fatal(err)
	}
	e.Sweep = sweep
	stopped := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(t.Context())
	e.Progress = func(done, _ int) {
		if done == 1 {
			time.AfterFunc(200*time.Millisecond, func() { cancel(stopped) })
		}
	}
	r, err := live.Run(ctx, e, options(t))
	if !errors.Is(err, stopped) || len(r.Rows) != 1 {
		t.Errorf("got %d rows and %v, want the first row and %v", len(r.Rows), err, stopped)
	}
}

func TestWhatCannotBeRun(t *testing.T) {
	tests := []struct {
		why    string
		change func(*bench.Experiment, *live.Options)
		want   string
	}{
		{"no code", func(e *bench.Experiment, _ *live.Options) { e.Schemes = schemes(t, "raptorq") }, "no such code"},
		{"an order", func(e *bench.Experiment, _ *live.Options) { e.Schemes = schemes(t, "repeat:2") }, "no order but rows"},
		{"groups", func(e *bench.Experiment, _ *live.Options) { e.Schemes = schemes(t, "gf8:100+50") }, "makes no groups of gf8:87+50"},
		{"too many", func(e *bench.Experiment, _ *live.Options) { e.Receivers = 65 }, "over 64 real processes"},
		{"no program", func(_ *bench.Experiment, o *live.Options) { o.Program += ".missing" }, "no such file"},
		{"no folder", func(_ *bench.Experiment, o *live.Options) { o.Dir += "/missing" }, "no such file"},
		{"a failure", func(_ *bench.Experiment, o *live.Options) { o.Program = "go" }, "recv 0 of trial 0 failed: "},
	}
	for _, test := range tests {
		t.Run(test.why, func(t *testing.T) {
			e, o := small(t, "none"), options(t)
			test.change(&e, &o)
			_, err := live.Run(t.Context(), e, o)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}
