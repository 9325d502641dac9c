// SPDX-License-Identifier: GPL-2.0-or-later

package state

import (
	"slices"
	"time"
)

// A State is how far the installation of a release has come.
type State uint8

const (
	None       State = iota // nothing is known about the release
	Received                // its file is complete, and an attempt to install it is due
	Installing              // an attempt runs, or was cut off
	Waiting                 // the installer has asked to be called later
	Installed               // the installer has succeeded
	Activated               // the installer has succeeded, and the release has to be confirmed
	Confirmed               // the release runs
	RolledBack              // the release was installed, and an older one runs
	Failed                  // every attempt has failed
	Rejected                // the installer has rejected the release
)

var stateNames = []string{
	"none", "received", "installing", "waiting", "installed", "activated", "confirmed", "rolled-back", "failed", "rejected",
}

// String returns the name of the state, which does not change: it is in files and JSON.
func (s State) String() string { return stateNames[s] }

// Parse returns the state with that name.
func Parse(name string) (s State, ok bool) {
	i := slices.Index(stateNames, name)
	return State(max(i, 0)), i >= 0
}

// Done reports whether the release counts as installed.
func (s State) Done() bool { return s == Installed || s == Activated || s == Confirmed }

// GivenUp reports whether the release is not tried again by itself.
func (s State) GivenUp() bool { return s == RolledBack || s == Failed || s == Rejected }

// Pending reports whether the release is still to be installed.
func (s State) Pending() bool { return s == Received || s == Installing || s == Waiting }

// An Event is what happens to an installation.
type Event uint8

const (
	Arrives   Event = iota // the file of the release is complete, and gets its name
	Starts                 // an attempt begins: the installer is about to run
	Succeeds               // the installer ends with exit code 0
	Defers                 // it ends with exit code 75
	Rejects                // it ends with exit code 65
	Fails                  // it ends in any other way by itself, or at its time limit
	Passes                 // the check before the file gets its name has passed: an attempt can begin
	CutOff                 // the attempt has ended with the process or the system
	Recorded               // "iotupd installed"
	Confirms               // "iotupd confirm"
	Runs                   // the operating system says that this release runs
	RunsOlder              // it says in a later boot that an older one runs
	Overdue                // nobody has confirmed the release in time
	Retries                // "iotupd retry"
)

var eventNames = []string{
	"arrives", "starts", "succeeds", "defers", "rejects", "fails", "passes", "cut-off", "recorded", "confirms", "runs", "runs-older", "overdue", "retries",
}

// String returns the name of the event.
func (e Event) String() string { return eventNames[e] }

// Events returns all events.
func Events() (all []Event) {
	for e := range eventNames {
		all = append(all, Event(e))
	}
	return all
}

// States returns all states.
func States() (all []State) {
	for s := range stateNames {
		all = append(all, State(s))
	}
	return all
}

// A Moment is a point in time that a device without a clock knows: the uptime in a
// boot.
type Moment struct {
	Boot   string // differs in every boot; empty: not known
	Uptime time.Duration
}

// Rules are what the operator wants.
type Rules struct {
	Attempts       int           // how many attempts may fail
	Pause          time.Duration // after the first attempt that failed; later ones are longer
	Confirm        bool          // a release that was installed has to be confirmed
	ConfirmTimeout time.Duration // of uptime, until it counts as rolled back; 0: none
}

// A Progress is how far an installation has come. The zero value: nothing is known
// about the release.
type Progress struct {
	State State
	At    Moment // when State was entered

	Attempts int    // that have begun; those that asked for a later one do not count
	Cut      int    // attempts that were cut off
	Confirm  bool   // Rules.Confirm, when the attempt began
	Why      string // the installation failed, was rejected or waits; the caller sets it
}

// After returns the progress after an event. It reports false, and nothing changes, if
// the event has no meaning in this state.
func (p Progress) After(e Event, now Moment, rules Rules) (next Progress, ok bool) {
	t := find(p, e, rules)
	if t == nil {
		return p, false
	}
	if t.To == p.State && e != Retries {
		return p, true // Why and At stay what they were
	}
	next = p
	next.State, next.At, next.Why = t.To, now, ""
	switch e {
	case Arrives:
		if !p.State.Pending() { // a file that was lost does not allow more attempts
			next.Attempts, next.Cut = 0, 0
		}
	case Retries:
		next.Attempts, next.Cut = 0, 0
	case Starts:
		next.Attempts, next.Confirm = p.Attempts+1, rules.Confirm
	case Defers, Passes:
		next.Attempts = p.Attempts - 1
	case CutOff:
		next.Cut = p.Cut + 1
	}
	return next, true
}

const (
	// longestPause is the longest time between two attempts that may fail, unless
	// Rules.Pause is longer.
	longestPause = time.Hour

	// afterCuts is the uptime between attempts when all of them were cut off: whoever
	// reboots in the middle of an installation does not do so all the time.
	afterCuts = 24 * time.Hour

	waitingPauses = 5 // Rules.Pause is this part of the time after which a waiting installer is called
)

// Due returns how long it takes until something is to be done: to begin an attempt in a
// pending state, or to note that the release is overdue in the state Activated. It
// reports false if nothing is. At the start of a process the first attempt comes at
// once.
func (p Progress) Due(now Moment, rules Rules, start bool) (wait time.Duration, ok bool) {
	switch {
	case p.State == Activated:
		return p.left(now, rules.ConfirmTimeout), rules.ConfirmTimeout > 0
	case !p.State.Pending():
		return 0, false
	case p.allCut() && p.Attempts >= rules.Attempts:
		return p.left(now, afterCuts), true
	case start || p.State == Installing || p.At.Boot != now.Boot:
		return 0, true
	case p.State == Waiting:
		return p.left(now, waitingPauses*rules.Pause), true
	case p.Attempts == 0:
		return 0, true
	}
	return p.left(now, rules.pause(p.Attempts)), true
}

// left returns the rest of a time since the state was entered, or since the boot if
// that was before.
func (p Progress) left(now Moment, whole time.Duration) time.Duration {
	since := p.At.Uptime
	if p.At.Boot != now.Boot || since > now.Uptime {
		since = 0
	}
	return max(0, whole-(now.Uptime-since))
}

// pause returns the time after so many attempts.
func (r Rules) pause(attempts int) time.Duration {
	pause, most := r.Pause, max(r.Pause, longestPause)
	for i := 1; i < attempts && pause < most; i++ {
		pause *= 4
	}
	return min(pause, most)
}

// allCut reports whether no attempt has ended by itself, and one was cut off.
func (p Progress) allCut() bool { return p.Cut > 0 && p.Cut == p.Attempts }
