// SPDX-License-Identifier: GPL-2.0-or-later

package bench

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"iotupd/proto"
)

// polluted runs a pollution of a file that is sent in several groups.
func polluted(t *testing.T, p Pollution) Result {
	t.Helper()
	setDefault(&p.Size, 100_000)
	setDefault(&p.Receivers, 6)
	p.ShardSize = 2 * shardSize // the least with a hash tree
	if p.Schemes == nil {
		p.Schemes = mustSchemes(t, "gf8:60+60")
	}
	setDefault(&p.Seed, *seedFlag)
	r, err := p.Run(t.Context())
	if err != nil {
		t.Fatalf("-seed=%d: %v", p.Seed, err)
	}
	return r
}

func TestAPollutionDoesNotDependOnWorkers(t *testing.T) {
	p := Pollution{Experiment: Experiment{Parallel: 1, Trials: 2}, Forgery: ForgeSmart}
	want := mustJSON(t, polluted(t, p))
	p.Parallel = 7
	if got := mustJSON(t, polluted(t, p)); got != want {
		t.Errorf("-seed=%d: 7 workers give another result", *seedFlag)
	}
	p.Seed = *seedFlag + 1
	if got := mustJSON(t, polluted(t, p)); got == want {
		t.Error("another seed gives the same result")
	}
}

func TestForgedPacketsStopNobodyWithDigests(t *testing.T) {
	// "A wrong SHA-256 then costs only what is provisional." spec.md 7.3: a loop
	// at most, and whatever is lost in it.
	schemes := []string{"gf8:60+60", "gf16:200+200"}
	if testing.Short() {
		schemes = schemes[:1]
	}
	for _, scheme := range schemes {
		for _, forgery := range Forgeries {
			t.Run(scheme+"/"+string(forgery), func(t *testing.T) {
				r := polluted(t, Pollution{Experiment: Experiment{Schemes: mustSchemes(t, scheme)}, Forgery: forgery})
				for _, row := range r.Rows {
					digests := strings.HasPrefix(row.Scheme, "digests")
					if digests && (row.Completed != row.Receivers || row.Sent.Slowest > 2.5) {
						t.Errorf("-seed=%d: forged %s, %s: %d of %d completed, the slowest after %v times the bound",
							*seedFlag, row.X, row.Scheme, row.Completed, row.Receivers, row.Sent.Slowest)
					}
					if row.Forged.Wrong > 0 {
						t.Errorf("-seed=%d: forged %s, %s: %d wrong files", *seedFlag, row.X, row.Scheme, row.Forged.Wrong)
					}
				}
			})
		}
	}
}

func TestForgedPacketsCostNothingWithoutLoss(t *testing.T) {
	// Leaves travel just before their shards: from the start of a loop on, what
	// is genuine is known to be. spec.md 4.5
	r := polluted(t, Pollution{Experiment: Experiment{Join: JoinStart}, Forgery: ForgeSmart})
	for _, row := range r.Rows {
		if row.Scheme == "digests" && row.XValue <= 0.1 && row.Sent.Slowest > 1.03 {
			t.Errorf("-seed=%d: forged %s: the slowest needs %v times the bound", *seedFlag, row.X, row.Sent.Slowest)
		}
	}
}

func TestForgedPacketsStopEverybodyWithoutDigests(t *testing.T) {
	// "everything is dropped and receiving starts again; after the third failure
	// it ends" spec.md 7.3
	r := polluted(t, Pollution{})
	for _, row := range r.Rows {
		want := row.Receivers
		if row.XValue >= 0.1 {
			want = 0 // some 20 forged packets an attempt
		}
		if !strings.HasPrefix(row.Scheme, "no digests") || row.XValue > 0 && row.XValue < 0.1 {
			continue
		}
		if row.Completed != want {
			t.Errorf("-seed=%d: forged %s, %s: %d completed, want %d", *seedFlag, row.X, row.Scheme, row.Completed, want)
		}
		if got, want := row.Forged.Restarts, 3*(row.Receivers-want); got != want {
			t.Errorf("-seed=%d: forged %s, %s: %d restarts, want %d", *seedFlag, row.X, row.Scheme, got, want)
		}
	}
}

func TestForgedPacketsHaveTheirShare(t *testing.T) {
	r := polluted(t, Pollution{Experiment: Experiment{Receivers: 20, Join: JoinStart}})
	for _, row := range r.Rows {
		if row.Scheme != "digests" {
			continue
		}
		// Without loss, a receiver hears the manifest and so many others a shard.
		genuine := row.Received.Mean.Value * 196 * (1 + row.Overhead) * float64(row.Receivers)
		all := float64(row.Forged.Heard) + genuine
		got := float64(row.Forged.Heard) / all
		if slack := 4 * math.Sqrt(row.XValue/all); math.Abs(got-row.XValue) > slack {
			t.Errorf("-seed=%d: %v of the packets were forged, want %v", *seedFlag, got, row.XValue)
		}
	}
}

func TestAForgeryIsOfItsKind(t *testing.T) {
	// The last place of groups 1 and 2 is virtual. The receiver lacks fewer of
	// group 2.
	geo, err := proto.Params{Code: proto.CodeLeopard8, K: 9, M: 3, ShardSize: shardSize, Size: 25 * shardSize}.Geometry()
	if err != nil {
		t.Fatal(err)
	}
	parity := func(index int) bool { return index >= geo.K && index < geo.K+geo.M }
	data := func(g uint32, index int) bool { return index >= 0 && index < geo.K && !geo.Virtual(g, index) }
	for _, c := range []struct {
		forgery Forgery
		is      func(g uint32, index int) bool
	}{
		{ForgeMixed, func(g uint32, index int) bool { return data(g, index) || parity(index) }},
		{ForgeData, data},
		{ForgeParity, func(_ uint32, index int) bool { return parity(index) }},
		{ForgeSmart, func(g uint32, index int) bool { return g == 2 && index > 5 && (data(g, index) || parity(index)) }},
	} {
		v := &target{attack: &attack{forgery: c.forgery}, geo: geo, rnd: rand.New(rand.NewPCG(*seedFlag, 0)),
			held: make([]bool, 3*12), forged: make([]bool, 3*12), counts: make([]int, 3)}
		for i := range 6 {
			v.learn(&proto.Header{Group: uint32(1 + i%2), Index: i}, nil)
			v.learn(&proto.Header{Group: 2, Index: i}, nil)
		}
		for range 200 {
			if g, index := v.choose(); !c.is(g, index) {
				t.Errorf("%s: shard %d of group %d", c.forgery, index, g)
			}
		}
	}
}

func TestImpossiblePollutions(t *testing.T) {
	for _, p := range []Pollution{
		{Forgery: "moon"},
		{Experiment: Experiment{Mode: Model}},
		{Experiment: Experiment{Senders: 2}},
		{Experiment: Experiment{Schemes: mustSchemes(t, "auto,loop")}},
		{Experiment: Experiment{Sweep: mustSweep(t, "loss=0,1%")}},
		{Experiment: Experiment{Schemes: mustSchemes(t, "loop")}, Forgery: ForgeParity},
		{Experiment: Experiment{Size: maxBytes + 1}},
	} {
		if _, err := p.Run(t.Context()); !errors.Is(err, ErrExperiment) {
			t.Errorf("%+v: got %v, want ErrExperiment", p, err)
		}
	}
}
