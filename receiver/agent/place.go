// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"context"
	"errors"
	"sync"
	"time"

	"iotupd/receiver"
	"iotupd/receiver/filestore"
)

// checkEvery is the least time between two looks at the place of the file that is
// received. There is none while nothing happens.
const checkEvery = 2 * time.Second

// A checkedTarget can report what another program did to the place of a file.
type checkedTarget interface {
	Check() error
	Reset()
}

// A placeCheck looks at the place of the file on a goroutine of its own, since a disk
// may take long. Its zero value does nothing.
type placeCheck struct {
	due     chan struct{} // nil: the target has no place to look at
	last    time.Time
	running sync.WaitGroup
}

// start looks at the place whenever that is due, until stop. Its error ends the
// transfer.
func (c *placeCheck) start(target filestore.Target, now time.Time, end context.CancelCauseFunc) {
	t, ok := target.(checkedTarget)
	if !ok {
		return
	}
	c.due, c.last = make(chan struct{}, 1), now
	c.running.Go(func() {
		for range c.due {
			if err := t.Check(); err != nil {
				end(err)
			}
		}
	})
}

// happened says that something is being received.
func (c *placeCheck) happened(now time.Time) {
	if c.due == nil || now.Sub(c.last) < checkEvery {
		return
	}
	c.last = now
	select {
	case c.due <- struct{}{}:
	default: // the disk takes long
	}
}

func (c *placeCheck) stop() {
	if c.due != nil {
		close(c.due)
		c.running.Wait()
	}
}

// again reports whether a transfer that has failed is to be begun again, since the
// place of its file was changed by somebody else, and makes the target ready for it.
func (a *Agent) again(err error) bool {
	t, ok := a.cfg.Target.(checkedTarget)
	if !ok || !filestore.Lost(err) && !errors.Is(err, ErrChanged) {
		return false
	}
	t.Reset()
	if a.directories != nil {
		a.directories.place.Close() // the next run opens the directory that is there now
	}
	a.emit(PlaceLost{Err: err})
	return true
}

// ErrChanged says that a file is wrong although every part of it was right when
// it arrived: somebody has changed the received bytes, or the sender's hashes do
// not agree. A comparison of all parts shows which.
var ErrChanged = errors.New("the partial file no longer matches what was received: another program changed it, or the disk fails")

// mayBeChanged returns ErrChanged instead of the error of a transfer if the file is to
// be compared again.
func (t *transfer) mayBeChanged(err error) error {
	_, ok := t.agent.cfg.Target.(checkedTarget)
	if ok && !t.repeated && errors.Is(err, receiver.ErrIntegrity) && t.core.Progress().Records > 0 {
		return ErrChanged
	}
	return err
}
