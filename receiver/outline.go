// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"io"

	"iotupd/proto"
)

// maxOutlined bounds the OUTLINEs that wait for the disk. More are ignored: they
// come again.
const maxOutlined = 16

// An outlined range is one whose records are about to be looked for on disk.
type outlined struct {
	number uint32
	proto.Outline
	next uint64 // number of the record to go on with
}

// outline takes an OUTLINE packet of the chosen object. It is of use where there
// are files that may have the records of its range, and only once: what is on
// disk does not become more but by other packets (spec.md 4.6, 7.4).
func (r *Receiver) outline(p *packet) (err error) {
	o := r.object
	switch {
	case o.places.store == nil:
		return nil // there is nothing to compare with it
	case o.leaves == nil:
		return proto.ReasonDigest
	case !o.adopted.looking:
		return ReasonNotNeeded
	case o.adopted.outlined.has(uint64(p.Group)):
		return ReasonDuplicate
	}
	if err := o.missing(p.Group); err != nil {
		return err
	}
	if len(o.outlined) == maxOutlined {
		return ReasonAdopting
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
	switch {
	case err != nil:
		return err
	case !o.proves(d):
		return proto.ReasonDigest
	}
	o.adopted.outlined.set(uint64(p.Group))
	outline = outline.Clone() // the datagram is not kept
	o.outlined = append(o.outlined, outlined{p.Group, outline, uint64(p.Group) << t.OutlineLevel()})
	return nil
}

// missing returns why range i of records is of no use now, a Reason; nil if one
// of its data records is to be looked for.
func (o *object) missing(i uint32) error {
	t := o.leaves.tree
	needed := false
	end := (uint64(i) + 1) << t.OutlineLevel()
	for n := t.NextDataRecord(uint64(i) << t.OutlineLevel()); n < min(end, t.Total()); n = t.NextDataRecord(n + 1) {
		g, record := t.RecordAt(n)
		if o.index.groups[g].frozen {
			return ReasonAdopting
		}
		needed = needed || o.lacksRecord(g, record)
	}
	if !needed {
		return ReasonNotNeeded
	}
	return nil
}

// lacksRecord reports whether a record would be of use to its group now.
func (o *object) lacksRecord(g uint32, record int) bool {
	return !o.leaves.has(g, record) && o.curious(g) && !o.index.groups[g].frozen
}

// nextOutlined returns the next record to look for on disk, by its number, and
// the outline that has its node.
func (o *object) nextOutlined() (w outlined, number uint64, ok bool) {
	for len(o.outlined) > 0 {
		w := &o.outlined[0]
		t := o.leaves.tree
		end := (uint64(w.number) + 1) << t.OutlineLevel()
		number := t.NextDataRecord(w.next)
		if number >= min(end, t.Total()) {
			o.outlined = o.outlined[1:]
			continue
		}
		w.next = number + 1
		if g, record := t.RecordAt(number); o.lacksRecord(g, record) {
			return *w, number, true
		}
	}
	return w, 0, false
}

// outlineJob makes a record from what is on disk. If it is the one of the
// outline, it is taken as if its DIGEST had come.
func (r *Receiver) outlineJob(w outlined, number uint64) *Job {
	o := r.object
	t := o.leaves.tree
	g, record := t.RecordAt(number)
	n := int(number - uint64(w.number)<<t.OutlineLevel())
	m := recordMaker{finder: newFinder(o.places.store, o.geo, r.cfg.Seeds), tree: t, group: g, record: record}
	var made, payload []byte
	return r.newJob(job{
		leafy: true,
		run: func() (err error) {
			if made, err = m.make(w.Node(n)); made != nil {
				payload = t.Unfold(w.number, w.Outline, n, made).AppendTo(nil, t.ShardSize)
			}
			return err
		},
		finish: func() {
			if made != nil && o.lacksRecord(g, record) {
				r.keep(recordOf{g, record, payload}, made)
			}
		},
	})
}

// A recordMaker makes a record from what files have at the places of its shards.
type recordMaker struct {
	finder
	tree   proto.Tree
	group  uint32
	record int
}

// make returns the record that has this node over it, nil if there is none: made
// from the store, if something was found there, or from a seed.
func (m *recordMaker) make(node proto.Digest) ([]byte, error) {
	if m.store.Found() > 0 {
		record, err := m.from(m.store)
		if err != nil {
			return nil, storeError("read back", err)
		}
		if m.hasher.Record(record) == node {
			return record, nil
		}
	}
	for _, seed := range m.seeds {
		// What cannot be read of a seed is not there.
		if record, err := m.from(seed); err == nil && m.hasher.Record(record) == node {
			return record, nil
		}
	}
	return nil, nil
}

// from makes the record from one file. What is past its end is zero.
func (m *recordMaker) from(file io.ReaderAt) ([]byte, error) {
	record := make([]byte, 0, m.tree.RecordLen())
	first := m.record * m.tree.Leaves
	for i := first; i < min(first+m.tree.Leaves, m.geo.K+m.geo.M); i++ {
		n := m.geo.ShardLen(m.group, i)
		clear(m.buffer[n:])
		if n > 0 {
			got, err := file.ReadAt(m.buffer[:n], int64(m.geo.Offset(m.group, i)))
			clear(m.buffer[got:n])
			if err != nil && err != io.EOF {
				return nil, err
			}
		}
		leaf := m.hasher.Leaf(m.buffer)
		record = append(record, leaf[:]...)
	}
	return record[:cap(record)], nil
}
