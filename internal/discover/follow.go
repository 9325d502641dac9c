// SPDX-License-Identifier: GPL-2.0-or-later

package discover

import "time"

// DefaultFailover is how long the senders of a priority may be silent until the
// senders of the next one are listened to (spec.md 8.3).
const DefaultFailover = 30 * time.Second

// What failed is tried again after a time that doubles, within these bounds.
const (
	minBackoff = 5 * time.Second
	maxBackoff = 5 * time.Minute
)

// backoff returns how long to wait after one more failure.
func backoff(failures int) time.Duration { return min(minBackoff<<min(failures, 10), maxBackoff) }

// A Follower decides when to ask name servers, and which priority to listen to.
// It does no I/O, reads no clock, and is not safe for concurrent use. Make one
// by [NewFollower].
type Follower struct {
	failover time.Duration

	plan   *Plan     // nil: none yet
	active int       // index of the level that is listened to
	since  time.Time // it was last heard, or chosen

	heard    time.Time     // last packet of any level, or last change of the plan
	askAfter time.Duration // silence since heard after which to ask; doubles each time

	askAt    time.Time // zero: at once
	asking   bool
	failures int // since the last plan
}

// NewFollower returns a Follower that gives a silent priority the time failover,
// [DefaultFailover] if that is zero.
func NewFollower(failover time.Duration) *Follower {
	if failover == 0 {
		failover = DefaultFailover
	}
	return &Follower{failover: failover}
}

// Plan returns the last plan, nil if there is none yet.
func (f *Follower) Plan() *Plan { return f.plan }

// Active returns the level to listen to. There must be a plan.
func (f *Follower) Active() Level { return f.plan.Levels[f.active] }

// Ask reports whether it is time to ask the name servers. If so, [Follower.Found]
// or [Follower.Failed] has to follow.
func (f *Follower) Ask(now time.Time) bool {
	if f.asking || now.Before(f.askAt) {
		return false
	}
	f.asking = true
	return true
}

// Wake returns when it is time to ask the name servers; the zero time: at once, or
// not before an answer.
func (f *Follower) Wake() time.Time {
	if f.asking {
		return time.Time{}
	}
	return f.askAt
}

// Found takes an answer, and reports whether there is something else to listen
// to. If the active level, all better ones and the multicast groups are what they
// were, the active level stays; otherwise it is the best one again.
func (f *Follower) Found(now time.Time, p *Plan) (changed bool) {
	f.asking, f.failures, f.askAt = false, 0, now.Add(p.Refresh)
	old := f.plan
	f.plan = p
	if old != nil && p.isSameUpTo(old, f.active+1) {
		return false
	}
	f.active = 0
	f.Heard(now) // which gives the new senders time
	return true
}

// Failed notes that there was no answer, and returns the time until the next
// attempt. The old plan stays, however old.
func (f *Follower) Failed(now time.Time) time.Duration {
	wait := backoff(f.failures)
	f.asking, f.askAt = false, now.Add(wait)
	f.failures++
	return wait
}

// Heard notes that a packet of the active level has come.
func (f *Follower) Heard(now time.Time) {
	f.since, f.heard, f.askAfter = now, now, f.failover
}

// Tick turns to the next level if the active one has been silent for too long,
// from the last to the first, and reports whether it did. After the same silence,
// then after twice as much each time, it is also time to ask: the senders may have
// moved.
func (f *Follower) Tick(now time.Time) (changed bool) {
	if f.plan == nil {
		return false
	}
	if now.Sub(f.heard) >= f.askAfter {
		f.askAfter *= 2
		if f.failures == 0 && now.Before(f.askAt) {
			f.askAt = now
		}
	}
	if len(f.plan.Levels) == 1 || now.Sub(f.since) < f.failover {
		return false
	}
	f.active, f.since = (f.active+1)%len(f.plan.Levels), now
	return true
}
