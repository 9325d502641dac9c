// SPDX-License-Identifier: GPL-2.0-or-later

package discover

import (
	"context"
	"sync"
	"time"
)

// The time between two looks at what was heard is a fraction of the time that a
// priority may be silent, within these bounds: every look wakes the processor.
const (
	minLookEvery = 500 * time.Millisecond
	maxLookEvery = 2 * time.Second
	looks        = 15 // in that time
)

func lookEvery(failover time.Duration) time.Duration {
	return max(minLookEvery, min(failover/looks, maxLookEvery))
}

// FollowOptions are the parameters and callbacks of [Resolver.Follow]. The
// functions are called by its goroutine alone, and must not be nil.
type FollowOptions struct {
	// Failover is how long a priority may be silent. If zero, [DefaultFailover].
	Failover time.Duration

	// Heard returns a number that changes with every packet from a source that is
	// listened to.
	Heard func() uint64

	// Listen is called when there is something else to listen to, and again some
	// seconds after an error.
	Listen func(*Plan, Level) error

	// Failed is called when there was no answer, or after an error of Listen,
	// with the time until the next try.
	Failed func(err error, again time.Duration)
}

// Follow finds the senders of a channel and keeps up with them until ctx ends,
// and returns the cause of that. Whatever fails is tried again.
func (r Resolver) Follow(ctx context.Context, name string, opts FollowOptions) error {
	return follow(ctx, opts, func(old *Plan) (*Plan, error) { return r.Resolve(ctx, name, old) })
}

// follow is Follow, which asks by a function that may take long. It runs beside
// the goroutine of follow.
func follow(ctx context.Context, opts FollowOptions, ask func(old *Plan) (*Plan, error)) error {
	w := following{opts: opts, core: NewFollower(opts.Failover)}
	answers := make(chan resolved, 1)
	var asking sync.WaitGroup
	defer asking.Wait()
	look := time.NewTimer(0)
	defer look.Stop()
	for {
		now := time.Now()
		w.tick(now)
		if w.core.Ask(now) {
			old := w.core.Plan()
			asking.Go(func() {
				p, err := ask(old)
				answers <- resolved{p, err}
			})
		}
		look.Reset(w.wake(now).Sub(now))
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case a := <-answers:
			w.found(time.Now(), a)
		case <-look.C:
		}
	}
}

// A resolved is what [Resolver.Resolve] returns.
type resolved struct {
	plan *Plan
	err  error
}

// A following is one call of Follow.
type following struct {
	opts FollowOptions
	core *Follower

	heard    uint64
	stale    bool      // what is listened to is not what should be
	listenAt time.Time // not before
	failures int       // of Listen, in a row
}

// found takes an answer.
func (w *following) found(now time.Time, a resolved) {
	if a.err != nil {
		w.opts.Failed(a.err, w.core.Failed(now))
		return
	}
	if w.core.Found(now, a.plan) {
		w.stale, w.listenAt, w.failures = true, now, 0
	}
}

// wake returns when to call tick, and to see whether it is time to ask.
func (w *following) wake(now time.Time) time.Time {
	at := now.Add(lookEvery(w.core.failover))
	if ask := w.core.Wake(); ask.After(now) && ask.Before(at) {
		at = ask
	}
	if w.stale && w.listenAt.After(now) && w.listenAt.Before(at) {
		at = w.listenAt
	}
	return at
}

// tick does what is due.
func (w *following) tick(now time.Time) {
	if n := w.opts.Heard(); n != w.heard {
		w.heard = n
		w.core.Heard(now)
	}
	if w.core.Tick(now) {
		w.stale, w.listenAt, w.failures = true, now, 0
	}
	if !w.stale || now.Before(w.listenAt) {
		return
	}
	if err := w.opts.Listen(w.core.Plan(), w.core.Active()); err != nil {
		wait := backoff(w.failures)
		w.failures++
		w.listenAt = now.Add(wait)
		w.opts.Failed(err, wait)
		return
	}
	w.stale, w.failures = false, 0
}
