// SPDX-License-Identifier: GPL-2.0-or-later

package bench

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"iotupd/bench/simnet"
	"iotupd/proto"
	"iotupd/sender"
)

// A Mode is how an [Experiment] finds its figures.
type Mode string

const (
	Sim   Mode = "sim"   // the shipped cores in virtual time
	Model Mode = "model" // the exact model, for independent loss
	Net   Mode = "net"   // real processes; not in this package
)

// A Join is when receivers begin to listen.
type Join string

const (
	JoinRandom Join = "random" // at random places of the first loop of a running carousel
	JoinStart  Join = "start"  // all with its first packet
)

// Starts is where in the loop several senders begin.
type Starts string

const (
	StartsCoordinated Starts = "coordinated" // evenly spread, see sender.Config.Senders
	StartsRandom      Starts = "random"      // at random, drawn for each receiver
)

// Defaults and limits of an [Experiment].
const (
	DefaultSize      = 16 << 20
	DefaultReceivers = 100

	maxSize      = 1 << 40
	maxReceivers = 1_000_000_000
	maxSenders   = sender.MaxSenders
	maxLoss      = 0.99    // mean; more lets next to nothing through
	maxSimulated = 1 << 20 // receivers of all trials in mode sim
	maxSimShards = 1 << 24 // data shards in mode sim
	maxBytes     = 1 << 30 // size with WithBytes
)

// An Experiment says what to measure. The zero value is usable: a sender with its
// defaults, over a link that loses nothing.
type Experiment struct {
	Mode Mode // if empty, Sim

	Size      int64 // of the file, in bytes; if zero, DefaultSize
	ShardSize int   // in bytes; if zero, proto.DefaultShardSize
	Rate      int64 // of every sender, in bits per second of IP packets; if zero, sender.DefaultRate

	// Schemes are compared with each other, in this order. If empty, it is auto.
	Schemes []Scheme

	// Loss is the model of the losses on every link: of a mix, each link draws
	// its part. Sweep varies the loss or another parameter.
	Loss  simnet.Loss
	Sweep Sweep

	// Link is what links do beside losing packets, in mode sim; its own Loss
	// must be none. The zero Link delivers at once.
	Link simnet.LinkConfig

	Receivers int    // of a trial; if zero, DefaultReceivers
	Trials    int    // each with a carousel and losses of its own; if zero, 1
	Senders   int    // that every receiver hears, over links of their own; if zero, 1
	Starts    Starts // of several senders; if empty, StartsCoordinated
	Join      Join   // if empty, JoinRandom

	// Seed is the seed of all random choices. Each receiver of each trial has its
	// own losses and its own time to join, which do not depend on other
	// receivers.
	Seed uint64

	// WithBytes sends, decodes and verifies a real file, in mode sim. Otherwise
	// only headers travel: the same packets, except that the order of the groups
	// in a row is the order of another object id.
	WithBytes bool

	// Parallel is the number of goroutines that work. If zero, GOMAXPROCS. The
	// Result does not depend on it.
	Parallel int

	// Progress, if not nil, is called with how many of the pieces of work are
	// done, from several goroutines but one at a time.
	Progress func(done, total int)
}

// ErrExperiment is wrapped by the errors about an [Experiment] that cannot be
// run, unless it is [ErrScheme].
var ErrExperiment = errors.New("bench: invalid experiment")

func (e Experiment) withDefaults() Experiment {
	setDefault(&e.Mode, Sim)
	setDefault(&e.Size, DefaultSize)
	setDefault(&e.ShardSize, proto.DefaultShardSize)
	setDefault(&e.Rate, sender.DefaultRate)
	setDefault(&e.Receivers, DefaultReceivers)
	setDefault(&e.Trials, 1)
	setDefault(&e.Senders, 1)
	setDefault(&e.Starts, StartsCoordinated)
	setDefault(&e.Join, JoinRandom)
	if len(e.Schemes) == 0 {
		e.Schemes = []Scheme{{}}
	}
	return e
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// validate checks what every point of the sweep has in common.
func (e *Experiment) validate() error {
	switch {
	case e.Mode == Net:
		return fmt.Errorf("%w: mode net runs real processes; here are sim and model", ErrExperiment)
	case e.Mode != Sim && e.Mode != Model:
		return fmt.Errorf("%w: no mode %.40q; there are: sim, model, net", ErrExperiment, e.Mode)
	case e.Starts != StartsCoordinated && e.Starts != StartsRandom:
		return fmt.Errorf("%w: no starts %.40q; there are: coordinated, random", ErrExperiment, e.Starts)
	case e.Join != JoinRandom && e.Join != JoinStart:
		return fmt.Errorf("%w: no join %.40q; there are: random, start", ErrExperiment, e.Join)
	case !sender.ValidRate(e.Rate):
		return fmt.Errorf("%w: rate %d bit/s is not from %d to %d", ErrExperiment, e.Rate, int64(sender.MinRate), int64(sender.MaxRate))
	case e.Trials < 1 || e.Parallel < 0:
		return fmt.Errorf("%w: a negative number", ErrExperiment)
	case e.Link.Loss.MeanLoss() > 0:
		return fmt.Errorf("%w: the loss of a link is the experiment's", ErrExperiment)
	case e.Mode == Model && e.WithBytes:
		return fmt.Errorf("%w: mode model has no bytes; take sim", ErrExperiment)
	}
	p := proto.Params{K: 1, ShardSize: e.ShardSize}
	if err := p.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrExperiment, err)
	}
	return nil
}

// A point is an experiment without a sweep.
type point struct {
	Experiment
	parity int // in 1/100 percent; negative: what the scheme has
	x      string
	xValue float64
}

// points returns the points of the sweep.
func (e *Experiment) points() ([]point, error) {
	base := point{Experiment: *e, parity: -1}
	if e.Sweep.points == nil {
		return []point{base}, base.check()
	}
	var all []point
	for _, v := range e.Sweep.points {
		p, par := base, e.Sweep.parameter
		p.x, p.xValue = par.format(v), float64(v)/par.unit
		err := par.apply(&p, v)
		if err == nil {
			err = p.check()
		}
		if err != nil {
			return nil, p.at(err)
		}
		all = append(all, p)
	}
	return all, nil
}

// at adds to err the point of a sweep at which it arose.
func (p *point) at(err error) error {
	if err == nil || p.x == "" {
		return err
	}
	return fmt.Errorf("%w (%s=%s)", err, p.Sweep.parameter.name, p.x)
}

// check checks what a sweep may have changed.
func (p *point) check() error {
	shards := (p.Size + int64(p.ShardSize) - 1) / int64(p.ShardSize)
	switch {
	case p.Size < 1 || p.Size > maxSize:
		return fmt.Errorf("%w: size %d is not from 1 to %d bytes", ErrExperiment, p.Size, int64(maxSize))
	case p.Senders < 1 || p.Senders > maxSenders:
		return fmt.Errorf("%w: %d senders are not from 1 to %d", ErrExperiment, p.Senders, maxSenders)
	case p.Receivers < 1 || p.Receivers > maxReceivers:
		return fmt.Errorf("%w: %d receivers are not from 1 to %d", ErrExperiment, p.Receivers, maxReceivers)
	case p.Loss.MeanLoss() > maxLoss:
		return fmt.Errorf("%w: loss %v is over %v %% on average", ErrExperiment, p.Loss, 100*maxLoss)
	case p.Mode != Sim:
	case p.Trials > maxSimulated/p.Receivers:
		return fmt.Errorf("%w: %d trials of %d receivers are over %d to simulate; mode model has more",
			ErrExperiment, p.Trials, p.Receivers, maxSimulated)
	case shards > maxSimShards:
		return fmt.Errorf("%w: size %d is over %d shards to simulate; mode model has more", ErrExperiment, p.Size, maxSimShards)
	case p.WithBytes && p.Size > maxBytes:
		return fmt.Errorf("%w: size %d is over %d for real bytes", ErrExperiment, p.Size, maxBytes)
	}
	return nil
}

// setLoss keeps the kind of loss and changes its mean.
func (p *point) setLoss(v int64) error {
	kind, _, burst := splitLoss(p.Loss)
	mean := simnet.Probability(v).String()
	switch kind {
	case "none", "bernoulli":
		return p.parseLoss("bernoulli:" + mean)
	case "gilbert":
		return p.parseLoss("gilbert:" + mean + ",burst=" + burst)
	}
	return fmt.Errorf("%w: a sweep of loss varies bernoulli or gilbert, not %v", ErrExperiment, p.Loss)
}

// setBurst keeps the mean loss and changes the mean length of its bursts.
func (p *point) setBurst(v int64) error {
	kind, mean, _ := splitLoss(p.Loss)
	if kind != "bernoulli" && kind != "gilbert" {
		return fmt.Errorf("%w: a sweep of burst varies gilbert or bernoulli, not %v", ErrExperiment, p.Loss)
	}
	return p.parseLoss("gilbert:" + mean + ",burst=" + formatBurst(v))
}

func (p *point) parseLoss(s string) error {
	var err error
	if p.Loss, err = simnet.ParseLoss(s); err != nil {
		return fmt.Errorf("%w: %w", ErrExperiment, err)
	}
	return nil
}

// splitLoss takes the text of a loss apart.
func splitLoss(l simnet.Loss) (kind, mean, burst string) {
	kind, params, _ := strings.Cut(l.String(), ":")
	mean, burst, _ = strings.Cut(params, ",burst=")
	return kind, mean, burst
}

// A cell is one scheme at one point: what becomes a [Row].
type cell struct {
	point
	scheme Scheme
	geo    proto.Geometry
	attack *attack // nil: there is none

	layering *layering // nil: there is one layer
	mixture  *mixture  // nil: there is one object
}

// cells returns all rows to be, point by point.
func (e *Experiment) cells() ([]*cell, error) {
	points, err := e.points()
	if err != nil {
		return nil, err
	}
	var all []*cell
	for _, p := range points {
		for _, s := range e.Schemes {
			parity := p.parity
			if !s.coded() {
				parity = -1
			}
			geo, err := s.geometry(uint64(p.Size), p.ShardSize, parity)
			if err != nil {
				return nil, p.at(err)
			}
			all = append(all, &cell{point: p, scheme: s, geo: geo})
		}
	}
	return all, nil
}

// plainLink reports whether links do nothing but lose packets.
func (e *Experiment) plainLink() bool {
	l := e.Link
	return l.Rate == 0 && l.Queue == 0 && l.Delay == 0 && l.Jitter == 0 && l.Reorder == 0 && l.HoldUp == 0 && l.Duplicate == 0
}

// fixed lists the parameters that are the same in all rows.
func (e *Experiment) fixed() []string {
	all := []string{
		"size=" + formatSize(e.Size),
		fmt.Sprint("shard=", e.ShardSize),
		fmt.Sprint("rate=", e.Rate),
		"loss=" + e.Loss.String(),
		fmt.Sprint("senders=", e.Senders),
		fmt.Sprint("receivers=", e.Receivers),
		fmt.Sprint("trials=", e.Trials),
		"join=" + string(e.Join),
	}
	if swept := e.Sweep.parameter.name; swept == "burst" {
		all = slices.DeleteFunc(all, func(s string) bool { return strings.HasPrefix(s, "loss=") })
	} else if swept != "" {
		all = slices.DeleteFunc(all, func(s string) bool { return strings.HasPrefix(s, swept+"=") })
	}
	if e.Starts == StartsRandom {
		all = append(all, "starts=random")
	}
	if e.WithBytes {
		all = append(all, "bytes=real")
	}
	if l := e.Link; !e.plainLink() {
		all = append(all, fmt.Sprintf("link=rate:%d,queue:%d,delay:%v,jitter:%v,reorder:%v,holdup:%v,duplicate:%v",
			l.Rate, l.Queue, l.Delay, l.Jitter, l.Reorder, l.HoldUp, l.Duplicate))
	}
	return all
}
