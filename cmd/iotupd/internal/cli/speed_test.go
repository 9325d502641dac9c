// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import (
	"testing"
	"time"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestSpeedOfNothingIsUnknown(t *testing.T) {
	var s Speed
	s.Add(epoch, 7)
	s.Add(epoch, 8) // at the same time
	if rate, left := s.PerSecond(), s.Left(100); rate != 0 || left != 0 {
		t.Errorf("got %v per second, %v left, want neither", rate, left)
	}
}

func TestSpeedIsTheMeanOfTheLastSeconds(t *testing.T) {
	var s Speed
	count := uint64(0)
	for at := time.Duration(0); at <= 20*time.Second; at += 200 * time.Millisecond {
		s.Add(epoch.Add(at), count)
		if at < 10*time.Second {
			count += 1000
		} else {
			count += 20
		}
	}
	if got := s.PerSecond(); got != 100 {
		t.Errorf("got %v per second, want 100: what was before %v ago does not count", got, speedWindow)
	}
	if got, want := s.Left(250), 2500*time.Millisecond; got != want {
		t.Errorf("got %v left, want %v", got, want)
	}
	if n := len(s.samples); n > 30 {
		t.Errorf("got %d samples of 200 ms for %v", n, speedWindow)
	}
}

func TestSpeedStartsAgainWithItsCounter(t *testing.T) {
	var s Speed
	s.Add(epoch, 1_000_000)
	s.Add(epoch.Add(time.Second), 2_000_000)
	s.Add(epoch.Add(2*time.Second), 0)
	s.Add(epoch.Add(3*time.Second), 50)
	if got := s.PerSecond(); got != 50 {
		t.Errorf("got %v per second, want 50", got)
	}
}

func TestSpeedAfterAPause(t *testing.T) {
	var s Speed
	s.Add(epoch, 0)
	s.Add(epoch.Add(time.Minute), 60)
	if got := s.PerSecond(); got != 1 {
		t.Errorf("got %v per second, want 1", got)
	}
}
