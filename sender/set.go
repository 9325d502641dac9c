// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"iotupd/proto"
)

// MaxObjects is the largest number of objects of a set (spec.md 6.5): the manifests of
// more could not be repeated often enough.
const MaxObjects = 16

// A Share is the rule by which the objects of a set share the rate (spec.md 6.5).
type Share int

// Shares. Which one is best depends on the receivers.
const (
	// ShareSqrt is best if receivers join at random, and each wants one object: shares
	// are proportional to the square root of popularity times size.
	ShareSqrt Share = iota
	// ShareSize is best if every receiver wants all objects: shares are proportional to
	// the sizes.
	ShareSize
	// ShareShortest is best if all receivers are there at the start, and each wants one
	// object: the objects take turns, the smallest first.
	ShareShortest
)

// Fractions returns the fraction of the rate that each object of a set gets, by geometry
// and weight; a weight of 0 counts as 1. Empty files get none. Objects that take turns
// have the whole rate, one at a time.
func (share Share) Fractions(geos []proto.Geometry, weights []float64) []float64 {
	fractions, sum := make([]float64, len(geos)), 0.0
	for i, g := range geos {
		if g.Size == 0 {
			continue
		}
		switch share {
		case ShareSqrt:
			fractions[i] = math.Sqrt(float64(g.DataShards) * cmp.Or(weights[i], 1))
		case ShareSize:
			fractions[i] = float64(g.DataShards)
		default:
			fractions[i] = 1
			continue
		}
		sum += fractions[i]
	}
	for i := range fractions {
		fractions[i] /= cmp.Or(sum, 1)
	}
	return fractions
}

// A Member is an object of a set.
type Member struct {
	*Object

	// Weight is the popularity of the object relative to others. If zero, 1. It has no
	// effect on ShareSize.
	Weight float64
}

// NewSet returns a sender of several objects, each at the start of its carousel. All of
// them have shards of the same size, and no two are the same object.
func NewSet(cfg Config, share Share, members ...Member) (*Sender, error) {
	cfg = cfg.withDefaults()
	switch n := len(members); {
	case n == 0 || n > MaxObjects:
		return nil, fmt.Errorf("sender: %d objects are not from 1 to %d", n, MaxObjects)
	case n > 1 && cfg.Order != nil:
		return nil, errors.New("sender: several objects have an order of their own, and no other")
	}
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	s := &Sender{cfg: cfg, lanes: newLanes(cfg), bye: -1}
	for _, m := range members {
		c, err := newCarousel(cfg, m.Object)
		if err != nil {
			return nil, err
		}
		for _, other := range s.carousels {
			switch {
			case other.object == c.object:
				return nil, fmt.Errorf("sender: %q and %q are the same object", other.name, c.name)
			case other.geo.ShardSize != c.geo.ShardSize:
				return nil, fmt.Errorf("sender: %q has shards of %d bytes, and %q of %d", other.name, other.geo.ShardSize, c.name, c.geo.ShardSize)
			}
		}
		s.carousels = append(s.carousels, c)
	}
	s.mix = newMix(share, members, s.carousels)
	for i := range s.carousels {
		c := &s.carousels[i]
		if len(s.carousels) > 1 {
			c.manifests.least = setManifestMinPackets
		}
		if !s.turn().empty() {
			c.manifests.latest = manifestLatest
		}
	}
	s.pace = newPacer(cfg.pace(s.packetBytes()), s.packetBytes())
	return s, nil
}

// A mix says which object's carousel has the next round of slots. The zero value
// is for a single object.
type mix struct {
	current int

	// Weighted round robin: in each round every object gets its weight as
	// credit, and the object with the highest credit is sent and pays the sum
	// of all weights.
	weights []int64 // zero: an empty file, which has no rounds
	credit  []int64
	sum     int64

	// Visits, one after the other.
	visits []visit
	nth    int   // of visits
	left   int64 // rounds of it
}

// A visit is the number of rounds for which an object is sent without another one.
type visit struct {
	object int
	rounds int64
}

const (
	// weightUnit is the sum of all weights, about.
	weightUnit = 1 << 32
	// visitParity is the number of data packets for each parity packet of a
	// visit. Eight data packets for one parity packet are enough for a loss of
	// 1/9.
	visitParity = 8
)

func newMix(share Share, members []Member, carousels []carousel) (m mix) {
	if len(members) == 1 {
		return m
	}
	if share == ShareShortest {
		m.visits = visitsOf(members, carousels)
		m.left = m.visits[0].rounds
		m.current = m.visits[0].object
		return m
	}
	geos, weights := make([]proto.Geometry, len(members)), make([]float64, len(members))
	for i := range members {
		geos[i], weights[i] = carousels[i].geo, members[i].Weight
	}
	m.weights, m.credit = make([]int64, len(members)), make([]int64, len(members))
	for i, f := range share.Fractions(geos, weights) {
		if f > 0 {
			m.weights[i] = max(1, int64(f*weightUnit))
		}
		m.sum += m.weights[i]
	}
	m.next()
	return m
}

// visitsOf returns the visits of all objects, ordered by the packets needed for
// each waiting receiver, fewest first.
func visitsOf(members []Member, carousels []carousel) (all []visit) {
	order := make([]int, len(members))
	cost := make([]float64, len(members))
	for i := range members {
		order[i], cost[i] = i, float64(carousels[i].geo.DataShards)/cmp.Or(members[i].Weight, 1)
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(cost[a], cost[b]) })
	for _, i := range order {
		if c := &carousels[i]; !c.empty() {
			data := int64(c.geo.DataShards)
			all = append(all, visit{i, data + data/visitParity + 1})
		}
	}
	if len(all) == 0 {
		return []visit{{rounds: 1}} // empty files alone
	}
	return all
}

// next goes on to the next round.
func (m *mix) next() {
	switch {
	case len(m.visits) > 0:
		if m.left--; m.left <= 0 {
			m.nth = (m.nth + 1) % len(m.visits)
			m.left = m.visits[m.nth].rounds
		}
		m.current = m.visits[m.nth].object
	case m.sum > 0:
		m.current = -1
		for i, w := range m.weights {
			m.credit[i] += w
			if w > 0 && (m.current < 0 || m.credit[i] > m.credit[m.current]) {
				m.current = i
			}
		}
		m.credit[m.current] -= m.sum
	}
}

// drop leaves an object out, and reports whether any is left.
func (m *mix) drop(object int, carousels []carousel) (left bool) {
	if m.weights != nil {
		m.sum -= m.weights[object]
		m.weights[object], m.credit[object] = 0, 0
	}
	if i := slices.IndexFunc(m.visits, func(v visit) bool { return v.object == object }); i >= 0 {
		m.visits = slices.Delete(m.visits, i, i+1)
		if i < m.nth {
			m.nth-- // the same visit goes on
		}
	}
	if m.current != object {
		return true
	}
	switch {
	case len(m.visits) > 0:
		m.nth %= len(m.visits)
		m.current, m.left = m.visits[m.nth].object, m.visits[m.nth].rounds
	case m.sum > 0:
		m.next()
	default: // empty files, which have no rounds, or none
		i := slices.IndexFunc(carousels, func(c carousel) bool { return !c.dropped })
		m.current = max(0, i)
		return i >= 0
	}
	return true
}
