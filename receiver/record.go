// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import "iotupd/proto"

// takeRecord takes a DIGEST packet. The packet contains its own proof, which is
// verified before the state changes (spec.md 4.5).
func (o *object) takeRecord(p *packet) (err error) {
	switch {
	case o.leaves == nil:
		return proto.ReasonDigest
	case p.Index >= o.leaves.tree.PerGroup():
		return proto.ReasonGeometry
	case o.leaves.hasRecord(p.Group, p.Index):
		return ReasonDuplicate
	case !o.needsRecords(p.Group):
		return ReasonNotNeeded
	case o.index.groups[p.Group].scanning && !o.scansRecords(p.Group):
		return ReasonScanning
	}
	if o.plain, err = p.open(&o.identity, o.plain); err != nil {
		return err
	}
	record, err := o.parseRecord(o.leaves.tree, o.leaves.hasher, recordOf{p.Group, p.Index, p.payload})
	if err != nil {
		return err
	}
	return o.keepRecord(recordOf{p.Group, p.Index, p.payload}, record.Record)
}

// keepRecord stores a record that has proven itself and was not known.
func (o *object) keepRecord(record recordOf, leaves []byte) error {
	g := record.group
	o.index.groups[g].wrote(o.places.queue.put(recordRegion, o.leaves.offset(o.leaves.slot(g, record.index)), record.payload))
	o.flushSoon()
	o.leaves.addRecord(g, record.index)
	if record.index < o.leaves.tree.Records {
		o.leaves.cache.put(o.leaves.slot(g, record.index), leaves)
		o.scanLater(g, record.index)
		o.queueCheck(g)
	}
	o.wantRecords(g)
	return nil
}

// A recordOf is the payload of a DIGEST packet, and the group and index of the
// record that it should contain.
type recordOf struct {
	group   uint32
	index   int
	payload []byte
}

// parseRecord reads a record and verifies by its proof that it belongs to
// object i. The error is a Reason.
func (i *identity) parseRecord(t proto.Tree, h *proto.Hasher, r recordOf) (proto.DigestRecord, error) {
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

// needsRecords reports whether records of a group are still of use.
func (o *object) needsRecords(g uint32) bool {
	grp := &o.index.groups[g]
	return !o.leaves.counts[g].queued && !o.leaves.allLeaves(g) && (grp.state != complete || grp.provisional > 0)
}
