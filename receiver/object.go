// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"sync/atomic"
	"time"

	"iotupd/fec"
	"iotupd/proto"
)

// An object is the state of the object being received.
type object struct {
	identity
	geo      proto.Geometry
	since    time.Time       // of the first packet
	manifest *proto.Manifest // nil: parameters and content are hearsay

	index  *index
	places places
	leaves *leaves // nil: the object has no hash tree
	spare  []byte  // room for a shard

	work         workList
	overwritten  map[uint32][]uint16 // parity shards that groups which are reencoding were decoded from
	decoders     []*fec.Decoder      // idle
	recordSpaces []*recordSpace      // idle
	aborted      atomic.Bool         // running jobs shall end
	hashed       bool                // the final hash was handed out
	collected    bool                // Collected was observed
	adopted      adoption

	rebuilt uint64
	forged  uint64 // shards found forged after they were stored
}

// newObject returns an object of which nothing is held.
func newObject(geo proto.Geometry, store Store) *object {
	return &object{geo: geo, index: newIndex(geo), places: places{store: store, geo: geo}, spare: make([]byte, geo.ShardSize)}
}

// add stores a shard that the chosen object still lacks. The error is a Reason
// to ignore it, or a failure of the store.
func (r *Receiver) add(p *packet) (err error) {
	o := r.object
	grp := o.index.group(p.Group)
	switch {
	case o.index.has(p.Group, p.Index):
		return ReasonDuplicate
	case grp.state == reencoding:
		return ReasonAdopting
	case grp.state != receiving:
		return ReasonNotNeeded
	case grp.scanning:
		return ReasonAdopting
	}
	if r.plain, err = p.open(&o.identity, r.plain); err != nil {
		return err
	}
	s, err := o.standing(p)
	switch {
	case err != nil:
		return err
	case p.Type == proto.TypeData:
		err = o.putData(p.Group, p.Index, p.payload)
	default:
		err = o.parkParity(p.Group, p.Index, p.payload)
	}
	if err == nil {
		o.index.add(p.Group, p.Index, s)
		o.wantRecords(p.Group)
	}
	return err
}

// standing compares a shard with its leaf.
func (o *object) standing(p *packet) (standing, error) {
	if o.leaves == nil {
		return provisional, nil
	}
	leaf, known, err := o.leaves.leaf(&o.places, p.Group, p.Index)
	switch {
	case err != nil:
		return 0, err
	case known && o.leaves.hasher.Leaf(p.payload) != leaf:
		return 0, ReasonForged
	case known:
		return verified, nil
	case o.index.groups[p.Group].verifiedOnly:
		return 0, ReasonUnverified
	}
	return provisional, nil
}

// putData writes a data shard to its place. If parity was parked there, it
// moves to another free place first.
func (o *object) putData(g uint32, i int, payload []byte) error {
	if o.index.groups[g].taken(i) {
		if err := o.move(g, i); err != nil {
			return err
		}
	}
	return o.places.put(g, i, payload)
}

// move takes the parity shard in a place to another one.
func (o *object) move(g uint32, place int) error {
	grp := o.index.group(g)
	if err := o.places.parked(g, place, o.spare); err != nil {
		return err
	}
	to := o.index.freePlace(g)
	if err := o.places.park(g, to, o.spare); err != nil {
		return err
	}
	grp.park(to, grp.unpark(place))
	return nil
}

// parkParity parks a parity shard in a free place of its group.
func (o *object) parkParity(g uint32, i int, payload []byte) error {
	place := o.index.freePlace(g)
	if err := o.places.park(g, place, payload); err != nil {
		return err
	}
	o.index.groups[g].park(place, i)
	return nil
}

// forget drops everything received and starts with an empty index.
func (o *object) forget() {
	o.index = newIndex(o.geo)
	o.places.run, o.places.tail = o.places.run[:0], nil
	o.work = workList{running: o.work.running, decoding: o.work.decoding}
	o.hashed, o.collected, o.rebuilt = false, false, 0
}
