// SPDX-License-Identifier: GPL-2.0-or-later

package bench

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"iotupd/bench/orders"
	"iotupd/bench/stats"
	"iotupd/internal/quantity"
	"iotupd/proto"
	"iotupd/sender"
)

// Defaults of a [Layers].
const (
	DefaultLayers          = 4
	DefaultLayersRate      = 2_000_000
	DefaultLayersReceivers = 20
	DefaultLayersTime      = 10 * time.Minute
)

// DefaultBottlenecks are the rates of the links of the classes of receivers.
var DefaultBottlenecks = []int64{2_500_000, 5_000_000, 10_000_000, 40_000_000}

const (
	// settling is how long a receiver has to find its level. It goes on at least
	// as long.
	settling = 90 * time.Second
	// maxLayersTime bounds what receivers go on for.
	maxLayersTime = 24 * time.Hour

	// maxQueue is more than any device has, and maxQueued bounds what it takes in
	// memory here.
	maxQueue  = time.Minute
	maxQueued = 1 << 22

	// maxSharing bounds the receivers behind one link.
	maxSharing = 1 << 20
	// layersGiveUp is the time after which a receiver counts as starved, in
	// multiples of the time that layer 0 alone would take.
	layersGiveUp = 10
)

// A Layers is the experiment that measures receivers of a layered transfer
// (spec.md 10) behind bottlenecks of different rates: whether they find the level
// that their bottleneck carries, and how much later they are done than if they
// had known it. It runs the policy that is shipped.
type Layers struct {
	// Experiment has the parameters beside layers. Its mode is Sim, there is one
	// scheme, and neither a sweep nor real bytes. Rate is the rate of layer 0 of
	// every sender. Loss is behind the bottlenecks. Receivers is the number in
	// each class. Join, Starts and Link have no meaning. If zero, Rate is
	// DefaultLayersRate and Receivers DefaultLayersReceivers.
	Experiment

	Layers int // if zero, DefaultLayers

	// Bottlenecks are the rates of the links of the classes of receivers, in bits
	// per second of IP packets. If empty, DefaultBottlenecks.
	Bottlenecks []int64

	Sharing int           // receivers behind the same link; if zero, 1
	Queue   time.Duration // that the queue of a link may take to empty; if zero, 100 ms
	Spread  time.Duration // within which receivers join, at random; if zero, 30 s

	// Time is how long each receiver goes on at least, after it is done, too. If
	// zero, DefaultLayersTime.
	Time time.Duration
}

// Run measures, as [Experiment.Run] does, with a row for every class.
func (e Layers) Run(ctx context.Context) (Result, error) {
	setDefault(&e.Rate, DefaultLayersRate)
	setDefault(&e.Receivers, DefaultLayersReceivers)
	setDefault(&e.Layers, DefaultLayers)
	setDefault(&e.Sharing, 1)
	setDefault(&e.Queue, 100*time.Millisecond)
	setDefault(&e.Spread, 30*time.Second)
	setDefault(&e.Time, DefaultLayersTime)
	if len(e.Bottlenecks) == 0 {
		e.Bottlenecks = DefaultBottlenecks
	}
	e.Experiment = e.Experiment.withDefaults()
	if err := e.validate(); err != nil {
		return Result{}, err
	}
	var all []*cell
	for _, bottleneck := range e.Bottlenecks {
		cells, err := e.cells()
		if err != nil {
			return Result{}, err
		}
		c := cells[0]
		c.x, c.xValue = quantity.Rate(bottleneck).String(), float64(bottleneck)
		c.layering = &layering{Layers: &e, bottleneck: bottleneck, habits: make([]habit, e.Trials*e.Receivers)}
		all = append(all, c)
	}
	return e.measure(ctx, all, Result{Parameter: "bottleneck", Parameters: e.fixed()})
}

func (e *Layers) validate() error {
	switch {
	case !proto.ValidLayers(e.Layers):
		return fmt.Errorf("%w: %d layers are not from 1 to %d", ErrExperiment, e.Layers, proto.MaxLayers)
	case sender.TotalRate(e.Rate, e.Layers) > sender.MaxRate:
		return fmt.Errorf("%w: %d layers from %d bit/s on are over %d bit/s", ErrExperiment, e.Layers, e.Rate, int64(sender.MaxRate))
	case e.Sharing > maxSharing:
		return fmt.Errorf("%w: %d receivers behind a link are over %d", ErrExperiment, e.Sharing, maxSharing)
	case e.Queue > maxQueue:
		return fmt.Errorf("%w: queue %v is over %v", ErrExperiment, e.Queue, maxQueue)
	case e.Sharing < 1 || e.Queue < 0 || e.Spread < 0:
		return fmt.Errorf("%w: a negative number", ErrExperiment)
	case e.Time <= settling || e.Time > maxLayersTime:
		return fmt.Errorf("%w: time %v is not over %v and up to %v", ErrExperiment, e.Time, settling, maxLayersTime)
	case e.Mode != Sim || e.WithBytes || len(e.Schemes) != 1 || e.Schemes[0].fountain() || e.Schemes[0].carousel() != orders.RotatedRows() || e.Sweep.points != nil:
		return fmt.Errorf("%w: layers are of mode sim, with one scheme in the usual order, no sweep and no bytes", ErrExperiment)
	}
	for _, rate := range e.Bottlenecks {
		if !sender.ValidRate(rate) {
			return fmt.Errorf("%w: bottleneck %d bit/s is not from %d to %d", ErrExperiment, rate, int64(sender.MinRate), int64(sender.MaxRate))
		}
	}
	return e.Experiment.validate()
}

// fixed lists the parameters that are the same in all rows.
func (e *Layers) fixed() []string {
	all := slices.DeleteFunc(e.Experiment.fixed(), func(s string) bool { return strings.HasPrefix(s, "join=") })
	return append(all,
		"scheme="+e.Schemes[0].String(),
		fmt.Sprint("layers=", e.Layers),
		fmt.Sprint("sharing=", e.Sharing),
		fmt.Sprint("queue=", e.Queue),
		fmt.Sprint("spread=", e.Spread),
		fmt.Sprint("time=", e.Time),
	)
}

// A layering is what makes a cell one of a [Layers].
type layering struct {
	*Layers
	bottleneck int64
	habits     []habit // of all receivers, trial by trial
}

// A habit is what a receiver did once it had settled.
type habit struct {
	off        time.Duration                  // without any layer
	levels     [proto.MaxLayers]time.Duration // at each level
	changes    int                            // of the level
	sent, lost int                            // packets of layers that it had joined
}

// total is the rate of layers 0 to level of all senders.
func (l *layering) total(level int) int64 { return int64(l.Senders) * l.Rate << level }

// carries returns the highest level that the bottleneck carries.
func (l *layering) carries() (level int) {
	for level+1 < l.Layers.Layers && l.total(level+1) <= l.bottleneck {
		level++
	}
	return level
}

// packets returns how many packets come in a time at the level that the
// bottleneck carries.
func (l *layering) packets(d time.Duration) uint64 {
	return uint64(d.Seconds() * float64(l.total(l.carries())) / float64(8*l.packetLen()))
}

// packetLen is the packet length of its point.
func (l *layering) packetLen() int {
	p := point{Experiment: l.Experiment}
	return p.packetLen()
}

// layered returns the row of what became of all receivers.
func (c *cell) layered(outcomes []outcome) Row {
	r := c.row(outcomes)
	r.Scheme = fmt.Sprintf("%d layers", c.layering.Layers.Layers)
	f := &Layered{Carries: c.layering.carries(), Levels: make([]float64, c.layering.Layers.Layers)}
	var all habit
	var time time.Duration
	for _, h := range c.layering.habits {
		all.off += h.off
		time += h.off
		for level, d := range h.levels {
			all.levels[level] += d
			time += d
		}
		all.changes += h.changes
		all.sent += h.sent
		all.lost += h.lost
	}
	f.Off = stats.Round(all.off.Seconds()/time.Seconds(), digits)
	for level := range f.Levels {
		f.Levels[level] = stats.Round(all.levels[level].Seconds()/time.Seconds(), digits)
	}
	f.Changes = stats.Round(float64(all.changes)/time.Hours(), digits)
	f.Lost = stats.Round(float64(all.lost)/float64(max(1, all.sent)), digits)
	r.Layered = f
	return r
}
