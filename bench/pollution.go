// SPDX-License-Identifier: GPL-2.0-or-later

package bench

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"iotupd/bench/simnet"
	"iotupd/bench/stats"
)

// Defaults of a [Pollution].
const (
	DefaultPollutionSize      = 1 << 20
	DefaultPollutionReceivers = 32

	// attackLoops is how many loops a receiver under attack gets.
	attackLoops = 20
)

// A Forgery is what an attacker forges. All have a right checksum and all that
// the header of a genuine packet has.
type Forgery string

const (
	ForgeMixed  Forgery = "mixed"  // any shard, each as likely
	ForgeData   Forgery = "data"   // any data shard
	ForgeParity Forgery = "parity" // any parity shard
	ForgeSmart  Forgery = "smart"  // a shard that the receiver lacks, of the group nearest to full
)

// Forgeries are all kinds, the default first.
var Forgeries = []Forgery{ForgeMixed, ForgeData, ForgeParity, ForgeSmart}

// pollutionShares are the shares of forged packets.
var pollutionShares = []simnet.Probability{
	0, simnet.Percent / 10, simnet.Percent, 5 * simnet.Percent, 10 * simnet.Percent, 25 * simnet.Percent, 50 * simnet.Percent,
}

// A Pollution is the experiment that measures what forged packets do: how many
// packets receivers wait for, and how many of them fail, over the share of
// forged packets in all that they hear, with and without digests. Bytes are
// real, and decoded.
type Pollution struct {
	// Experiment has the parameters beside the attacker. Its mode is Sim, there
	// is one sender, one scheme, and no sweep. If zero, Size is
	// DefaultPollutionSize and Receivers DefaultPollutionReceivers.
	Experiment

	Forgery Forgery // if empty, ForgeMixed

	// Losses are the models to measure with, instead of the one of Experiment. If
	// empty: none, and 10 % independently.
	Losses []simnet.Loss
}

// An attack is the attack on the receivers of a cell.
type attack struct {
	share    simnet.Probability // of forged packets in all that a receiver hears
	forgery  Forgery
	digests  bool     // of the object
	injuries []damage // of all receivers, trial by trial
}

// damage is the effect of forged packets on one receiver.
type damage struct {
	heard, refused, stored uint64
	restarts               int
	failed                 bool // SHA-256 was wrong too often
	wrong                  bool // a wrong file passed
}

// Run measures, as [Experiment.Run] does.
func (p Pollution) Run(ctx context.Context) (Result, error) {
	setDefault(&p.Forgery, ForgeMixed)
	setDefault(&p.Size, DefaultPollutionSize)
	setDefault(&p.Receivers, DefaultPollutionReceivers)
	if len(p.Losses) == 0 {
		p.Losses = defaultLosses()
	}
	p.WithBytes = true
	p.Experiment = p.Experiment.withDefaults()
	if err := p.validate(); err != nil {
		return Result{}, err
	}
	cells, err := p.cells()
	if err != nil {
		return Result{}, err
	}
	return p.measure(ctx, cells, Result{Parameter: "forged", Parameters: p.fixed()})
}

func defaultLosses() []simnet.Loss {
	tenth, err := simnet.ParseLoss("bernoulli:10%")
	if err != nil {
		panic("bench: internal error: " + err.Error())
	}
	return []simnet.Loss{{}, tenth}
}

func (p *Pollution) validate() error {
	switch {
	case !slices.Contains(Forgeries, p.Forgery):
		return fmt.Errorf("%w: no forgery %.40q; there are: mixed, data, parity, smart", ErrExperiment, p.Forgery)
	case p.Mode != Sim || p.Senders != 1 || len(p.Schemes) != 1 || p.Sweep.points != nil:
		return fmt.Errorf("%w: pollution is of mode sim, with one sender and one scheme and no sweep", ErrExperiment)
	}
	return p.Experiment.validate()
}

// cells returns all rows to be: for every share of forged packets, with digests
// and without, and for every loss.
func (p *Pollution) cells() (all []*cell, err error) {
	for _, share := range pollutionShares {
		for _, digests := range []bool{true, false} {
			for _, p.Loss = range p.Losses {
				cells, err := p.Experiment.cells()
				if err != nil {
					return nil, err
				}
				c := cells[0]
				if p.Forgery == ForgeParity && c.geo.M == 0 {
					return nil, fmt.Errorf("%w: %s has no parity to forge", ErrExperiment, c.scheme)
				}
				c.x, c.xValue = share.String(), float64(share)/float64(simnet.Certain)
				c.attack = &attack{share: share, forgery: p.Forgery, digests: digests, injuries: make([]damage, c.Trials*c.Receivers)}
				all = append(all, c)
			}
		}
	}
	return all, nil
}

// fixed lists the parameters that are the same in all rows.
func (p *Pollution) fixed() []string {
	all := p.Experiment.fixed()
	var losses []string
	for _, l := range p.Losses {
		losses = append(losses, l.String())
	}
	for i, s := range all {
		if strings.HasPrefix(s, "loss=") {
			all[i] = "loss=" + strings.Join(losses, "|")
		}
	}
	return append(all, "scheme="+p.Schemes[0].String(), "forgery="+string(p.Forgery))
}

// polluted returns the row of what became of all receivers under attack.
func (c *cell) polluted(outcomes []outcome) Row {
	var f Forged
	failed := 0
	for i, h := range c.attack.injuries {
		o := &outcomes[i]
		o.done = o.done && !h.failed && !h.wrong
		f.Heard += h.heard
		f.Refused += h.refused
		f.Stored += h.stored
		f.Restarts += h.restarts
		if h.wrong {
			f.Wrong++
		}
		if !o.done {
			failed++
		}
	}
	e := stats.Proportion(failed, len(outcomes))
	f.Failed = rounded(e)
	r := c.row(outcomes)
	r.Scheme = "digests"
	if !c.attack.digests {
		r.Scheme = "no digests"
	}
	if p := c.Loss.MeanLoss(); p > 0 {
		r.Scheme += fmt.Sprintf(", %v%% loss", stats.Round(100*p, digits))
	}
	r.Forged = &f
	return r
}
