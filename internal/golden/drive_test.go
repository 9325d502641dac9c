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
	if policy != nil {
		cfg.Heard = policy.heard
	}
	r, err := receiver.New(cfg)
	return &driver{r, policy}, err
}

// handle gives one datagram to the receiver and, if it is of the chosen object,
// to the policy.
func (d *driver) handle(now time.Time, from receiver.Origin, datagram []byte) error {
	return d.Handle(now, from, datagram)
}

// A layersPolicy chooses the level.
type layersPolicy struct{ l *layers.Policy }

func newLayersPolicy(max int, maxRate int64, rnd *rand.Rand) *layersPolicy {
	return &layersPolicy{layers.New(layers.Config{Max: max, MaxRate: maxRate, Rand: rnd})}
}

func (p *layersPolicy) heard(now time.Time, from receiver.Origin, path proto.Path) {
	p.l.Heard(now, from, path)
}
func (p *layersPolicy) tick(now time.Time) { p.l.Tick(now) }
func (p *layersPolicy) wake() time.Time    { return p.l.Wake() }
func (p *layersPolicy) level() int         { return p.l.Level() }
