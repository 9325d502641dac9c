// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"slices"
	"unsafe"

	"iotupd/proto"
)

// A groupState is how far one group has come:
//
//	untouched -> receiving -> full -> complete
//	     \___________\___________________/^   all data shards arrived
type groupState uint8

const (
	untouched groupState = iota // nothing stored yet; the other fields are not set up
	receiving
	full     // K shards are held, some of them parity: waits for its decoding
	complete // all data shards are in their places
)

// A group is the index of one group. Its places are those of its real data
// shards in the file. A data shard goes to its own place, a parity shard to
// the highest place that is free. So at any time
//
//   - every place above next is taken, by its data shard or by parity;
//   - a place up to next is taken only by its own data shard;
//   - parked is sorted by falling place, and all its places are above next.
type group struct {
	state  groupState
	held   int32 // distinct shards at hand, virtual ones included
	next   int32
	parked []parkedShard
}

// A parkedShard is parity shard index, kept in the place of data shard place.
type parkedShard struct{ place, index uint16 }

func comparePlaces(p parkedShard, place uint16) int { return int(place) - int(p.place) }

// An index knows which shards of an object are held and where. It is all the
// memory that grows with the file: a bit a shard, a few words a group, four
// bytes a parked shard.
type index struct {
	geo      proto.Geometry
	groups   []group
	held     []uint64 // bit group*(K+M) + shard: received
	enough   uint64   // groups with K shards at hand, decoded or not
	complete uint64   // groups in that state
	shards   uint64   // real shards held or rebuilt, of Nd
}

// indexBytes returns the size of a fresh index, for a limit to be checked
// before anything is allocated.
func indexBytes(geo proto.Geometry) uint64 {
	return geo.Groups*uint64(unsafe.Sizeof(group{})) + heldWords(geo)*8
}

func heldWords(geo proto.Geometry) uint64 {
	return (geo.Groups*uint64(geo.K+geo.M) + 63) / 64
}

func newIndex(geo proto.Geometry) *index {
	x := &index{
		geo:    geo,
		groups: make([]group, geo.Groups),
		held:   make([]uint64, heldWords(geo)),
	}
	if geo.Size == 0 {
		x.enough++
		x.finish(0)
	}
	return x
}

func (x *index) bit(g uint32, shard int) (word uint64, mask uint64) {
	n := uint64(g)*uint64(x.geo.K+x.geo.M) + uint64(shard)
	return n / 64, 1 << (n % 64)
}

// has reports whether shard number shard of group g was received.
func (x *index) has(g uint32, shard int) bool {
	word, mask := x.bit(g, shard)
	return x.held[word]&mask != 0
}

// group returns the state of group g, set up for its first shard.
func (x *index) group(g uint32) *group {
	grp := &x.groups[g]
	if grp.state == untouched {
		real := x.geo.RealShards(g)
		*grp = group{state: receiving, held: int32(x.geo.K - real), next: int32(real - 1)}
	}
	return grp
}

// add records that shard number shard of group g was stored, and moves the
// group on if that was the K-th.
func (x *index) add(g uint32, shard int) {
	word, mask := x.bit(g, shard)
	x.held[word] |= mask
	x.shards++
	grp := &x.groups[g]
	grp.held++
	if int(grp.held) < x.geo.K {
		return
	}
	x.enough++
	if len(grp.parked) == 0 {
		x.finish(g)
	} else {
		grp.state = full
	}
}

// finish records that all data shards of group g are in their places.
func (x *index) finish(g uint32) {
	grp := &x.groups[g]
	grp.state, grp.parked = complete, nil
	x.complete++
}

// done reports whether every group is complete.
func (x *index) done() bool { return x.complete == x.geo.Groups }

// freePlace returns the highest place of group g that neither data nor parity
// has taken. There is one as long as the group lacks a shard.
func (x *index) freePlace(g uint32) int {
	grp := &x.groups[g]
	for x.has(g, int(grp.next)) {
		grp.next--
	}
	return int(grp.next)
}

// park records that parity shard number shard is in the place that freePlace
// returned.
func (grp *group) park(place, shard int) {
	grp.parked = append(grp.parked, parkedShard{place: uint16(place), index: uint16(shard)})
	grp.next = int32(place) - 1
}

// unpark takes the parity shard out of a place that its data shard claims, and
// returns its number.
func (grp *group) unpark(place int) (shard int) {
	i, ok := slices.BinarySearchFunc(grp.parked, uint16(place), comparePlaces)
	if !ok {
		panic("receiver: internal error: a place above next is free")
	}
	shard = int(grp.parked[i].index)
	grp.parked = slices.Delete(grp.parked, i, i+1)
	return shard
}
