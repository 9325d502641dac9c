// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import "time"

// A Bound is what keeps a sender from being faster than it is.
type Bound int

// Bounds.
const (
	ByRate      Bound = iota // it has the rate asked for
	ByLink                   // the queue of the interface is full
	ByProcessor              // there is too little processor time
	BySource                 // reading the file, or what was prepared of it
)

// boundWindow is the time over which a rate is compared with that asked for.
const boundWindow = time.Second

// nearEnough is the part of the rate that is taken for all of it.
const nearEnough = 0.98

// spent says where the time of a sender went.
type spent struct {
	source, link, all time.Duration // reading, waiting for the interface, and all
	slept             time.Duration // as long as it wanted to
	packets           uint64
}

// bound says what bounds a sender that sent these packets, each of which takes
// interval at the rate asked for; zero if none was.
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
