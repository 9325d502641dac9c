// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"time"

	"iotupd/sender"
	"iotupd/sender/filesource"
)

// An Event is something that [Agent.Send] does: one of the types of this file.
type Event interface{ event() }

// Watching means that the agent starts to watch for listeners.
type Watching struct{}

// Preparing says how much of the encoding is done, 0 to 1.
type Preparing struct{ Fraction float64 }

// Cached says what the cache was good for.
type Cached struct{ filesource.CacheUse }

// Sending means that the file is encoded, or was restored from the cache, and
// packets begin to leave. [Agent.Manifest] is complete.
type Sending struct{ Took time.Duration } // of the encoding

// Progress comes several times a second.
type Progress struct {
	At time.Time
	sender.Progress
}

// Stopped is the last event of a transfer that had begun.
type Stopped struct {
	sender.Progress
	Took time.Duration // since Sending
}

func (Watching) event()  {}
func (Preparing) event() {}
func (Cached) event()    {}
func (Sending) event()   {}
func (Progress) event()  {}
func (Stopped) event()   {}
