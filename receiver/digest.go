// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import "iotupd/proto"

// learn takes a DIGEST packet of the chosen object: it proves itself, so that
// nothing of it enters the state before it is known to be right (spec.md 4.5).
func (r *Receiver) learn(p *packet) (err error) {
	o := r.object
	switch {
	case o.leaves == nil:
		return proto.ReasonDigest
	case p.Index >= o.leaves.tree.PerGroup():
		return proto.ReasonGeometry
	case o.leaves.has(p.Group, p.Index):
		return ReasonDuplicate
	case !o.curious(p.Group):
		return ReasonNotNeeded
	case o.index.groups[p.Group].scanning:
		return ReasonAdopting
	}
	if r.plain, err = p.open(&o.identity, r.plain); err != nil {
		return err
	}
	record, err := o.record(o.leaves.tree, o.leaves.hasher, recordOf{p.Group, p.Index, p.payload})
	if err != nil {
		return err
	}
	r.keep(recordOf{p.Group, p.Index, p.payload}, record.Record)
	return nil
}

// keep stores a record that has proven itself and was not known.
func (r *Receiver) keep(record recordOf, leaves []byte) {
	o := r.object
	if _, err := o.places.store.WriteAt(record.payload, o.leaves.offset(o.leaves.slot(record.group, record.index))); err != nil {
		r.fail(storeError("write", err))
		return
	}
	r.learned(record.group, record.index, leaves)
	o.wantRecords(record.group)
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

// prove checks the DIGEST packet that an object is to begin with.
func (i *identity) prove(geo proto.Geometry, p *packet) error {
	tree, err := geo.Tree()
	switch {
	case err != nil:
		return proto.ReasonDigest
	case p.Index >= tree.PerGroup():
		return proto.ReasonGeometry
	}
	_, err = i.record(tree, proto.NewHasher(), recordOf{p.Group, p.Index, p.payload})
	return err
}

// curious reports whether records of a group are still of use.
func (o *object) curious(g uint32) bool {
	grp := &o.index.groups[g]
	return !o.leaves.counts[g].queued && !o.leaves.allLeaves(g) && (grp.state != complete || grp.provisional > 0)
}

// learned takes note of a record that is in its slot now.
func (r *Receiver) learned(g uint32, record int, leaves []byte) {
	o := r.object
	o.leaves.add(g, record)
	if record >= o.leaves.tree.Records {
		return
	}
	o.leaves.cache.put(o.leaves.slot(g, record), leaves)
	if o.adopted.looking && !o.index.groups[g].scanning {
		r.adoptRecord(g, record)
	}
	r.suspect(g)
}
