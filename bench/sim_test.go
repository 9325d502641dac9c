// SPDX-License-Identifier: GPL-2.0-or-later

package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"iotupd/bench/simnet"
	"iotupd/proto"
)

const shardSize = proto.MinShardSize

func TestSimulationAgreesWithTheExactModel(t *testing.T) {
	skipIfShort(t)
	e := Experiment{
		Size: 13 * 128 * shardSize, ShardSize: shardSize,
		Schemes:   mustSchemes(t, "gf8:128+128,gf8:128+32,gf16:1664+1664,gf8:128+128,order=plain,loop,repeat:3,raptorq,ideal"),
		Sweep:     mustSweep(t, "loss=1%,10%,30%"),
		Receivers: 150,
	}
	sim := run(t, e)
	e.Mode = Model
	model := run(t, e)
	for i, m := range model.Rows {
		s := sim.Rows[i]
		name := m.Scheme + " at " + m.X
		if s.Completed != e.Receivers {
			t.Errorf("%s: %d of %d receivers completed", name, s.Completed, e.Receivers)
		}
		// A manifest may be lost while a loop passes, and a late receiver may
		// wait for G-1 packets more: model.
		const wait = 13.0 / (13 * 128)
		wantNear(t, name+", mean", s.Sent.Mean, m.Sent.Mean.Value, wait)
		wantNear(t, name+", p50", s.Sent.P50, m.Sent.P50.Value, wait)
		wantNear(t, name+", p90", s.Sent.P90, m.Sent.P90.Value, wait)

		packets := s.Sent.P50.Value * 13 * 128 / (1 - s.P) * (1 + s.Overhead)
		interval := float64(proto.HeaderLen+shardSize+48) * 8 / 10e6
		if want := packets * interval; math.Abs(s.Times.Half/want-1) > 0.005 {
			t.Errorf("%s: half were done after %v s, want %v s", name, s.Times.Half, want)
		}
	}
}

func TestRealBytesTakeTheSamePackets(t *testing.T) {
	// Only rotated rows depend on the object's id, which real bytes change.
	e := Experiment{
		Size: 300*shardSize - 7, ShardSize: shardSize,
		Schemes: mustSchemes(t, "gf8:128+128,order=plain,gf8:128+128,order=group,gf8:60+20,order=data-parity,"+
			"gf8:40+40,order=windows:3,gf16:300+300,loop,repeat:2"),
		Sweep:     mustSweep(t, "loss=0,20%"),
		Receivers: 3, Trials: 2,
	}
	headers := run(t, e)
	e.WithBytes = true
	bytes := run(t, e)
	if got, want := mustJSON(t, bytes.Rows), mustJSON(t, headers.Rows); got != want {
		t.Errorf("-seed=%d: with bytes the rows are\n%s\nwithout\n%s", *seedFlag, got, want)
	}
	e.Schemes = mustSchemes(t, "auto,raptorq")
	if _, err := e.Run(t.Context()); !errors.Is(err, ErrScheme) || !strings.Contains(err.Error(), "real bytes") {
		t.Errorf("a fountain with bytes: got %v, want ErrScheme", err)
	}
}

func TestTheResultDoesNotDependOnWorkers(t *testing.T) {
	e := small(t)
	e.Parallel = 1
	want := mustJSON(t, run(t, e))
	for _, workers := range []int{1, 7} {
		e.Parallel = workers
		if got := mustJSON(t, run(t, e)); got != want {
			t.Errorf("-seed=%d: %d workers give another result", *seedFlag, workers)
		}
	}
	e.Seed = *seedFlag + 1
	if got := mustJSON(t, run(t, e)); got == want {
		t.Error("another seed gives the same result")
	}
}

// small is an experiment with much in it that takes little time.
func small(t testing.TB) Experiment {
	t.Helper()
	return Experiment{
		Size: 100_000, ShardSize: shardSize,
		Schemes:   mustSchemes(t, "auto,gf8:50+50,gf8:50+50,order=permuted,loop,repeat:2,raptorq,ideal"),
		Loss:      mustLoss(t, "gilbert:10%,burst=3"),
		Sweep:     mustSweep(t, "loss=0,25%"),
		Receivers: blockReceivers + 4, Trials: 2, Senders: 2,
	}
}

func TestASchemeMoreChangesNoOther(t *testing.T) {
	e := small(t)
	all := run(t, e).Rows
	for i, s := range e.Schemes {
		e.Schemes = []Scheme{s}
		alone := run(t, e).Rows
		if want := []Row{all[i], all[i+len(all)/2]}; !reflect.DeepEqual(alone, want) {
			t.Errorf("-seed=%d: %s alone gives other rows", *seedFlag, s)
		}
		e = small(t)
	}
}

// outcomes simulates the only cell of an experiment.
func outcomes(t *testing.T, e Experiment) []outcome {
	t.Helper()
	e = e.withDefaults()
	e.Seed = *seedFlag
	cells, err := e.cells()
	if err != nil {
		t.Fatal(err)
	}
	c := cells[0]
	all := make([]outcome, e.Receivers)
	for from := 0; from < len(all); from += c.blockSize() {
		if err := c.simulate(t.Context(), 0, from, all[from:min(from+c.blockSize(), len(all))]); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func TestAReceiverMoreChangesNoOther(t *testing.T) {
	for _, starts := range []Starts{StartsCoordinated, StartsRandom} {
		e := Experiment{
			Size: 100_000, ShardSize: shardSize, Schemes: mustSchemes(t, "gf8:50+50"),
			Loss: mustLoss(t, "mix:50%*bernoulli:1%+50%*gilbert:15%,burst=8"), Receivers: 20, Senders: 2,
			Starts: starts,
		}
		few := outcomes(t, e)
		e.Receivers = 50
		if many := outcomes(t, e); !reflect.DeepEqual(many[:20], few) {
			t.Errorf("-seed=%d, %s: 30 receivers more change the first 20", *seedFlag, starts)
		}
	}
}

func TestEveryReceiverIsMeasuredByItsOwnLoss(t *testing.T) {
	r := runOne(t, Experiment{
		Size: 500_000, ShardSize: shardSize, Schemes: mustSchemes(t, "ideal"),
		Loss: mustLoss(t, "mix:50%*none+50%*bernoulli:50%"), Receivers: 200,
	})
	wantNear(t, "packets sent / bound", r.Sent.Mean, 1, 0.002)
	if r.P != 0.25 || r.Times.All < 1.9*r.Times.Half/2 {
		t.Errorf("loss %v, half done after %v s, all after %v s", r.P, r.Times.Half, r.Times.All)
	}
}

func TestALosslessReceiverNeedsJustTheFile(t *testing.T) {
	e := Experiment{
		Size: 1_000_000, ShardSize: shardSize, Receivers: 10, Rate: 8_000_000,
		Schemes: mustSchemes(t, "auto,gf8:128+128,loop,ideal"), Join: JoinStart,
	}
	interval := float64(proto.HeaderLen+shardSize+48) / 1e6
	for _, r := range run(t, e).Rows {
		if r.Sent.Slowest != 1 || r.Received.Slowest != 1 || r.Completed != 10 {
			t.Errorf("%s: slowest %v, received %v, completed %d; want 1, 1, 10", r.Scheme, r.Sent.Slowest, r.Received.Slowest, r.Completed)
		}
		packets := math.Ceil(1_000_000.0/shardSize) * (1 + r.Overhead)
		if want := packets * interval; math.Abs(r.Times.All/want-1) > 1e-4 {
			t.Errorf("%s: done after %v s, want %v s", r.Scheme, r.Times.All, want)
		}
	}
}

// The bound for receivers with the most loss differs from the bound for the mean
// loss.
func TestInAMixEveryReceiverHasTheTimeThatItsOwnLossTakes(t *testing.T) {
	row := runOne(t, Experiment{
		Size: 20_000 * shardSize, ShardSize: shardSize, Receivers: 30,
		Schemes: mustSchemes(t, "loop"), Loss: mustLoss(t, "mix:90%*none+10%*bernoulli:90%"),
	})
	if got, want := row.Completed, 30; got != want {
		t.Errorf("-seed=%d: got %d completed, want %d", *seedFlag, got, want)
	}
	c := &cell{point: point{Experiment: Experiment{Senders: 1, Loss: mustLoss(t, "mix:90%*none+10%*bernoulli:90%")}}}
	c.geo.DataShards = 1_000_000
	limits := make(map[uint64]bool)
	for i := range uint64(100) {
		l, err := c.listen(simnet.Key{Seed: *seedFlag, Receiver: i})
		if err != nil {
			t.Fatal(err)
		}
		limits[l.limit/1_000_000] = true
	}
	if !reflect.DeepEqual(limits, map[uint64]bool{50: true, 500: true}) {
		t.Errorf("-seed=%d: got the limits %v million packets, want 50 and 500", *seedFlag, limits)
	}
}

func TestWhoNeverCompletesIsCounted(t *testing.T) {
	// A loss that comes back as often as the manifest hits the same shards of a
	// loop of a multiple of 256 shards each time.
	e := Experiment{
		Size: 1024 * shardSize, ShardSize: shardSize, Receivers: 4,
		Schemes: mustSchemes(t, "loop,auto"), Loss: mustLoss(t, "periodic:257"),
	}
	rows := run(t, e).Rows
	if r := rows[0]; r.Completed != 0 || !math.IsInf(r.Sent.Mean.Value, 1) || r.Times != (Times{}) {
		t.Errorf("loop: %d completed, mean %v, times %+v; want none, never, zero", r.Completed, r.Sent.Mean.Value, r.Times)
	}
	if r := rows[1]; r.Completed != 4 || r.Times.All == 0 {
		t.Errorf("auto: %d of 4 completed after %v s", r.Completed, r.Times.All)
	}
	text := mustJSON(t, rows[0])
	if !strings.Contains(text, `"slowest": null`) {
		t.Errorf("want null for what never happens, got\n%s", text)
	}
}

func TestCoordinatedSendersSendNoDuplicates(t *testing.T) {
	// "S times faster, no duplicates (1.01). Uncoordinated random starts: 1.23
	// on average, 1.80 at p99 for two." Section 1.6 of the study
	skipIfShort(t)
	e := Experiment{
		Size: 13 * 400 * shardSize, ShardSize: shardSize, Receivers: 120,
		Schemes: mustSchemes(t, "gf16:400+400"), Loss: mustLoss(t, "bernoulli:10%"), Sweep: mustSweep(t, "senders=1,2,4"),
	}
	rows := run(t, e).Rows
	for _, r := range rows[1:] {
		if r.Sent.Mean.Value > rows[0].Sent.Mean.Value*1.01 {
			t.Errorf("%d senders: mean %v, for one %v", r.Senders, r.Sent.Mean.Value, rows[0].Sent.Mean.Value)
		}
		if faster := rows[0].Times.Half / r.Times.Half; math.Abs(faster/float64(r.Senders)-1) > 0.02 {
			t.Errorf("%d senders are %.2f times as fast as one", r.Senders, faster)
		}
	}
	e.Starts, e.Sweep = StartsRandom, mustSweep(t, "senders=2")
	r := runOne(t, e)
	wantNear(t, "two senders that start at random, mean", r.Sent.Mean, 1.23, 0.02)
	wantNear(t, "p99", r.Sent.P99, 1.80, 0.05)
}

func TestSurplusKeepsTheLaw(t *testing.T) {
	// 100^-(n+1) of all values are below 2^64 / 100^(n+1).
	tests := map[uint64]uint64{
		math.MaxUint64: 0, math.MaxUint64 / 99: 0, math.MaxUint64 / 101: 1,
		math.MaxUint64 / 9_900: 1, math.MaxUint64 / 10_100: 2, 0: 9,
	}
	for value, want := range tests {
		if got := surplus(value); got != want {
			t.Errorf("%#x: got %d, want %d", value, got, want)
		}
	}
}

func TestALinkThatDelaysAndRepeatsDoesNotDelayCompletion(t *testing.T) {
	e := Experiment{
		Size: 200_000, ShardSize: shardSize, Receivers: 20,
		Schemes: mustSchemes(t, "auto,gf8:50+50,ideal"), Loss: mustLoss(t, "bernoulli:10%"),
	}
	plain := run(t, e).Rows
	e.Link = simnet.LinkConfig{
		Delay: 500 * time.Millisecond, Jitter: 20 * time.Millisecond,
		Reorder: simnet.Percent, HoldUp: 50 * time.Millisecond, Duplicate: 20 * simnet.Percent,
	}
	for i, r := range run(t, e).Rows {
		if r.Completed != 20 {
			t.Errorf("%s: %d of 20 completed", r.Scheme, r.Completed)
		}
		if more := r.Times.Half - plain[i].Times.Half; more < 0.45 || more > 0.65 {
			t.Errorf("%s: half were done %v s later, want the delay of 0.5 s", r.Scheme, more)
		}
		if more := r.Received.Mean.Value / plain[i].Received.Mean.Value; more < 1.1 || more > 1.3 {
			t.Errorf("%s: received %v times as much, want 1.2", r.Scheme, more)
		}
	}
	e.Mode = Model
	if _, err := e.Run(t.Context()); !errors.Is(err, ErrExperiment) {
		t.Errorf("the model with a link: got %v, want ErrExperiment", err)
	}
}

func TestCancelReturnsTheRowsThatAreDone(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	e := small(t)
	e.Parallel = 1
	want := run(t, e).Rows
	units := 0
	e.Seed = *seedFlag
	e.Progress = func(done, total int) {
		if units++; done != units || total < 2*len(e.Schemes) {
			t.Errorf("call %d: progress %d of %d", units, done, total)
		}
		if done == total/2 {
			cancel(why)
		}
	}
	r, err := e.Run(ctx)
	if !errors.Is(err, why) {
		t.Errorf("got %v, want %v", err, why)
	}
	if n := len(r.Rows); n != len(want)/2 || !reflect.DeepEqual(r.Rows, want[:n]) {
		t.Errorf("%d rows after half of the work, want the first %d", n, len(want)/2)
	}
}

func TestACancelAfterTheLastRowIsTooLate(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	e := small(t)
	e.Progress = func(done, total int) {
		if done == total {
			cancel()
		}
	}
	if r, err := e.Run(ctx); err != nil || len(r.Rows) != 2*len(e.Schemes) {
		t.Errorf("got %d rows, %v; want all and no error", len(r.Rows), err)
	}
}

func TestCancelInterruptsALongSimulation(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	e := Experiment{Size: 1 << 30, Receivers: 1000, Schemes: mustSchemes(t, "loop"), Loss: mustLoss(t, "bernoulli:50%")}
	if r, err := e.Run(ctx); !errors.Is(err, context.DeadlineExceeded) || len(r.Rows) != 0 {
		t.Errorf("got %d rows, %v; want none and the deadline", len(r.Rows), err)
	}
}

func TestExperimentErrorsSayWhy(t *testing.T) {
	tests := []struct {
		change func(*Experiment)
		want   string
	}{
		{func(e *Experiment) { e.Mode = "guess" }, "sim, model, net"},
		{func(e *Experiment) { e.Mode = Net }, "real processes"},
		{func(e *Experiment) { e.Join = "late" }, "random, start"},
		{func(e *Experiment) { e.Starts = "late" }, "coordinated, random"},
		{func(e *Experiment) { e.Size = -1 }, "size -1"},
		{func(e *Experiment) { e.Size = 100 << 30 }, "mode model has more"},
		{func(e *Experiment) { e.Receivers = 2_000_000 }, "mode model has more"},
		{func(e *Experiment) { e.ShardSize = 1000 }, "multiple of 64"},
		{func(e *Experiment) { e.Rate = 1000 }, "is not from 64000"},
		{func(e *Experiment) { e.Rate = 2e12 }, "to 1000000000000"},
		{func(e *Experiment) { e.Senders = 17 }, "1 to 16"},
		{func(e *Experiment) { e.Trials = -1 }, "negative"},
		{func(e *Experiment) { e.Loss = mustLoss(t, "bernoulli:100%") }, "over 99 %"},
		{func(e *Experiment) { e.WithBytes, e.Size = true, 2<<30 }, "real bytes"},
		{func(e *Experiment) { e.Link.Loss = mustLoss(t, "bernoulli:1%") }, "the experiment's"},
		{func(e *Experiment) { e.Sweep = mustSweep(t, "burst=1:5") }, "not none"},
		{func(e *Experiment) { e.Loss, e.Sweep = mustLoss(t, "bernoulli:60%"), mustSweep(t, "burst=5,1") }, "longer burst"},
		{func(e *Experiment) {
			e.Sweep, e.Schemes = mustSweep(t, "parity=0:300%:100%"), mustSchemes(t, "auto:fast")
		}, "highest possible"},
		{func(e *Experiment) {
			e.Sweep, e.Schemes = mustSweep(t, "parity=0:300%:100%"), mustSchemes(t, "auto:fast")
		}, "(parity=100%)"},
		{func(e *Experiment) { e.Schemes, e.Size, e.Join = mustSchemes(t, "gf8:1+1"), 10<<30, JoinStart }, "larger groups"},

		{func(e *Experiment) { e.Mode, e.Loss = Model, mustLoss(t, "gilbert:10%,burst=5") }, "not gilbert:10%,burst=5"},
		{func(e *Experiment) { e.Mode, e.Schemes = Model, mustSchemes(t, "auto,order=group") }, "not auto,order=group"},
		{func(e *Experiment) { e.Mode, e.Senders = Model, 2 }, "one sender"},
		{func(e *Experiment) { e.Mode, e.Trials = Model, 2 }, "no trials"},
		{func(e *Experiment) { e.Mode, e.WithBytes = Model, true }, "no bytes"},
	}
	for _, test := range tests {
		var e Experiment
		test.change(&e)
		_, err := e.Run(t.Context())
		if !errors.Is(err, ErrExperiment) && !errors.Is(err, ErrScheme) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: got %v, want an error with %q", e, err, test.want)
		}
	}
}

func TestTheModelHasHugeFilesAndManyReceivers(t *testing.T) {
	// "Slowest of 1,000,000 receivers, 10 GB, 10 % loss: Leopard K=16384 1.015,
	// GF8 K=128 1.245, no FEC 12.0, RaptorQ 1.007, ideal 1.001." Section 2 of the study
	e := Experiment{
		Mode: Model, Size: 10_000_000_000, ShardSize: 1280, Receivers: 1_000_000,
		Schemes: mustSchemes(t, "gf16:16384+16384,gf8:128+128,loop,raptorq,ideal"), Loss: mustLoss(t, "bernoulli:10%"),
	}
	rows := run(t, e).Rows
	for i, want := range []float64{1.015, 1.245, 12.0, 1.007, 1.001} {
		if got := rows[i].Sent.Slowest; math.Abs(got/want-1) > 0.005 {
			t.Errorf("%s: slowest %v, want %v", rows[i].Scheme, got, want)
		}
	}
	e.Size, e.Schemes = 100_000_000_000, mustSchemes(t, "auto,loop")
	for _, r := range run(t, e).Rows {
		if r.Completed != 1_000_000 || !(r.Sent.Mean.Value >= 1) {
			t.Errorf("100 GB, %s: %s", r.Scheme, fmt.Sprint(r.Sent.Mean, r.Completed))
		}
	}
}
