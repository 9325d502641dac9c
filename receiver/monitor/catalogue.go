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
	beside
	listed []receiver.Listed
}

// newCatalogue returns a catalogue that was not heard yet.
func newCatalogue(groupKey *seal.GroupKey) *catalogue {
	return &catalogue{beside: newBeside(receiver.Config{
		Take: receiver.TakeNone, MaxObjects: proto.MaxCatalogue,
		Open: func(proto.ObjectID, proto.Params) (receiver.Store, error) {
			return nil, errors.New("monitor: nothing is stored")
		},
	}, groupKey)}
}

// hear takes a datagram.
func (c *catalogue) hear(now time.Time, from receiver.Origin, datagram []byte) {
	_, err := c.beside.hear(now, from, datagram)
	if e := (*receiver.SeveralError)(nil); errors.As(err, &e) && e.Complete {
		c.listed = e.Objects
	}
}
