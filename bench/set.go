// SPDX-License-Identifier: GPL-2.0-or-later

package bench

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"iotupd/bench/orders"
	"iotupd/bench/stats"
	"iotupd/proto"
	"iotupd/sender"
)

// A Want is what the receivers of a [Set] want, and when they join.
type Want string

const (
	WantOneRandom Want = "random" // one object each, and they join at random
	WantOneStart  Want = "start"  // one object each, and all are there at the start
	WantAll       Want = "all"    // all objects, and they join at random
)

// Wants are all kinds.
var Wants = []Want{WantOneRandom, WantOneStart, WantAll}

// DefaultObjects are of a [Set], as [ParseObjects] reads them.
const DefaultObjects = "100K,300K,1M,3M,10M,30M"

// ShareNames are the names of shares, in the order of [sender.Share].
var ShareNames = []string{"sqrt", "size", "shortest"}

// A Set is the experiment that measures a sender of several objects (spec.md 6.5): how
// long receivers take that want one object or all, for the shares of the rate that
// objects can have, compared with the least time that is possible.
type Set struct {
	// Experiment has the parameters beside the objects. Its mode is Sim, there are one
	// sender, one scheme and no sweep. Size, Join and Starts have no meaning.
	Experiment

	Objects []ObjectSize   // if empty, DefaultObjects
	Shares  []sender.Share // to compare; if empty, all
}

// Run measures, as [Experiment.Run] does, with a row for every want and share.
func (e Set) Run(ctx context.Context) (Result, error) {
	if len(e.Objects) == 0 {
		var err error
		if e.Objects, err = ParseObjects(DefaultObjects); err != nil {
			return Result{}, err
		}
	}
	if len(e.Shares) == 0 {
		e.Shares = []sender.Share{sender.ShareSqrt, sender.ShareSize, sender.ShareShortest}
	}
	e.Objects = slices.Clone(e.Objects)
	e.Size = 0
	for i := range e.Objects {
		setDefault(&e.Objects[i].Weight, 1)
		e.Size += e.Objects[i].Size
	}
	e.Experiment = e.Experiment.withDefaults()
	if err := e.validate(); err != nil {
		return Result{}, err
	}
	var all []*cell
	for i, want := range Wants {
		for _, share := range e.Shares {
			c, err := e.cell(want, share)
			if err != nil {
				return Result{}, err
			}
			c.x, c.xValue = string(want), float64(i+1)
			all = append(all, c)
		}
	}
	return e.measure(ctx, all, Result{Parameter: "case", Parameters: e.fixed()})
}

func (e *Set) validate() error {
	switch n := len(e.Objects); {
	case n < 2 || n > sender.MaxUnlisted:
		return fmt.Errorf("%w: %d objects are not from 2 to %d", ErrExperiment, n, sender.MaxUnlisted)
	case e.Mode != Sim || e.Senders != 1 || len(e.Schemes) != 1 || e.Schemes[0].fountain() || e.Schemes[0].carousel() != orders.RotatedRows() || e.Sweep.points != nil:
		return fmt.Errorf("%w: several objects are of mode sim, with one sender, one scheme in the usual order and no sweep", ErrExperiment)
	}
	for _, o := range e.Objects {
		if o.Size < 1 || o.Size > maxSize || !(o.Weight > 0 && o.Weight <= maxWeight) {
			return fmt.Errorf("%w: an object of %d bytes and weight %v", ErrExperiment, o.Size, o.Weight)
		}
	}
	for _, share := range e.Shares {
		if share < 0 || int(share) >= len(ShareNames) {
			return fmt.Errorf("%w: no share %d", ErrExperiment, share)
		}
	}
	return e.Experiment.validate()
}

// fixed lists the parameters that are the same in all rows.
func (e *Set) fixed() []string {
	all := slices.DeleteFunc(e.Experiment.fixed(), func(s string) bool { return strings.HasPrefix(s, "join=") })
	return append(all, "scheme="+e.Schemes[0].String(), "objects="+formatObjects(e.Objects))
}

// A mixture is what makes a cell one of a [Set].
type mixture struct {
	*Set
	want   Want
	share  sender.Share
	geos   []proto.Geometry
	demand demand
	window uint64 // DATA and PARITY packets within which receivers join at random
	wanted [][]int
}

// cell returns what becomes a row. Its geometry is the one of all objects together.
func (e *Set) cell(want Want, share sender.Share) (*cell, error) {
	x := &mixture{Set: e, want: want, share: share, wanted: make([][]int, e.Trials*e.Receivers)}
	c := &cell{point: point{Experiment: e.Experiment, parity: -1}, scheme: e.Schemes[0], mixture: x}
	if err := c.check(); err != nil {
		return nil, err
	}
	c.Join = JoinRandom
	if want == WantOneStart {
		c.Join = JoinStart
	}
	weights := 0.0
	for _, o := range e.Objects {
		geo, err := c.scheme.geometry(uint64(o.Size), e.ShardSize, -1)
		if err != nil {
			return nil, err
		}
		x.geos = append(x.geos, geo)
		c.geo.DataShards += geo.DataShards
		weights += o.Weight
	}
	x.demand.packets = float64(c.geo.DataShards)
	for i, o := range e.Objects {
		x.demand.need = append(x.demand.need, float64(x.geos[i].DataShards))
		x.demand.wanted = append(x.demand.wanted, o.Weight/weights)
	}
	x.window = x.period()
	for trial := range e.Trials {
		x.choose(trial)
	}
	return c, nil
}

// period returns after how many packets the order of the packets is about the same again.
func (x *mixture) period() (packets uint64) {
	weights := make([]float64, len(x.geos))
	for i, o := range x.Objects {
		weights[i] = o.Weight
	}
	for i, f := range x.share.Fractions(x.geos, weights) {
		data, parity := x.geos[i].LoopPackets()
		if x.share == sender.ShareShortest {
			packets += data + data/8 + 1
		} else {
			packets = max(packets, uint64(float64(data+parity)/f))
		}
	}
	return packets
}

// choose draws what the receivers of a trial want. Weights are met as exactly as the
// number of receivers allows.
func (x *mixture) choose(trial int) {
	const golden = 0.6180339887498949
	at := draw(keyOf(x.Seed, trial), "want").Float64()
	for r := range x.Receivers {
		if x.want == WantAll {
			for i := range x.Objects {
				x.wanted[trial*x.Receivers+r] = append(x.wanted[trial*x.Receivers+r], i)
			}
			continue
		}
		at += golden
		if at >= 1 {
			at--
		}
		object, sum := 0, x.demand.wanted[0]
		for object < len(x.Objects)-1 && at >= sum {
			object++
			sum += x.demand.wanted[object]
		}
		x.wanted[trial*x.Receivers+r] = []int{object}
	}
}

// optimum returns the least mean that is possible in any order.
func (x *mixture) optimum() float64 {
	switch x.want {
	case WantOneRandom:
		return x.demand.random()
	case WantOneStart:
		return x.demand.turns()
	}
	return x.demand.all()
}

// constant returns the least mean with constant shares.
func (x *mixture) constant() float64 {
	if x.want == WantAll {
		return x.demand.all()
	}
	return x.demand.constant()
}

// mixed returns the row of what became of all receivers.
func (c *cell) mixed(outcomes []outcome) Row {
	r := c.row(outcomes)
	r.Scheme, r.Code = ShareNames[c.mixture.share], c.mixture.describe(c.scheme)
	r.Set = &SetFigures{
		Optimum:  stats.Round(c.mixture.optimum(), digits),
		Constant: stats.Round(c.mixture.constant(), digits),
	}
	received := make([]float64, len(outcomes))
	bits, seconds := 0.0, 0.0
	for i, o := range outcomes {
		shards := 0.0
		for _, object := range c.mixture.wanted[i] {
			shards += c.mixture.demand.need[object]
			bits += 8 * float64(c.mixture.Objects[object].Size)
		}
		received[i] = never
		if o.done {
			received[i] = float64(o.received) / shards
		}
		seconds += o.seconds
	}
	r.Received = c.summary(received)
	r.Times.Goodput = 0
	if r.Completed == len(outcomes) && seconds > 0 {
		r.Times.Goodput = stats.Round(bits/seconds, digits)
	}
	return r
}

// describe says what the objects came to.
func (x *mixture) describe(s Scheme) string {
	var all []string
	for i := 0; i < len(x.geos); {
		code, n := s.describe(x.geos[i]), 1
		for i+n < len(x.geos) && s.describe(x.geos[i+n]) == code {
			n++
		}
		if n > 1 {
			code = fmt.Sprintf("%d of %s", n, code)
		}
		all = append(all, code)
		i += n
	}
	return strings.Join(all, ", ")
}
