// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import "iotupd/proto"

// A trustLevel says how far a shard can be relied on (spec.md 7.3).
type trustLevel int

const (
	provisional trustLevel = iota // its leaf is not known
	verified                      // it is what its leaf says
)

// takeShard stores a shard that the object still lacks.
func (o *object) takeShard(p *packet) (err error) {
	grp := o.index.group(p.Group)
	switch {
	case o.index.has(p.Group, p.Index):
		return ReasonDuplicate
	case grp.state == reencoding:
		return ReasonScanning
	case grp.state != receiving:
		return ReasonNotNeeded
	case grp.scanning:
		return ReasonScanning
	}
	if o.plain, err = p.open(&o.identity, o.plain); err != nil {
		return err
	}
	trust, err := o.trustOf(p)
	switch {
	case err != nil:
		return err
	case p.Type == proto.TypeData:
		err = o.putData(&p.Header, p.payload)
	default:
		err = o.parkParity(p.Group, p.Index, p.payload)
	}
	if err == nil {
		o.index.add(p.Group, p.Index, trust)
		o.wantRecords(p.Group)
	}
	return err
}

// trustOf compares a shard with its leaf.
func (o *object) trustOf(p *packet) (trustLevel, error) {
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
func (o *object) putData(h *proto.Header, payload []byte) error {
	if o.index.groups[h.Group].taken(h.Index) {
		if err := o.move(h.Group, h.Index); err != nil {
			return err
		}
	}
	return o.places.put(h.Offset, payload)
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
