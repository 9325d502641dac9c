// SPDX-License-Identifier: GPL-2.0-or-later

package golden_test

import (
	"math/rand/v2"
	"time"

	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/receiver/layers"
)

// This file has all calls of the receiver that depend on how its parts are
// connected. If that changes, adapt it; the traces stay as they are.

// A driver is a receiver and, if the sender has several layers, the policy that
// chooses among them.
type driver struct {
	*receiver.Receiver
	policy *layersPolicy // nil: all layers are received
}

// newDriver returns a receiver that reports its events to observe.
func newDriver(cfg receiver.Config, policy *layersPolicy, observe func(time.Time, receiver.Event)) (*driver, error) {
	cfg.Observe = observe
	r, err := receiver.New(cfg)
	if err == nil && policy != nil {
		policy.listen(r.Streams())
	}
	return &driver{r, policy}, err
}

// handle gives one datagram to the receiver and, if it is of the chosen object,
// to the policy.
func (d *driver) handle(now time.Time, from receiver.Origin, datagram []byte) error {
	err := d.Handle(now, from, datagram)
	if d.policy != nil {
		d.policy.l.Hear(now, d.Streams().Take())
	}
	return err
}

// A layersPolicy chooses the level.
type layersPolicy struct {
	cfg     layers.Config
	streams *receiver.Streams
	l       *layers.Policy
}

// newLayersPolicy returns one that is given its packets by heard, unless it listens
// to others.
func newLayersPolicy(max int, maxRate int64, rnd *rand.Rand) *layersPolicy {
	p := &layersPolicy{cfg: layers.Config{Max: max, MaxRate: maxRate, Rand: rnd}}
	p.listen(new(receiver.Streams))
	return p
}

// listen begins again with the streams of a receiver.
func (p *layersPolicy) listen(streams *receiver.Streams) {
	p.streams, p.l = streams, layers.New(streams, p.cfg)
}

func (p *layersPolicy) heard(now time.Time, from receiver.Origin, path proto.Path) {
	p.streams.Note(now, from, &path)
	p.l.Hear(now, p.streams.Take())
}
func (p *layersPolicy) tick(now time.Time) { p.l.Tick(now) }
func (p *layersPolicy) wake() time.Time    { return p.l.Wake() }
func (p *layersPolicy) level() int         { return p.l.Level() }
