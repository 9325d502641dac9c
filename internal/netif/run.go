// SPDX-License-Identifier: GPL-2.0-or-later

package netif

import (
	"sync"
	"time"
)

// A Follower follows the interfaces of this host, their links and addresses: it has
// somebody look at them after each change that the kernel announces, and regularly,
// since announcements may get lost, or be forbidden. The zero value is ready to use.
type Follower struct {
	// Every is the time between two looks where nothing is announced, and
	// AnnouncedEvery that where changes are. If zero, 2 s and 10 s.
	Every, AnnouncedEvery time.Duration

	// Unannounced asks for no announcements.
	Unannounced bool
}

const (
	// settle is how long changes of the interfaces, which come in runs, are waited for.
	settle = 50 * time.Millisecond
	// share is how many times as long as a look takes there is none after it: where
	// interfaces come and go all the time, and are many, that is the most it costs.
	share = 20
)

func (f Follower) withDefaults() Follower {
	if f.Every == 0 {
		f.Every = 2 * time.Second
	}
	if f.AnnouncedEvery == 0 {
		f.AnnouncedEvery = 10 * time.Second
	}
	return f
}

// Follow looks once before it returns. Every look returns the longest time until the
// next one, zero for the usual time; a look that is called for an announced change has
// changed set. stop waits for a look that is under way. The error says why changes are
// not announced: they are noticed all the same, a little later.
func (f Follower) Follow(look func(changed bool) (next time.Duration)) (stop func(), err error) {
	f = f.withDefaults()
	var changed <-chan struct{}
	ignore := func() {}
	if !f.Unannounced { // before the first look, so that no change is missed
		changed, ignore, err = announcements()
	}
	next := look(true)
	ended, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		f.run(changed, stopped, next, look)
	}()
	return sync.OnceFunc(func() { close(stopped); <-ended; ignore() }), err
}

// run looks until it is stopped.
func (f Follower) run(changed, stopped <-chan struct{}, next time.Duration, look func(bool) time.Duration) {
	timer := time.NewTimer(f.pause(next, changed))
	defer timer.Stop()
	var took time.Duration // the last look
	for {
		announced := false
		select {
		case <-stopped:
			return
		case _, announced = <-changed:
			if !announced {
				changed = nil
			}
			select {
			case <-stopped:
				return
			case <-time.After(max(settle, share*took)):
			}
			select {
			case <-changed: // what this look is for
			default:
			}
		case <-timer.C:
		}
		begun := time.Now()
		next = look(announced)
		took = time.Since(begun)
		timer.Reset(max(f.pause(next, changed), share*took))
	}
}

// pause returns the time until the next look, if nothing is announced before.
func (f Follower) pause(next time.Duration, changed <-chan struct{}) time.Duration {
	usual := f.Every
	if changed != nil {
		usual = f.AnnouncedEvery
	}
	if next > 0 {
		return min(next, usual)
	}
	return usual
}
