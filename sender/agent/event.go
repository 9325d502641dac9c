// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"time"

	"iotupd/proto"
	"iotupd/sender"
	"iotupd/sender/filesource"
	"iotupd/sender/multicast"
)

// An Event is something that [Agent.Send] does: one of the types of this file.
type Event interface{ event() }

// Watching means that the agent starts to watch for listeners.
type Watching struct{}

// Preparing says how much of the encoding is done, 0 to 1.
type Preparing struct{ Fraction float64 }

// Cached says what the cache contributed.
type Cached struct{ filesource.CacheUse }

// Waiting means that an interface cannot be sent on yet, and is waited for. It comes
// again when the reason is another one.
type Waiting struct {
	Interface string // that was named; empty: none
	Err       error
	Until     time.Time // it is given up, unless others are sent on
}

// Sending means that the file is encoded, or was restored from the cache, and
// packets begin to leave. [Agent.Manifest] is complete.
type Sending struct {
	Took   time.Duration     // of the encoding
	Routes []multicast.Route // of interfaces that are ready, one at least
}

// Opened means that one more interface is ready, and packets begin to leave there.
type Opened struct{ multicast.Route }

// Progress comes several times a second. With several interfaces, it is the
// progress of the slowest one, with the packets of all.
type Progress struct {
	At time.Time
	sender.Progress
	Interfaces []InterfaceProgress
}

// An InterfaceProgress is the progress on one interface.
type InterfaceProgress struct {
	Interface string // name
	sender.Progress
}

// Dropped means that one of several files is not sent any more, since it has changed or
// cannot be read.
type Dropped struct {
	Manifest *proto.Manifest
	Err      error
	Left     int // files that are still sent
}

// Stopped is the last event of a transfer that had begun.
type Stopped struct {
	sender.Progress
	Took time.Duration // since Sending
}

func (Watching) event()  {}
func (Dropped) event()   {}
func (Waiting) event()   {}
func (Opened) event()    {}
func (Preparing) event() {}
func (Cached) event()    {}
func (Sending) event()   {}
func (Progress) event()  {}
func (Stopped) event()   {}
