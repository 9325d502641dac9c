// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"time"

	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/sender"
)

// speedWindow is the time that a shown rate is the mean of.
const speedWindow = 5 * time.Second

// A speed is how fast a transfer went of late. Its zero value is ready.
type speed struct{ samples []sample }

type sample struct {
	at     time.Time
	bits   uint64 // of IP packets that arrived
	shards uint64 // held
	object proto.ObjectID
}

func (s *speed) add(now time.Time, st receiver.Status) {
	packets := st.Data + st.Parity + st.Manifests
	next := sample{
		at:     now,
		bits:   8 * packets * uint64(proto.HeaderLen+st.Params.ShardSize+sender.IPv6Overhead),
		shards: st.Held,
		object: st.Object,
	}
	if len(s.samples) > 0 && s.samples[0].object != st.Object {
		s.samples = s.samples[:0]
	}
	s.samples = append(s.samples, next)
	for now.Sub(s.samples[0].at) > speedWindow {
		s.samples = s.samples[1:]
	}
}

// window returns the first and the last sample, and the time between them.
func (s *speed) window() (first, last sample, seconds float64) {
	if len(s.samples) < 2 {
		return sample{}, sample{}, 0
	}
	first, last = s.samples[0], s.samples[len(s.samples)-1]
	return first, last, last.at.Sub(first.at).Seconds()
}

// rate returns the bit rate at which IP packets arrived; IPv6 is assumed.
func (s *speed) rate() float64 {
	first, last, seconds := s.window()
	if seconds == 0 {
		return 0
	}
	return float64(last.bits-first.bits) / seconds
}

// left returns the time to completion if it goes on so; zero if nobody knows.
func (s *speed) left(st receiver.Status) time.Duration {
	first, last, seconds := s.window()
	if seconds == 0 || last.shards == first.shards {
		return 0
	}
	perSecond := float64(last.shards-first.shards) / seconds
	return time.Duration(float64(st.Needed-st.Held) / perSecond * float64(time.Second))
}
