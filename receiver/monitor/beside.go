// SPDX-License-Identifier: GPL-2.0-or-later

package monitor

import (
	"time"

	"iotupd/proto/seal"
	"iotupd/receiver"
)

// A beside is a receiver of something that the monitor needs itself.
type beside struct {
	receiver *receiver.Receiver // nil: it has ended
}

// newBeside returns a receiver that has received nothing yet. The group key may be nil.
func newBeside(cfg receiver.Config, groupKey *seal.GroupKey) beside {
	if groupKey != nil {
		cfg.GroupKeys = []*seal.GroupKey{groupKey}
	}
	r, err := receiver.New(cfg)
	if err != nil {
		panic("monitor: internal error: " + err.Error())
	}
	return beside{r}
}

// hear takes a datagram. What is to be done with it is done at once. It reports whether the
// receiver has ended now, and by which error.
func (s *beside) hear(now time.Time, from receiver.Origin, datagram []byte) (ended bool, err error) {
	r := s.receiver
	if r == nil {
		return false, nil
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
		return false, nil
	}
	s.receiver = nil
	return true, r.Err()
}
