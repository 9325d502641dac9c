// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"slices"
	"unsafe"

	"iotupd/proto"
)

// A group is the index of one group. Its places are the places of its real data
// shards in the file. A data shard goes to its own place, a parity shard to the
// highest place that is free. So at any time
//
//   - every place above next is taken, by its data shard or by parity;
//   - parked is sorted by falling place.
type group struct {
	status

	held        uint16 // distinct shards at hand, virtual ones included
	provisional uint16 // of held, those that no leaf has confirmed
	next        int32
	ticket      uint32 // of the work that it waits for, see workList
	batch       uint32 // the last one with bytes of it, see writeQueue
	parked      []parkedShard
}

// A parkedShard is a parity shard, with its index, in the place of a missing
// data shard.
type parkedShard struct{ place, index uint16 }

func comparePlaces(p parkedShard, place uint16) int { return int(place) - int(p.place) }

// An index records which shards of an object are held and where. It is the only
// memory that grows with the file: two bits a shard, a few words a group, four
// bytes a parked shard.
type index struct {
	geo      proto.Geometry
	groups   []group
	held     bitset // shard group*(K+M) + index is at hand
	verified bitset // and it is what its leaf says
	enough   uint64 // groups with K shards at hand, decoded or not
	complete uint64 // groups in state complete
	shards   uint64 // real shards held or rebuilt, of Nd
}

// indexBytes returns the size of a fresh index, including the index of hash
// records, so that the limit is checked before anything is allocated.
func indexBytes(geo proto.Geometry) uint64 {
	bits := 2 * geo.Groups * uint64(geo.K+geo.M)
	perGroup := uint64(unsafe.Sizeof(group{}))
	if t, err := geo.Tree(); err == nil {
		bits += t.Total() + t.Outlines()
		perGroup += uint64(unsafe.Sizeof(recordCount{}))
	}
	return geo.Groups*perGroup + bits/8
}

// maxIndex bounds the memory of a fresh index, in bytes. It is enough for
// DefaultMaxSize with shards of the default size and any profile.
const maxIndex = 160 << 20

func newIndex(geo proto.Geometry) *index {
	shards := geo.Groups * uint64(geo.K+geo.M)
	x := &index{
		geo:      geo,
		groups:   make([]group, geo.Groups),
		held:     newBitset(shards),
		verified: newBitset(shards),
	}
	if geo.Size == 0 {
		x.enough++
		x.finish(0, emptyFile)
	}
	return x
}

// number returns the number of a shard among all shards of the object.
func (x *index) number(g uint32, shard int) uint64 {
	return uint64(g)*uint64(x.geo.K+x.geo.M) + uint64(shard)
}

// hasShard reports whether shard number shard of group g is at hand, or was until
// the group was decoded.
func (x *index) hasShard(g uint32, shard int) bool { return x.held.has(x.number(g, shard)) }

// isVerified reports whether a shard that is at hand is what its leaf says.
func (x *index) isVerified(g uint32, shard int) bool { return x.verified.has(x.number(g, shard)) }

// group returns the state of group g, set up for its first shard.
func (x *index) group(g uint32) *group {
	grp := &x.groups[g]
	if grp.state == untouched {
		real := x.geo.RealShards(g)
		grp.apply(opened)
		grp.held, grp.next = uint16(x.geo.K-real), int32(real-1)
	}
	return grp
}

// addShard records that shard number shard of group g was stored, and changes the
// state of the group if that was the K-th.
func (x *index) addShard(g uint32, shard int, trust trustLevel) {
	n, grp := x.number(g, shard), &x.groups[g]
	x.held.set(n)
	if trust == verified {
		x.verified.set(n)
	} else {
		grp.provisional++
	}
	x.shards++
	grp.held++
	if int(grp.held) < x.geo.K {
		return
	}
	x.enough++
	if len(grp.parked) == 0 {
		x.finish(g, gathered)
	} else {
		grp.apply(filled)
	}
}

// confirm records that a provisional shard of group g is what its leaf says.
func (x *index) confirm(g uint32, shard int) {
	x.verified.set(x.number(g, shard))
	x.groups[g].provisional--
}

// drop gives up provisional shards of a group that is receiving or full.
func (x *index) drop(g uint32, forged []pendingCheck) {
	grp := &x.groups[g]
	if grp.state == full {
		x.enough--
	}
	grp.apply(forgedDropped)
	for _, c := range forged {
		x.held.clear(x.number(g, c.shard))
		grp.next = max(grp.next, int32(c.place))
	}
	n := uint16(len(forged))
	grp.held, grp.provisional = grp.held-n, grp.provisional-n
	x.shards -= uint64(n)
	grp.parked = slices.DeleteFunc(grp.parked, func(p parkedShard) bool { return !x.hasShard(g, int(p.index)) })
}

// dropProvisional drops all provisional shards of a group that is decoding or
// complete, by event e. After decoding only data shards remain: the parity has
// been overwritten, and has to be computed again.
func (x *index) dropProvisional(g uint32, e event) {
	grp := &x.groups[g]
	real := x.geo.RealShards(g)
	if grp.state == complete {
		x.complete--
		for i := x.geo.K; i < x.geo.K+x.geo.M; i++ {
			x.held.clear(x.number(g, i))
			x.verified.clear(x.number(g, i))
		}
	}
	x.enough--
	grp.parked = slices.DeleteFunc(grp.parked, func(p parkedShard) bool { return !x.isVerified(g, int(p.index)) })
	kept := 0
	for i := range x.geo.K + x.geo.M {
		n := x.number(g, i)
		if x.verified.has(n) {
			kept++
		} else {
			x.held.clear(n)
		}
	}
	x.shards -= uint64(int(grp.held) - (x.geo.K - real) - kept)
	grp.apply(e)
	grp.provisional = 0
	grp.held, grp.next = uint16(x.geo.K-real+kept), int32(real-1)
}

// rebuilt records that a data shard which was not at hand has been decoded.
func (x *index) rebuilt(g uint32, shard int, trust trustLevel) {
	n := x.number(g, shard)
	x.held.set(n)
	if trust == verified {
		x.verified.set(n)
	}
}

// finish records that all data shards of group g are in their places, by event e.
func (x *index) finish(g uint32, e event) {
	grp := &x.groups[g]
	grp.apply(e)
	grp.parked = nil
	grp.held, grp.provisional = uint16(x.geo.K), 0
	for i := range x.geo.RealShards(g) {
		if !x.isVerified(g, i) {
			grp.provisional++
		}
	}
	x.complete++
}

// done reports whether every group is complete.
func (x *index) done() bool { return x.complete == x.geo.Groups }

// freePlace returns the highest place of group g that neither data nor parity
// has taken. There is one as long as the group lacks a shard.
func (x *index) freePlace(g uint32) int {
	grp := &x.groups[g]
	for x.hasShard(g, int(grp.next)) || grp.taken(int(grp.next)) {
		grp.next--
	}
	return int(grp.next)
}

// wholePlace returns the highest place of group g that is free and as long as a shard,
// -1 if there is none.
func (x *index) wholePlace(g uint32) int {
	place := x.freePlace(g)
	for ; place >= 0; place-- {
		if !x.hasShard(g, place) && !x.groups[g].taken(place) && x.geo.ShardLen(g, place) == x.geo.ShardSize {
			break
		}
	}
	return place
}

// wrote records that bytes of the group are in a batch of writes.
func (grp *group) wrote(batch uint32) { grp.batch = max(grp.batch, batch) }

// parkedAt reports whether parity shard number shard is parked in a place.
func (grp *group) parkedAt(place, shard int) bool {
	i, ok := slices.BinarySearchFunc(grp.parked, uint16(place), comparePlaces)
	return ok && int(grp.parked[i].index) == shard
}

// taken reports whether a parity shard is parked in a place.
func (grp *group) taken(place int) bool {
	n := len(grp.parked)
	if n == 0 || place < int(grp.parked[n-1].place) {
		return false
	}
	_, ok := slices.BinarySearchFunc(grp.parked, uint16(place), comparePlaces)
	return ok
}

// park records that parity shard number shard is in a place that is free.
func (grp *group) park(place, shard int) {
	i, _ := slices.BinarySearchFunc(grp.parked, uint16(place), comparePlaces)
	grp.parked = slices.Insert(grp.parked, i, parkedShard{place: uint16(place), index: uint16(shard)})
}

// unpark takes the parity shard out of a place that its data shard claims, and
// returns its number.
func (grp *group) unpark(place int) (shard int) {
	i, ok := slices.BinarySearchFunc(grp.parked, uint16(place), comparePlaces)
	if !ok {
		panic("receiver: internal error: nothing is parked here")
	}
	shard = int(grp.parked[i].index)
	grp.parked = slices.Delete(grp.parked, i, i+1)
	return shard
}

// A bitset is a set of small numbers.
type bitset []uint64

func newBitset(n uint64) bitset { return make(bitset, (n+63)/64) }

func (b bitset) has(n uint64) bool { return b[n/64]&(1<<(n%64)) != 0 }
func (b bitset) set(n uint64)      { b[n/64] |= 1 << (n % 64) }
func (b bitset) clear(n uint64)    { b[n/64] &^= 1 << (n % 64) }
