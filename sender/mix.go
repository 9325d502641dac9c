// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"iotupd/proto"
)

// catalogueEvery is the number of rounds of which the catalogue gets one (spec.md 6.6).
const catalogueEvery = 20

// CatalogueFraction is the fraction of the rate that the catalogue of a set gets.
const CatalogueFraction = 1.0 / catalogueEvery

// A mix says which object's carousel has the next round of slots. The time
// for that grows only with the depth of a heap. The zero value is for a single object.
type mix struct {
	current   int
	round     uint64
	catalogue int // member that is the catalogue; -1: there is none

	others rounds // of the objects that are not empty, without the catalogue; nil: a single object
}

// rounds says which of several objects has the next round.
type rounds interface {
	// next returns that object, and false if none is left.
	next() (object int, ok bool)
	// shows reports whether the manifest of that object comes first.
	shows() bool
	// drop leaves an object out.
	drop(object int)
	// clone returns a copy, which goes on by itself.
	clone() rounds
}

func newMix(share Share, members []Member, carousels []carousel, catalogue int) mix {
	m := mix{catalogue: catalogue}
	if len(members) == 1 {
		return m
	}
	geos, weights := make([]proto.Geometry, len(members)), make([]float64, len(members))
	for i := range members {
		if geos[i], weights[i] = carousels[i].geo, members[i].Weight; i == catalogue {
			geos[i].Size = 0 // it has rounds of its own
		}
	}
	if share == ShareShortest {
		m.others = newVisits(geos, weights)
	} else {
		m.others = newEvenRounds(share.Fractions(geos, weights))
	}
	m.take(carousels)
	return m
}

// next goes on to the next round. It reports whether the manifest of its object comes first.
func (m *mix) next(carousels []carousel) (shows bool) {
	m.round++
	m.take(carousels)
	return m.others != nil && m.current != m.catalogue && m.others.shows()
}

// take chooses the object of the present round.
func (m *mix) take(carousels []carousel) {
	if m.others == nil {
		return
	}
	if m.catalogue >= 0 && m.round%catalogueEvery == 0 {
		m.current = m.catalogue
		return
	}
	object, ok := m.others.next()
	switch {
	case ok:
		m.current = object
	case m.catalogue >= 0:
		m.current = m.catalogue
	case carousels[m.current].dropped: // empty files, which have no rounds
		m.current = max(0, slices.IndexFunc(carousels, func(c carousel) bool { return !c.dropped }))
	}
}

// drop leaves an object out.
func (m *mix) drop(object int, carousels []carousel) {
	if m.others == nil {
		return
	}
	m.others.drop(object)
	if m.current == object {
		m.take(carousels)
	}
}

// evenRounds give every object rounds in proportion to its fraction, evenly spread: round n
// of an object with a stride of s rounds lies between n*s and (n+1)*s. Of the objects
// that may have a round, the one that must have it first gets it.
type evenRounds struct {
	now    uint64   // rounds until now, times roundUnit
	stride []uint64 // of each object, in the same unit; 0: it has no rounds

	// The objects, by the time from which on each may have its next round, and then by
	// the time at which that has to be over.
	waiting, ready roundHeap
}

const (
	roundUnit  = 1 << 24
	longStride = 1 << 56 // of objects with the smallest fractions
)

func newEvenRounds(fractions []float64) *evenRounds {
	r := &evenRounds{stride: make([]uint64, len(fractions))}
	for i, f := range fractions {
		if f > 0 {
			// Rounded up: otherwise the objects together had more than all rounds.
			r.stride[i] = uint64(min(longStride, math.Ceil(roundUnit/f)))
			r.ready.push(dueRound{r.stride[i], i})
		}
	}
	return r
}

// next implements rounds.
func (r *evenRounds) next() (object int, ok bool) {
	for {
		for len(r.waiting) > 0 && !later(r.waiting[0].at, r.now) {
			if w := r.waiting.pop(); r.stride[w.object] > 0 {
				r.ready.push(dueRound{w.at + r.stride[w.object], w.object})
			}
		}
		switch {
		case len(r.ready) > 0:
			if due := r.ready.pop(); r.stride[due.object] > 0 {
				r.waiting.push(due)
				r.now += roundUnit
				return due.object, true
			}
		case len(r.waiting) > 0:
			r.now = r.waiting[0].at
		default:
			return 0, false
		}
	}
}

// shows implements rounds.
func (r *evenRounds) shows() bool { return false }

// drop implements rounds.
func (r *evenRounds) drop(object int) { r.stride[object] = 0 }

// clone implements rounds.
func (r *evenRounds) clone() rounds {
	return &evenRounds{now: r.now, stride: slices.Clone(r.stride), waiting: slices.Clone(r.waiting), ready: slices.Clone(r.ready)}
}

// A dueRound is an object, and a time that orders it.
type dueRound struct {
	at     uint64 // wraps
	object int
}

// later reports whether time a is after b.
func later(a, b uint64) bool { return int64(a-b) > 0 }

// A roundHeap is a binary heap: the earliest round is the first element.
type roundHeap []dueRound

func (h roundHeap) less(i, j int) bool {
	return later(h[j].at, h[i].at) || h[i].at == h[j].at && h[i].object < h[j].object
}

func (h *roundHeap) push(t dueRound) {
	*h = append(*h, t)
	a := *h
	for i := len(a) - 1; i > 0 && a.less(i, (i-1)/2); i = (i - 1) / 2 {
		a[i], a[(i-1)/2] = a[(i-1)/2], a[i]
	}
}

func (h *roundHeap) pop() dueRound {
	a := *h
	first, last := a[0], len(a)-1
	a[0] = a[last]
	a = a[:last]
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < last; child++ {
			if a.less(child, least) {
				least = child
			}
		}
		if least == i {
			break
		}
		a[i], a[least] = a[least], a[i]
		i = least
	}
	*h = a
	return first
}

// visits are one after the other: an object is sent for a while without another one.
type visits struct {
	all     []visit
	dropped map[int]bool // objects whose visits are left out when they come
	nth     int          // of all
	left    int64        // rounds of it
}

// A visit is the number of rounds for which an object is sent without another one.
type visit struct {
	object int
	rounds int64
}

// visitParity is the number of data packets for each parity packet of a visit. Eight data
// packets for one parity packet are enough for a loss of 1/9.
const visitParity = 8

// newVisits returns the visits of all objects, ordered by the packets needed for each
// waiting receiver, fewest first.
func newVisits(geos []proto.Geometry, weights []float64) *visits {
	v := &visits{dropped: make(map[int]bool)}
	cost := make([]float64, len(geos))
	for i, g := range geos {
		if cost[i] = float64(g.DataShards) / cmp.Or(weights[i], 1); g.Size > 0 {
			data := int64(g.DataShards)
			v.all = append(v.all, visit{i, data + data/visitParity + 1})
		}
	}
	slices.SortStableFunc(v.all, func(a, b visit) int { return cmp.Compare(cost[a.object], cost[b.object]) })
	if len(v.all) > 0 {
		v.left = v.all[0].rounds
	}
	return v
}

// next implements rounds.
func (v *visits) next() (object int, ok bool) {
	for len(v.all) > 0 {
		switch now := v.all[v.nth]; {
		case v.dropped[now.object]:
			v.all = slices.Delete(v.all, v.nth, v.nth+1)
			v.begin(v.nth)
		case v.left == 0:
			v.begin(v.nth + 1)
		default:
			v.left--
			return now.object, true
		}
	}
	return 0, false
}

// shows implements rounds: whoever loses the manifest at the start of a visit has another one
// in its middle, and does not wait until all other objects were sent.
func (v *visits) shows() bool {
	if len(v.all) == 0 {
		return false
	}
	rounds := v.all[v.nth].rounds
	return v.left == rounds-1 || v.left == rounds/2-1
}

// begin begins the visit of this number, or the first one after the last.
func (v *visits) begin(nth int) {
	if len(v.all) > 0 {
		v.nth = nth % len(v.all)
		v.left = v.all[v.nth].rounds
	}
}

// drop implements rounds.
func (v *visits) drop(object int) { v.dropped[object] = true }

// clone implements rounds.
func (v *visits) clone() rounds {
	return &visits{all: slices.Clone(v.all), dropped: maps.Clone(v.dropped), nth: v.nth, left: v.left}
}
