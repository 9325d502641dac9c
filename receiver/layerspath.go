// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"net/netip"
	"time"
)

// How the loss of a path is judged, spec.md 10.3. Losses are in percent.
const (
	// A window is the longer of a time and a number of packets, and so is each of
	// its pieces, of which it has fewer if a gap made one long.
	windowPieces  = 20
	windowTime    = windowPieces * pieceTime
	windowPackets = windowPieces * piecePackets
	pieceTime     = 100 * time.Millisecond
	piecePackets  = 10

	// What a window may lose above rest, beside a sixth of rest, as the mean of
	// its pieces, of which none counts for more than a burst; and as a whole.
	minMargin = 5
	maxBurst  = 100.0 / 3
	farAbove  = 25

	maxRest  = 30 // what is lost above is always congestion
	restStep = 3  // by so much more than layer 0 told rest may be above it
)

// A path is the way from a host to one of our interfaces. All layers of all
// senders on that host are lost on it alike, so it has one loss.
type path struct {
	key     pathKey
	streams int // at least one
	heard   time.Time
	rest    float64 // what is lost without congestion
	base    float64 // the same, as layer 0 told
	rested  bool    // it did, or else both are zero

	piece  tally
	window window

	judged bool      // a window was complete since the level changed
	good   bool      // and the last one was
	bad    time.Time // when the first of successive windows that were bad began; zero: the last was not
	heavy  time.Time // the same of those above heavyLoss
}

type pathKey struct {
	from    netip.Addr
	ifindex int
}

// A tally counts packets from a time on.
type tally struct {
	since      time.Time
	sent, lost int64
}

// loss is that of the tally, in percent.
func (t *tally) loss() float64 { return 100 * float64(t.lost) / float64(t.sent) }

// A window is made of the pieces that are over.
type window struct {
	tally
	excess float64 // sum of what these lost above rest, each maxBurst at most
	jumped bool    // a sender began anew
}

// begin begins a window.
func (p *path) begin(at time.Time) {
	p.window = window{tally: tally{since: at}}
	p.piece = p.window.tally
}

// count adds packets to the window.
func (p *path) count(now time.Time, sent, lost int64) {
	p.piece.sent += sent
	p.piece.lost += lost
	if now.Sub(p.piece.since) < pieceTime || p.piece.sent < piecePackets {
		return
	}
	w := &p.window
	w.sent += p.piece.sent
	w.lost += p.piece.lost
	w.excess += min(p.piece.loss()-p.rest, maxBurst)
	p.piece = tally{since: now}
}

// complete reports whether the window is.
func (p *path) complete(now time.Time) bool {
	return now.Sub(p.window.since) >= windowTime && p.window.sent >= windowPackets
}

// exceeds reports whether its pieces make the window bad, if it loses no more
// than at rest from now on.
func (p *path) exceeds() bool { return p.window.excess >= windowPieces*(minMargin+p.rest/6) }

// isBad reports whether the complete window is bad.
func (p *path) isBad() bool { return p.exceeds() || p.window.loss() > p.rest+farAbove }

// isHuge reports whether less than two fifths arrived of what does at rest: others
// who join a layer leave half of it.
func (p *path) isHuge() bool { return 100-p.window.loss() < (100-p.rest)*2/5 }

// learn brings rest nearer to the loss of the complete window at a level: by half
// if that was less, by a quarter if it was more.
func (p *path) learn(level int) {
	change := min(p.window.loss()-p.rest, farAbove)
	switch {
	case level == 0 && !p.rested:
	case change < 0:
		change /= 2
	default:
		change /= 4
	}
	p.rest = min(max(0, p.rest+change), maxRest)
	if level == 0 {
		p.base, p.rested = p.rest, true
	}
	p.rest = min(p.rest, p.base+restStep)
}

// alive reports whether a path was heard of lately.
func (p *path) alive(now time.Time) bool { return now.Sub(p.heard) < forgetAfter }
