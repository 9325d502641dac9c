// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import "time"

// speedWindow is the time that a shown rate is the mean of.
const speedWindow = 5 * time.Second

// A Speed is how fast a counter went up of late. Its zero value is ready.
type Speed struct{ samples []sample }

type sample struct {
	at    time.Time
	count uint64
}

// Add notes the counter. One that has gone down has started again.
func (s *Speed) Add(now time.Time, count uint64) {
	if n := len(s.samples); n > 0 && count < s.samples[n-1].count {
		s.samples = s.samples[:0]
	}
	s.samples = append(s.samples, sample{now, count})
	for len(s.samples) > 2 && now.Sub(s.samples[0].at) > speedWindow {
		s.samples = s.samples[1:]
	}
}

// PerSecond returns the mean of the window; zero if nobody knows.
func (s *Speed) PerSecond() float64 {
	if len(s.samples) < 2 {
		return 0
	}
	first, last := s.samples[0], s.samples[len(s.samples)-1]
	seconds := last.at.Sub(first.at).Seconds()
	if seconds <= 0 {
		return 0
	}
	return float64(last.count-first.count) / seconds
}

// Left returns how long it takes to count so much more; zero if nobody knows.
func (s *Speed) Left(more uint64) time.Duration {
	rate := s.PerSecond()
	if rate == 0 {
		return 0
	}
	return time.Duration(float64(more) / rate * float64(time.Second))
}
