// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import (
	"cmp"
	"errors"
	"fmt"
	"math"

	"iotupd/proto"
)

const (
	// MaxObjects is the largest number of objects of a set, without its catalogue.
	MaxObjects = proto.MaxCatalogue
	// MaxUnlisted is the largest number of objects of a set without a catalogue (spec.md
	// 6.5): the manifests of more could not be repeated often enough.
	MaxUnlisted = 16
)

// A Share is the rule by which the objects of a set share the rate (spec.md 6.5).
type Share int

// Shares. Which one is best depends on the receivers.
const (
	// ShareSqrt is best, of all shares in which packets alternate, if receivers join at
	// random, and each wants one object: shares are proportional to the square root of
	// popularity times size. Objects of equal size are there sooner in the mean with
	// ShareShortest, but not to who loses many packets.
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
	// effect on ShareSize, nor on a catalogue.
	Weight float64
}

// NewSet returns a sender of several objects, each at the start of its carousel. All of
// them have shards of the same size, and no two are the same object. One of them may be
// the catalogue of all others, by its manifest; of more than [MaxUnlisted], one has to be.
// The archive of a directory and its inventory are two of them, which count as one object:
// one that is dropped takes the other one with it.
func NewSet(cfg Config, share Share, members ...Member) (*Sender, error) {
	cfg = cfg.withDefaults()
	catalogue, err := catalogueOf(members)
	if err != nil {
		return nil, err
	}
	if len(members) > 1 && cfg.Order != nil {
		return nil, errors.New("sender: several objects have an order of their own, and no other")
	}
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	s := &Sender{cfg: cfg, lanes: newLanes(cfg), bye: -1, catalogue: catalogue}
	if err := s.addCarousels(members); err != nil {
		return nil, err
	}
	s.several = s.listed() > 1
	s.mix = newMix(share, members, s.carousels, catalogue)
	s.startManifests()
	s.pace = newPacer(cfg.pace(s.packetBytes()), s.packetBytes())
	return s, nil
}

// catalogueOf returns which member is the catalogue, -1 if none is.
func catalogueOf(members []Member) (catalogue int, err error) {
	catalogue = -1
	for i, m := range members {
		if m.Manifest.Catalogue == 0 {
			continue
		}
		if catalogue >= 0 {
			return 0, errors.New("sender: two of the objects are catalogues")
		}
		catalogue = i
	}
	n := len(members)
	if catalogue >= 0 {
		n--
	}
	switch {
	case n == 0 || n > MaxObjects:
		return 0, fmt.Errorf("sender: %d objects are not from 1 to %d", n, MaxObjects)
	case catalogue < 0 && n > MaxUnlisted:
		return 0, fmt.Errorf("sender: %d objects need a catalogue", n)
	case catalogue >= 0 && uint64(members[catalogue].Manifest.Catalogue) != uint64(n):
		return 0, fmt.Errorf("sender: a catalogue of %d objects for %d", members[catalogue].Manifest.Catalogue, n)
	case catalogue >= 0 && members[catalogue].Manifest.Descriptor.Size == 0:
		return 0, errors.New("sender: the catalogue is empty")
	}
	return catalogue, nil
}

// addCarousels makes the carousels of all members.
func (s *Sender) addCarousels(members []Member) error {
	s.carousels = make([]carousel, len(members))
	numbers := make(map[proto.ObjectID]int, len(members))
	first := &s.carousels[0]
	for i, m := range members {
		c := &s.carousels[i]
		if err := c.init(s.cfg, m.Object); err != nil {
			return err
		}
		if other, ok := numbers[c.object]; ok {
			return fmt.Errorf("sender: %q and %q are the same object", members[other].Manifest.Name, m.Manifest.Name)
		}
		if c.geo.ShardSize != first.geo.ShardSize {
			return fmt.Errorf("sender: %q has shards of %d bytes, and %q of %d", members[0].Manifest.Name, first.geo.ShardSize, m.Manifest.Name, c.geo.ShardSize)
		}
		numbers[c.object], c.number = i, i
		if i != s.catalogue && m.Manifest.Archive == (proto.ObjectID{}) {
			s.left++
		}
		if !s.large() || !c.empty() {
			s.unfinished++
		}
	}
	return s.pairInventories(members)
}

// large reports whether there are so many objects that most of their manifests travel in
// the catalogue alone.
func (s *Sender) large() bool { return s.catalogue >= 0 && len(s.carousels)-1 > MaxUnlisted }

// startManifests says when the manifest of each object is due.
func (s *Sender) startManifests() {
	for i := range s.carousels {
		c := &s.carousels[i]
		if len(s.carousels) > 1 {
			c.manifests.least = setManifestMinPackets
		}
		if !s.turn().empty() {
			c.manifests.latest = manifestLatest
		}
		if s.large() && i != s.catalogue {
			c.manifests = byPackets
			c.manifest = nil // thousands of them take memory
			continue
		}
		s.timed = append(s.timed, c)
	}
}
