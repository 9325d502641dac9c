// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"io"

	"iotupd/proto"
)

// maxOutlined bounds the OUTLINEs that wait for the disk. More are ignored: they
// come again.
const maxOutlined = 16

// An outlined range is one whose data records are being looked for on disk.
type outlined struct {
	number uint32
	proto.Outline
	next uint64 // number of the record to go on with
}

// outline takes an OUTLINE packet of the chosen object. It is of use where there
// are files that may have the records of its range, and only once: these files
// do not become more (spec.md 4.6, 7.4).
func (r *Receiver) outline(p *packet) (err error) {
	o := r.object
	switch {
	case o.leaves == nil:
		return proto.ReasonDigest
	case !o.adopted.looking:
		return ReasonNotNeeded
	case o.adopted.outlined.has(uint64(p.Group)):
		return ReasonDuplicate
	}
	if err := o.awaits(p.Group); err != nil {
		return err
	}
	if r.plain, err = p.open(&o.identity, r.plain); err != nil {
		return err
	}
	t := o.leaves.tree
	outline, err := t.ParseOutline(p.payload)
	if err != nil {
		return err
	}
	d, err := t.OutlineDescriptor(p.Group, outline)
	if err == nil && !o.proves(d) {
		err = proto.ReasonDigest
	}
	if err != nil {
		return err
	}
	o.adopted.outlined.set(uint64(p.Group))
	o.adopted.outlines = append(o.adopted.outlines, outlined{
		number: p.Group, Outline: outline.Clone(), next: uint64(p.Group) << t.OutlineLevel(),
	})
	return nil
}

// awaits returns nil if data records of range i are to be looked for now, else a
// Reason.
func (o *object) awaits(i uint32) error {
	t, wanted := o.leaves.tree, false
	from, end := t.OutlineRange(i)
	for n := t.NextDataRecord(from); n < end; n = t.NextDataRecord(n + 1) {
		g, record := t.RecordAt(n)
		if o.index.groups[g].scanning {
			return ReasonAdopting
		}
		wanted = wanted || o.lacksRecord(g, record)
	}
	switch {
	case !wanted:
		return ReasonNotNeeded
	case len(o.adopted.outlines) == maxOutlined:
		return ReasonAdopting
	}
	return nil
}

// lacksRecord reports whether a record is of use to its group now.
func (o *object) lacksRecord(g uint32, record int) bool {
	return !o.leaves.has(g, record) && o.curious(g) && !o.index.groups[g].scanning
}

// nextOutlined returns the number of the next record to look for, and an outline
// that has the node over it.
func (o *object) nextOutlined() (w outlined, number uint64, ok bool) {
	for len(o.adopted.outlines) > 0 {
		w, t := &o.adopted.outlines[0], o.leaves.tree
		_, end := t.OutlineRange(w.number)
		number := t.NextDataRecord(w.next)
		if number >= end {
			o.adopted.outlines = o.adopted.outlines[1:]
			continue
		}
		w.next = number + 1
		if g, record := t.RecordAt(number); o.lacksRecord(g, record) {
			return *w, number, true
		}
	}
	return w, 0, false
}

// outlineJob looks for a record in the files on disk. If one has it, that is as
// if the DIGEST had come.
func (r *Receiver) outlineJob(w outlined, number uint64) *Job {
	o, t := r.object, r.object.leaves.tree
	g, record := t.RecordAt(number)
	from, _ := t.OutlineRange(w.number)
	n := int(number - from)
	m := recordMaker{tree: t, geo: o.geo, group: g, record: record, aborted: o.aborted.Load}
	files := r.cfg.Seeds
	if o.places.store.Found() > 0 {
		files = append([]io.ReaderAt{o.places.store}, files...)
	}
	var leaves, payload []byte
	return r.newJob(job{
		leafy: true,
		run: func() error {
			if leaves = m.find(files, w.Node(n)); leaves != nil {
				payload = t.Unfold(w.number, w.Outline, n, leaves).AppendTo(nil, t.ShardSize)
			}
			return nil
		},
		finish: func() {
			if leaves != nil && o.lacksRecord(g, record) {
				r.keep(recordOf{g, record, payload}, leaves)
			}
		},
	})
}

// A recordMaker makes a data record of what files have at the places of its
// shards.
type recordMaker struct {
	tree    proto.Tree
	geo     proto.Geometry
	group   uint32
	record  int
	aborted func() bool
}

// find returns the record with that node over it, if one of the files has all of
// its shards. A file that cannot be read has none.
func (m *recordMaker) find(files []io.ReaderAt, node proto.Digest) []byte {
	h, shard := proto.NewHasher(), make([]byte, m.geo.ShardSize)
	record := make([]byte, m.tree.RecordLen())
	for _, file := range files {
		if m.fill(record, file, h, shard) && h.Record(record) == node {
			return record
		}
	}
	return nil
}

// fill makes the record of one file, shard by shard.
func (m *recordMaker) fill(record []byte, file io.ReaderAt, h *proto.Hasher, shard []byte) bool {
	first := m.record * m.tree.Leaves
	for i := first; i < min(first+m.tree.Leaves, m.geo.K); i++ {
		n := m.geo.ShardLen(m.group, i)
		clear(shard[n:])
		if n > 0 {
			if got, _ := file.ReadAt(shard[:n], int64(m.geo.Offset(m.group, i))); got < n || m.aborted() {
				return false
			}
		}
		leaf := h.Leaf(shard)
		copy(record[(i-first)*proto.DigestLen:], leaf[:])
	}
	return true
}
