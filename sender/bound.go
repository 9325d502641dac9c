// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import "time"

// A Bound is what limits the rate of a sender at present.
type Bound int

// Bounds.
const (
	ByRate      Bound = iota // it has the rate asked for
	ByLink                   // the queue of the interface is full
	ByProcessor              // there is too little processor time
	BySource                 // reading the file, its parity or its digests
)

// boundWindow is the time over which a rate is compared with that asked for.
const boundWindow = time.Second

// nearEnough is the fraction of the rate from which on the rate counts as reached.
const nearEnough = 0.98

// spent is how a sender used its time.
type spent struct {
	source, link, all time.Duration // reading; waiting for the interface; in total
	slept             time.Duration // by its own choice
	packets           uint64
}

// bound returns what limited the sender. At the wanted rate, a packet takes
// interval, which is zero if no rate is wanted.
func (s *spent) bound(interval time.Duration) Bound {
	if interval > 0 && float64(s.packets)*float64(interval) >= nearEnough*float64(s.all) {
		return ByRate
	}
	processor := s.all - s.source - s.link - s.slept
	switch {
	case s.link >= s.source && s.link >= processor:
		return ByLink
	case s.source >= processor:
		return BySource
	}
	return ByProcessor
}
