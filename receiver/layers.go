// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"math/rand/v2"
	"time"

	"iotupd/proto"
)

// The rules of spec.md 10.3.
const (
	maxLoss   = 5  // percent, above which a window is bad
	heavyLoss = 50 // percent, above which on layer 0 all is left

	trialTime   = 8 * time.Second  // after a join, one bad window is enough to leave
	patience    = 10 * time.Second // else they must go on for this long
	deafTime    = 4 * time.Second  // after leaving a layer, nothing is measured
	earlyTime   = 100 * time.Millisecond
	minJoinTime = 8 * time.Second
	maxJoinTime = 5 * time.Minute
	heavyTime   = 30 * time.Second
	breakTime   = time.Minute
)

// LayersConfig tells [Layers] how far to go. The zero value is usable.
type LayersConfig struct {
	// Max is the highest number of layers to receive. If zero, all that there
	// are.
	Max int

	// MaxRate is the highest rate to receive of all senders together, in bits
	// per second of whole IP packets, as their packets state it. Layer 0 is
	// received in any case. If zero, there is no limit.
	MaxRate int64

	// Rand draws when to try the next layer. If nil, the global source is used.
	Rand *rand.Rand
}

// Layers decides how many layers to receive, by the loss on the way
// (spec.md 10.3). It sends nothing, reads no clock, and is not safe for
// concurrent use. Everything that it goes by can be forged: that can keep it on
// layer 0, but not bring it to receive more than loss allows.
type Layers struct {
	cfg    LayersConfig
	float  func() float64 // random
	losses losses

	level  int       // -1: nothing is received
	begun  bool      // something was heard on level 0
	trial  time.Time // until when the level has to prove itself
	proven bool      // and it did
	deaf   time.Time // until when nothing is measured
	back   time.Time // end of a break
	joins  [proto.MaxLayers]joinTimer
}

// A joinTimer says when a layer may be joined.
type joinTimer struct {
	interval time.Duration // zero: the shortest
	at       time.Time
}

// NewLayers returns the policy of a receiver that has heard nothing yet.
func NewLayers(cfg LayersConfig) *Layers {
	l := &Layers{cfg: cfg, float: rand.Float64}
	if cfg.Rand != nil {
		l.float = cfg.Rand.Float64
	}
	if cfg.Max == 0 {
		l.cfg.Max = proto.MaxLayers
	}
	return l
}

// Level returns the highest layer to receive, beside all below it; -1 for none
// of them. It may change with every call of [Layers.Heard] and [Layers.Tick].
func (l *Layers) Level() int { return l.level }

// Wake returns when to call [Layers.Tick]; the zero time: never.
func (l *Layers) Wake() time.Time { return l.back }

// Tick does what is due at now. A call before [Layers.Wake] is harmless.
func (l *Layers) Tick(now time.Time) {
	if !l.back.IsZero() && !now.Before(l.back) {
		l.back, l.level, l.begun = time.Time{}, 0, false
	}
}

// Heard takes the path word of an undamaged packet of the object, and where it
// came from. It suits [Config.Heard].
func (l *Layers) Heard(now time.Time, from Origin, p proto.Path) {
	if p.Layer > l.level {
		return // of a layer that was left
	}
	if !l.begun {
		l.begun = true
		l.restart(now, 1)
	}
	s := l.losses.find(now, later(now, l.deaf), from, p.Layer)
	if s == nil {
		return
	}
	sent, lost, jump := s.hear(p.Seq)
	s.heard, s.path.heard = now, now
	s.rate = max(s.rate, p.Rate)
	if now.Before(s.path.since) {
		return // deaf
	}
	s.path.sent += sent
	s.path.lost += lost
	s.path.jumped = s.path.jumped || jump && !s.new()
	l.judge(now, s.path)
	if p.Flags&proto.PathSync != 0 && p.Layer == l.level {
		l.try(now, p, s.path)
	}
}

// judge acts on the window of a path when it ends, or when it is clear how it
// will.
func (l *Layers) judge(now time.Time, p *path) {
	took := now.Sub(p.since)
	onTrial := now.Before(l.trial)
	if took < windowTime || p.sent < windowPackets {
		expected := max(windowPackets, p.sent)
		if took < windowTime {
			expected = max(expected, int(float64(p.sent)*float64(windowTime)/float64(took)))
		}
		if onTrial && took >= earlyTime && over(p.lost, expected, maxLoss) {
			l.leave(now)
		}
		return
	}
	...
}
