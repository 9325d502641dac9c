// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import "iotupd/proto"

// suspect has the provisional shards of a group compared with their leaves, if
// any of these are known. What a decoder is at work on is compared afterwards.
func (r *Receiver) suspect(g uint32) {
	o := r.object
	grp := &o.index.groups[g]
	if o.leaves == nil || grp.provisional == 0 || grp.state == decoding || o.leaves.counts[g].leaf == 0 {
		return
	}
	switch grp.check {
	case unchecked:
		grp.apply(checkWanted)
		o.work.add(checkGroup, g)
	case checking:
		grp.apply(leavesCame)
	}
}

// A claim is a provisional shard, where it lies, and what it should be.
type claim struct {
	shard, place int
	leaf         proto.Digest
	genuine      bool
}

// checkJob compares the provisional shards of a group with their leaves.
func (r *Receiver) checkJob(g uint32) *Job {
	o := r.object
	o.index.groups[g].apply(checkStarted)
	claims, err := o.claims(g)
	if err == nil && len(claims) > 0 {
		err = o.places.flush()
	}
	tail := o.places.tail
	return r.newJob(job{
		leafy: true,
		run: func() error {
			if err != nil {
				return err
			}
			return o.compare(g, claims, tail)
		},
		finish: func() {
			grp := &o.index.groups[g]
			again := grp.check == checkAgain
			grp.apply(checkDone)
			r.judge(g, claims)
			if again {
				r.suspect(g)
			}
			o.relist(g)
		},
	})
}

// claims lists the provisional shards of a group whose leaves are known.
func (o *object) claims(g uint32) (claims []claim, err error) {
	add := func(shard, place int) {
		if err != nil || o.index.isVerified(g, shard) {
			return
		}
		var leaf proto.Digest
		var known bool
		if leaf, known, err = o.leaves.leaf(&o.places, g, shard); known {
			claims = append(claims, claim{shard: shard, place: place, leaf: leaf})
		}
	}
	for i := range o.geo.RealShards(g) {
		if o.index.has(g, i) {
			add(i, i)
		}
	}
	for _, p := range o.index.groups[g].parked {
		add(int(p.index), int(p.place))
	}
	return claims, err
}

// compare reads the shards back and finds out which are genuine.
func (o *object) compare(g uint32, claims []claim, tail []byte) error {
	h, b := proto.NewHasher(), make([]byte, o.geo.ShardSize)
	for i := range claims {
		c := &claims[i]
		if o.aborted.Load() {
			return errAborted
		}
		if c.shard >= o.geo.K && o.geo.ShardLen(g, c.place) < len(b) {
			copy(b, tail)
		} else if err := o.places.read(g, c.place, b); err != nil {
			return err
		}
		c.genuine = h.Leaf(b) == c.leaf
	}
	return nil
}

// judge acts on compared claims. What has changed since they were listed is not
// judged; it may be listed again.
func (r *Receiver) judge(g uint32, claims []claim) {
	o := r.object
	grp := &o.index.groups[g]
	var forged []claim
	for _, c := range claims {
		switch {
		case !o.index.has(g, c.shard) || o.index.isVerified(g, c.shard):
		case c.shard >= o.geo.K && !grp.parkedAt(c.place, c.shard):
			r.suspect(g)
		case c.genuine:
			o.index.confirm(g, c.shard)
		default:
			forged = append(forged, c)
		}
	}
	if len(forged) == 0 {
		return
	}
	if grp.state == complete {
		r.distrust(g)
	} else {
		o.index.drop(g, forged)
		o.collected = false
	}
	r.foundForged(g, len(forged))
}

// foundForged tells of shards that had been stored.
func (r *Receiver) foundForged(g uint32, shards int) {
	r.object.forged += uint64(shards)
	r.observe(Forged{Group: g, Shards: shards})
}

// distrust goes back to the verified shards of a group. From now on it takes
// only such.
func (r *Receiver) distrust(g uint32) {
	o := r.object
	if o.index.groups[g].state == complete {
		r.spoil(g)
	} else {
		o.index.dropProvisional(g, decodeForged)
	}
	o.hashed, o.collected = false, false
	o.wantRecords(g)
}
