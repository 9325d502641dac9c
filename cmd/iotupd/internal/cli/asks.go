// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import (
	"os"
	"sync/atomic"
	"time"
)

// asks wait, for a command that does not call ProgressDue all the time, until a
// progress line is due or was asked for by a signal. A nil pointer never waits.
type asks struct {
	ch      chan struct{}
	due     *time.Timer
	stopped chan struct{}
	signal  atomic.Bool // a signal asked for a line
}

// Asks returns a channel that gets an element whenever ProgressDue is to be called.
// It is for one call, before the first one of ProgressDue. Close ends it.
func (o *Output) Asks() <-chan struct{} {
	a := &asks{ch: make(chan struct{}, 1), due: time.NewTimer(o.every), stopped: make(chan struct{})}
	if o.every == 0 {
		a.due.Stop()
	}
	o.asks = a
	stop := o.stop
	o.stop = func() {
		stop()
		close(a.stopped)
		a.due.Stop()
	}
	go a.wait(o.requests)
	return a.ch
}

// wait passes on what asks for a line until it is stopped.
func (a *asks) wait(requests <-chan os.Signal) {
	for {
		select {
		case <-requests:
			a.signal.Store(true)
		case <-a.due.C:
		case <-a.stopped:
			return
		}
		select {
		case a.ch <- struct{}{}:
		default: // one is there already
		}
	}
}

// again asks for the next line after a time.
func (a *asks) again(after time.Duration) {
	if a != nil {
		a.due.Reset(after)
	}
}

// requested reports whether a signal has asked for a line since the last call.
func (o *Output) requested() bool {
	if o.asks != nil {
		return o.asks.signal.Swap(false)
	}
	select {
	case <-o.requests:
		return true
	default:
		return false
	}
}
