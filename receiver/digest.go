// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"iotupd/fec"
	"iotupd/proto"
)

// learn takes a DIGEST packet of the chosen object: it proves itself, so that
// nothing of it enters the state before it is known to be right (spec.md 4.5).
func (r *Receiver) learn(p *packet) (err error) {
	o := r.object
	switch {
	case o.places.store == nil:
		return nil // there is nothing to compare with it
	case o.leaves == nil:
		return proto.ReasonDigest
	case p.Index >= o.leaves.tree.PerGroup():
		return proto.ReasonGeometry
	case o.leaves.has(p.Group, p.Index):
		return ReasonDuplicate
	case !o.curious(p.Group):
		return ReasonNotNeeded
	}
	if r.plain, err = p.open(&o.identity, r.plain); err != nil {
		return err
	}
	record, err := o.record(o.leaves.tree, o.leaves.hasher, recordOf{p.Group, p.Index, p.payload})
	if err != nil {
		return err
	}
	if _, err := o.places.store.WriteAt(p.payload, o.leaves.offset(o.leaves.slot(p.Group, p.Index))); err != nil {
		r.fail(storeError("write", err))
		return nil
	}
	r.learned(p.Group, p.Index, record.Record)
	if o.leaves.rebuildable(p.Group) {
		o.queueRebuild(p.Group)
	}
	return nil
}

// A recordOf is the payload of a DIGEST packet, and which record it is to be.
type recordOf struct {
	group   uint32
	index   int
	payload []byte
}

// record reads a record that proves itself to be of object i. The error is a
// Reason.
func (i *identity) record(t proto.Tree, h *proto.Hasher, r recordOf) (proto.DigestRecord, error) {
	record, err := t.ParseDigest(r.payload)
	if err != nil {
		return record, err
	}
	d, err := t.Descriptor(h, r.group, r.index, record)
	if err == nil && !i.proves(d) {
		err = proto.ReasonDigest
	}
	return record, err
}

// curious reports whether leaves of a group are still of use.
func (o *object) curious(g uint32) bool {
	grp := &o.index.groups[g]
	return !o.leaves.allLeaves(g) && (grp.state != complete || grp.provisional > 0)
}

// learned takes note of a record that is in its slot now.
func (r *Receiver) learned(g uint32, record int, leaves []byte) {
	o := r.object
	o.leaves.add(g, record)
	if record >= o.leaves.tree.Records {
		return
	}
	o.leaves.cache.put(o.leaves.slot(g, record), leaves)
	if o.adopted.looking && !o.index.groups[g].frozen {
		r.adoptRecord(g, record)
	}
	r.suspect(g)
}

// suspect has the provisional shards of a group compared with their leaves, if
// any of these are known.
func (r *Receiver) suspect(g uint32) {
	o := r.object
	grp := &o.index.groups[g]
	if o.leaves == nil || o.places.store == nil || grp.provisional == 0 || grp.state == full || grp.unchecked || o.leaves.counts[g].leaf == 0 {
		return
	}
	grp.unchecked = true
	o.unchecked = append(o.unchecked, g)
}

// A claim is a provisional shard, where it lies, and what it should be.
type claim struct {
	shard, place int
	leaf         proto.Digest
	genuine      bool
}

// checkJob compares the provisional shards of the next group with their leaves.
func (r *Receiver) checkJob() *Job {
	o := r.object
	g := o.unchecked[0]
	o.unchecked = o.unchecked[1:]
	o.index.groups[g].unchecked = false
	claims, err := o.claims(g)
	if err == nil && len(claims) > 0 {
		err = o.places.flush()
	}
	tail := o.places.tail
	return r.newJob(job{
		run: func() error {
			if err != nil {
				return err
			}
			return o.compare(g, claims, tail)
		},
		finish: func() { r.judge(g, claims) },
	})
}

// claims lists the provisional shards of a group whose leaves are known.
func (o *object) claims(g uint32) (claims []claim, err error) {
	grp := &o.index.groups[g]
	if grp.state != receiving && grp.state != complete {
		return nil, nil
	}
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
	for _, p := range grp.parked {
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
	forged := 0
	for _, c := range claims {
		switch {
		case !o.index.has(g, c.shard) || o.index.isVerified(g, c.shard):
		case c.shard >= o.geo.K && !grp.parkedAt(c.place, c.shard):
			r.suspect(g)
		case c.genuine:
			o.index.confirm(g, c.shard)
		case grp.state == receiving:
			forged++
			o.index.drop(g, c.shard)
		default:
			forged++
		}
	}
	if forged == 0 {
		return
	}
	o.forged += uint64(forged)
	r.observe(Forged{Group: g, Shards: forged})
	switch {
	case grp.state == complete:
		r.distrust(g)
	case grp.state == full && !o.isDecoding(g):
		o.unready(g)
		r.distrust(g)
	}
}

// distrust goes back to the verified shards of a group. From now on it takes
// only such.
func (r *Receiver) distrust(g uint32) {
	o := r.object
	o.index.dropProvisional(g)
	o.index.groups[g].strict = true
	o.hashed, o.collected = false, false
	if int(o.index.groups[g].held) == o.geo.K {
		panic("receiver: internal error: a group of verified shards was forged")
	}
}

// parkedAt reports whether parity shard number shard lies in a place.
func (grp *group) parkedAt(place, shard int) bool {
	for _, p := range grp.parked {
		if int(p.place) == place {
			return int(p.index) == shard
		}
	}
	return false
}

func (o *object) queueRebuild(g uint32) {
	o.leaves.counts[g].queued = true
	o.unbuilt = append(o.unbuilt, g)
}

// rebuildJob computes the records of leaves that the next group lacks from
// those that it has.
func (r *Receiver) rebuildJob() *Job {
	o := r.object
	g := o.unbuilt[0]
	o.unbuilt = o.unbuilt[1:]
	t := o.leaves.tree
	records := make([][]byte, t.PerGroup())
	memory := make([]byte, len(records)*t.RecordLen())
	var missing []int
	for i := range records {
		records[i] = memory[i*t.RecordLen():][:t.RecordLen()]
		if !o.leaves.has(g, i) {
			records[i] = records[i][:0]
			if i < t.Records {
				missing = append(missing, i)
			}
		}
	}
	return r.newJob(job{
		run: func() error { return o.rebuildRecords(g, records, missing) },
		finish: func() {
			o.leaves.counts[g].queued = false
			for _, i := range missing {
				if !o.leaves.has(g, i) {
					r.learned(g, i, records[i])
				}
			}
			if o.index.groups[g].frozen {
				o.unadopted = append(o.unadopted, g)
			}
		},
	})
}

// rebuildRecords reads the records of group g that are not empty, computes the
// missing ones and writes them to their slots, without a proof.
func (o *object) rebuildRecords(g uint32, records [][]byte, missing []int) error {
	l := o.leaves
	for i, b := range records {
		if o.aborted.Load() {
			return errAborted
		}
		if len(b) == 0 {
			continue
		}
		if _, err := o.places.store.ReadAt(b, l.offset(l.slot(g, i))+int64(l.recordAt())); err != nil {
			return storeError("read back", err)
		}
	}
	code, err := fec.NewRecords(l.tree)
	if err == nil {
		err = code.Rebuild(records)
	}
	if err != nil {
		return err
	}
	for _, i := range missing {
		unproven := proto.DigestRecord{Proof: make([]byte, l.tree.Depth*proto.DigestLen), Record: records[i]}
		if _, err := o.places.store.WriteAt(unproven.AppendTo(nil, o.geo.ShardSize), l.offset(l.slot(g, i))); err != nil {
			return storeError("write", err)
		}
	}
	return nil
}
