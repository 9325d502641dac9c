// SPDX-License-Identifier: GPL-2.0-or-later

package monitor

import (
	"errors"
	"time"

	"iotupd/proto"
	"iotupd/proto/seal"
	"iotupd/receiver"
)

// A catalogue is received to list objects that are rarely heard (spec.md 6.6). Anybody
// may have sent it: who lists it verifies the signatures.
type catalogue struct {
	receiver *receiver.Receiver // nil: there was one already, or there is none
	listed   []receiver.Listed
}

// newCatalogue returns a catalogue that was not heard yet.
func newCatalogue(groupKey *seal.GroupKey) *catalogue {
	cfg := receiver.Config{
		Take: receiver.TakeNone, MaxObjects: proto.MaxCatalogue,
		Open: func(proto.ObjectID, proto.Params) (receiver.Store, error) {
			return nil, errors.New("monitor: nothing is stored")
		},
	}
	if groupKey != nil {
		cfg.GroupKeys = []*seal.GroupKey{groupKey}
	}
	r, err := receiver.New(cfg)
	if err != nil {
		panic("monitor: internal error: " + err.Error())
	}
	return &catalogue{receiver: r}
}

// hear takes a datagram. What is to be done with it is done at once.
func (c *catalogue) hear(now time.Time, from receiver.Origin, datagram []byte) {
	r := c.receiver
	if r == nil {
		return
	}
	if at := r.Wake(); !at.IsZero() && !now.Before(at) {
		r.Tick(now)
	}
	r.Handle(now, from, datagram)
	for j := r.NextJob(); j != nil; j = r.NextJob() {
		j.Run()
		r.Finish(now, j)
	}
	if !r.Done() {
		return
	}
	c.receiver = nil
	if e := (*receiver.SeveralError)(nil); errors.As(r.Err(), &e) && e.Complete {
		c.listed = e.Objects
	}
}
