// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import "iotupd/proto"

// A trustLevel says whether a shard matches its leaf (spec.md 7.3).
type trustLevel int

const (
	provisional trustLevel = iota // its leaf is not known
	verified                      // it matches its leaf
)

// takeShard stores a shard that the object still lacks.
func (o *object) takeShard(p *packet) (err error) {
	grp := o.index.group(p.Group)
	switch {
	case o.index.hasShard(p.Group, p.Index):
		return ReasonDuplicate
	case grp.state == reencoding:
		return ReasonScanning
	case grp.state != receiving:
		return ReasonNotNeeded
	case grp.scanning:
		return ReasonScanning
	case p.Type == proto.TypeData && grp.taken(p.Index) && o.index.wholePlace(p.Group) < 0:
		return ReasonNotNeeded // the parity in its place cannot move
	}
	if o.plain, err = p.open(&o.identity, o.plain); err != nil {
		return err
	}
	trust, known, err := o.trustOf(p)
	switch {
	case err != nil:
		return err
	case p.Type == proto.TypeData:
		o.putData(&p.Header, p.payload)
	default:
		o.parkParity(p.Group, p.Index, p.payload)
	}
	o.index.addShard(p.Group, p.Index, trust)
	if trust == verified {
		o.streams.prove(p.from)
	}
	if known && trust == provisional {
		o.queueCheck(p.Group)
	}
	o.wantRecords(p.Group)
	return nil
}

// trustOf compares a shard with its leaf. A leaf that is known and has to be read
// from the store is compared by a job, before the shard is used.
func (o *object) trustOf(p *packet) (trust trustLevel, known bool, err error) {
	if o.leaves == nil {
		return provisional, false, nil
	}
	leaf, known := o.leaves.leaf(p.Group, p.Index)
	switch {
	case leaf.read && o.leaves.hasher.Leaf(p.payload) != leaf.Digest:
		return 0, known, ReasonForged
	case leaf.read:
		return verified, known, nil
	case !known && o.index.groups[p.Group].verifiedOnly:
		return 0, known, ReasonUnverified
	}
	return provisional, known, nil
}

// putData writes a data shard to its place. If parity is parked there, that
// parity is first moved to another free place that is long enough.
func (o *object) putData(h *proto.Header, payload []byte) {
	grp := &o.index.groups[h.Group]
	if grp.taken(h.Index) {
		to := o.index.wholePlace(h.Group)
		grp.wrote(o.places.move(h.Group, to, h.Index))
		grp.park(to, grp.unpark(h.Index))
	}
	grp.wrote(o.places.put(h.Offset, payload))
}

// parkParity parks a parity shard in a free place of its group.
func (o *object) parkParity(g uint32, i int, payload []byte) {
	place := o.index.freePlace(g)
	grp := &o.index.groups[g]
	grp.wrote(o.places.park(g, place, payload))
	grp.park(place, i)
}
