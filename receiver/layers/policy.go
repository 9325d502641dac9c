// SPDX-License-Identifier: GPL-2.0-or-later

// Package layers decides how many layers of a transfer to receive.
package layers

import (
	"math/rand/v2"
	"time"

	"iotupd/proto"
	"iotupd/receiver"
)

// The rules of spec.md 10.3.
const (
	badLoss   = 5  // percent of a window
	heavyLoss = 50 // percent, above which layer 0 is of no use
	hugeLoss  = 60 // percent, more than others cause when they join a layer

	trialTime  = 3 * time.Second  // so long after a join, a single bad window is enough to leave
	shortTime  = 6 * time.Second  // later, windows must be bad for this long
	settleTime = 30 * time.Second // and this long after a join
	longTime   = 12 * time.Second // for this long

	deafTime    = 4 * time.Second // after a leave, nothing is measured
	minJoinTime = 8 * time.Second
	maxJoinTime = 5 * time.Minute

	heavyTime = 30 * time.Second
	breakTime = time.Minute
)

// Config says how far a [Policy] may go. The zero value is usable.
type Config struct {
	// Max is the highest number of layers to receive. If zero, MaxLayers of
	// package proto.
	Max int

	// MaxRate is the highest rate to receive of all senders together, in bits
	// per second of whole IP packets, as their packets state it. Layer 0 is
	// received in any case. If zero, there is no limit.
	MaxRate int64

	// Rand draws when to try the next layer. If nil, the global source is used.
	Rand *rand.Rand
}

// A Policy decides how many layers to receive, by the loss on the network
// (spec.md 10.3). It sends nothing, reads no clock, and is not safe for
// concurrent use. All of its input can be forged: forged packets can keep it on
// layer 0, but cannot make it receive more than loss allows.
type Policy struct {
	cfg     Config
	draw    func(int64) int64 // a random number below another
	streams *receiver.Streams
	paths   paths

	level  int       // -1: nothing is received
	since  time.Time // of the level
	silent bool      // no packet of the top layer has arrived yet
	trial  time.Time // end of the trial of the level
	proven bool      // the trial succeeded
	deaf   time.Time // until when nothing is measured
	back   time.Time // end of a break
	joins  [proto.MaxLayers]joinTimer
}

// A joinTimer says when a layer may be joined.
type joinTimer struct {
	interval time.Duration // zero: it never failed
	at       time.Time
}

// New returns the policy of a receiver that has received nothing yet and listens
// to layer 0 of streams. No other code may call [receiver.Streams.Listen] of
// streams.
func New(streams *receiver.Streams, cfg Config) *Policy {
	l := &Policy{cfg: cfg, draw: rand.Int64N, streams: streams}
	streams.Keep()
	streams.Listen(0)
	if cfg.Rand != nil {
		l.draw = cfg.Rand.Int64N
	}
	if cfg.Max == 0 {
		l.cfg.Max = proto.MaxLayers
	}
	return l
}

// Level returns the highest layer to receive, together with all below it; -1 for
// no layer. It may change with every call of [Policy.Hear] and [Policy.Tick].
func (l *Policy) Level() int { return l.level }

// Wake returns when to call [Policy.Tick]; the zero time: never.
func (l *Policy) Wake() time.Time { return l.back }

// Tick does what is due at now. A call before [Policy.Wake] has no effect.
func (l *Policy) Tick(now time.Time) {
	if !l.back.IsZero() && !now.Before(l.back) {
		l.back = time.Time{}
		l.changeLevel(now, 0)
	}
}

// Hear takes the packets that [receiver.Streams.Take] lists. They arrived at now.
func (l *Policy) Hear(now time.Time, heard []receiver.Heard) {
	for i := range heard {
		l.handle(now, &heard[i])
	}
}

func (l *Policy) handle(now time.Time, h *receiver.Heard) {
	if h.Layer > l.level {
		return // of a layer that was left
	}
	p := l.paths.pathOf(now, h.Path)
	p.heard = now
	if now.Before(l.deaf) {
		p.begin(now)
		return
	}
	p.sent += int64(h.Sent)
	p.lost += int64(h.Lost)
	p.jumped = p.jumped || h.Jump
	l.silent = l.silent && h.Layer < l.level
	l.evaluate(now, p)
	if h.Flags&proto.PathSync != 0 && h.Layer == l.level && l.mayJoin(now, h, p) {
		l.join(now)
	}
}

// evaluate acts on the window of a path when it ends, or as soon as its result is
// certain.
func (l *Policy) evaluate(now time.Time, p *path) {
	onTrial := l.level > 0 && (now.Before(l.trial) || !p.measured && !l.trial.IsZero())
	if !p.complete(now) {
		if onTrial && p.lossOf(p.expected(now)) > badLoss {
			l.leave(now)
		}
		return
	}
	loss := p.lossOf(p.sent)
	if l.silent {
		loss = 100 // of the top layer: without packets there are no gaps in their numbers
	}
	began, jumped := p.since, p.jumped
	p.begin(now)
	p.measured, p.good = true, loss <= badLoss && !jumped
	if loss <= heavyLoss {
		p.heavy = time.Time{}
	} else if p.heavy.IsZero() {
		p.heavy = began
	}
	if loss <= badLoss {
		p.bad = time.Time{}
		l.prove(now)
		return
	}
	if p.bad.IsZero() {
		p.bad = began
	}
	switch {
	case l.level == 0 && l.hopeless(now):
		l.leaveAll(now)
	case l.level > 0 && (onTrial || loss > hugeLoss || now.Sub(p.bad) >= l.leaveAfter(now)):
		l.leave(now)
	default:
		l.arm(now, l.level+1) // somebody else may have tried it
	}
}

// prove notes that a path carries the level: after settleTime the join timer of
// the layer is halved. It also leaves the layer if the stated rates exceed the
// limit.
func (l *Policy) prove(now time.Time) {
	if l.level > 0 && !l.proven && now.Sub(l.since) >= settleTime {
		l.proven = true
		if j := &l.joins[l.level]; j.interval > 0 {
			j.interval = max(j.interval/2, minJoinTime)
		}
	}
	if l.level > 0 && l.tooFast(l.streams.Rate(now)) {
		l.changeLevel(now, l.level-1)
	}
}

// leaveAfter returns for how long windows must be bad to leave the top layer:
// longer than other receivers behind the same bottleneck, which joined their top
// layer later, need to leave it.
func (l *Policy) leaveAfter(now time.Time) time.Duration {
	if now.Sub(l.since) < settleTime {
		return shortTime
	}
	return longTime
}

// hopeless reports whether no path carries layer 0.
func (l *Policy) hopeless(now time.Time) bool {
	for _, p := range l.paths.all {
		if p.alive(now) && (p.heavy.IsZero() || now.Sub(p.heavy) < heavyTime) {
			return false
		}
	}
	return true
}

// mayJoin reports whether to join the next layer after a packet that allows it.
func (l *Policy) mayJoin(now time.Time, h *receiver.Heard, p *path) bool {
	next := l.level + 1
	if next >= min(int(h.Layers), l.cfg.Max) || now.Before(l.trial) || now.Before(l.joins[next].at) {
		return false
	}
	if !p.good || l.streams.Crowded(now) || !l.paths.calm(now) {
		return false
	}
	return !l.tooFast(2 * l.streams.Rate(now))
}

// tooFast reports whether a rate, summed from stated ones, is over the limit.
func (l *Policy) tooFast(rate int64) bool {
	return l.cfg.MaxRate > 0 && proto.OverRate(rate, l.cfg.MaxRate)
}

func (l *Policy) join(now time.Time) {
	l.changeLevel(now, l.level+1)
	l.trial, l.proven = now.Add(trialTime), false
}

// leave leaves the top layer because of loss.
func (l *Policy) leave(now time.Time) {
	j := &l.joins[l.level]
	j.interval = min(max(2*j.interval, minJoinTime), maxJoinTime)
	l.arm(now, l.level)
	l.changeLevel(now, l.level-1)
	l.deaf = now.Add(deafTime)
	l.trial, l.proven = time.Time{}, true
}

// leaveAll leaves all layers for a while.
func (l *Policy) leaveAll(now time.Time) {
	l.changeLevel(now, -1)
	l.back = now.Add(breakTime/2 + l.upTo(breakTime))
}

// changeLevel changes the level and restarts the measurement of loss.
func (l *Policy) changeLevel(now time.Time, level int) {
	l.level, l.since, l.silent = level, now, level > 0
	l.streams.Listen(level)
	l.paths.restart(now)
}

// arm starts the timer of a layer again, if it ever failed.
func (l *Policy) arm(now time.Time, layer int) {
	if layer < len(l.joins) {
		j := &l.joins[layer]
		if at := now.Add(j.interval*4/5 + l.upTo(j.interval*2/5)); at.After(j.at) {
			j.at = at
		}
	}
}

// upTo draws a duration from 0 to d.
func (l *Policy) upTo(d time.Duration) time.Duration { return time.Duration(l.draw(int64(d) + 1)) }
