// SPDX-License-Identifier: GPL-2.0-or-later

package layers

import (
	"maps"
	"time"

	"iotupd/receiver"
)

// A window of measurement lasts for at least this long and this many packets.
const (
	windowTime    = 2 * time.Second
	windowPackets = 200
	// earlyTime is how much of a window shows the rate of the packets.
	earlyTime = 100 * time.Millisecond
)

// A path is what is known of the loss on a [receiver.Path].
type path struct {
	*receiver.Path
	heard time.Time

	since      time.Time // the window begins
	sent, lost int64     // in the window
	jumped     bool      // in the window

	measured bool      // a window was complete since the level changed
	good     bool      // the last complete window was good
	bad      time.Time // when the first of the latest bad windows in a row began; zero: the last one was good
	heavy    time.Time // the same for windows above heavyLoss
}

// complete reports whether the window is complete.
func (p *path) complete(now time.Time) bool {
	return now.Sub(p.since) >= windowTime && p.sent >= windowPackets
}

// expected returns how many packets the window will have.
func (p *path) expected(now time.Time) int64 {
	n := p.sent
	if took := max(now.Sub(p.since), earlyTime); took < windowTime {
		n = n * int64(windowTime) / int64(took)
	}
	return max(n, windowPackets)
}

// lossOf returns how much of so many packets is lost, in percent.
func (p *path) lossOf(packets int64) float64 { return 100 * float64(p.lost) / float64(packets) }

// begin begins a window.
func (p *path) begin(at time.Time) { p.since, p.sent, p.lost, p.jumped = at, 0, 0, false }

// paths are all paths on which packets arrived. The zero paths are empty.
type paths struct {
	all  map[*receiver.Path]*path
	last *path // result of the last call of pathOf
}

// pathOf returns what is known of a path.
func (ps *paths) pathOf(now time.Time, key *receiver.Path) *path {
	if ps.last != nil && ps.last.Path == key {
		return ps.last
	}
	p := ps.all[key]
	if p == nil {
		ps.tidy()
		p = &path{Path: key}
		p.begin(now)
		ps.all[key] = p
	}
	ps.last = p
	return p
}

// tidy forgets paths that have no stream left.
func (ps *paths) tidy() {
	if ps.all == nil {
		ps.all = make(map[*receiver.Path]*path)
	}
	maps.DeleteFunc(ps.all, func(key *receiver.Path, _ *path) bool { return key.Gone() })
	ps.last = nil
}

// restart begins a window on every path.
func (ps *paths) restart(now time.Time) {
	ps.tidy()
	for _, p := range ps.all {
		p.begin(now)
		p.measured, p.good, p.bad, p.heavy = false, false, time.Time{}, time.Time{}
	}
}

// calm reports whether no path is known to be bad.
func (ps *paths) calm(now time.Time) bool {
	for _, p := range ps.all {
		if p.alive(now) && !p.bad.IsZero() {
			return false
		}
	}
	return true
}

// alive reports whether packets arrived on a path lately.
func (p *path) alive(now time.Time) bool { return !p.Gone() && now.Sub(p.heard) < receiver.ForgetAfter }
