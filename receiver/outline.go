// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"io"

	"iotupd/proto"
)

// maxOutlined bounds the OUTLINEs that wait for the disk. More are ignored: they
// come again.
const maxOutlined = 16

// An outlined is a range whose data records are searched for on disk.
type outlined struct {
	number uint32
	proto.Outline
	next uint64 // number of the record to go on with
}

// takeOutline takes an OUTLINE packet. It is used where files on disk may have
// the records of its range, and only once, since the number of these files does
// not grow (spec.md 4.6, 7.4).
func (o *object) takeOutline(p *packet) (err error) {
	switch {
	case o.leaves == nil:
		return proto.ReasonDigest
	case !o.resume.active:
		return ReasonNotNeeded
	case o.resume.outlined.has(uint64(p.Group)):
		return ReasonDuplicate
	}
	if err := o.awaits(p.Group); err != nil {
		return err
	}
	if o.plain, err = p.open(&o.identity, o.plain); err != nil {
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
	o.resume.outlined.set(uint64(p.Group))
	o.resume.outlines = append(o.resume.outlines, outlined{
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
		if o.index.groups[g].scanning && !o.scansRecords(g) {
			return ReasonScanning
		}
		wanted = wanted || o.lacksRecord(g, record)
	}
	switch {
	case !wanted:
		return ReasonNotNeeded
	case len(o.resume.outlines) == maxOutlined:
		return ReasonScanning
	}
	return nil
}

// lacksRecord reports whether a record is of use to its group now.
func (o *object) lacksRecord(g uint32, record int) bool {
	return !o.leaves.hasRecord(g, record) && o.needsRecords(g) && (!o.index.groups[g].scanning || o.scansRecords(g))
}

// nextOutlined returns the number of the next record to look for, and an outline
// that has the node over it.
func (o *object) nextOutlined() (w outlined, number uint64, ok bool) {
	for len(o.resume.outlines) > 0 {
		w, t := &o.resume.outlines[0], o.leaves.tree
		_, end := t.OutlineRange(w.number)
		number := t.NextDataRecord(w.next)
		if number >= end {
			o.resume.outlines = o.resume.outlines[1:]
			continue
		}
		w.next = number + 1
		if g, record := t.RecordAt(number); o.lacksRecord(g, record) {
			return *w, number, true
		}
	}
	return w, 0, false
}

// An outlineWork looks for a record in the files on disk. If a file has it, the
// record is used as if its DIGEST had arrived.
type outlineWork struct {
	*object
	outlined outlined
	number   int // of the record in the range
	maker    recordMaker
	files    []io.ReaderAt

	found, payload []byte // the record that was found, and its DIGEST
}

func newOutlineWork(o *object, outlined outlined, number uint64) *outlineWork {
	t := o.leaves.tree
	g, record := t.RecordAt(number)
	from, _ := t.OutlineRange(outlined.number)
	w := &outlineWork{
		object: o, outlined: outlined, number: int(number - from), files: o.cfg.Seeds,
		maker: recordMaker{tree: t, geo: o.geo, group: g, record: record, aborted: o.aborted.Load},
	}
	if o.places.queue.store.Found() > 0 {
		w.files = append([]io.ReaderAt{o.places.queue.store}, w.files...)
	}
	return w
}

func (w *outlineWork) run() error {
	t := w.maker.tree
	if w.found = w.maker.find(w.files, w.outlined.Node(w.number)); w.found != nil {
		w.payload = t.Unfold(w.outlined.number, w.outlined.Outline, w.number, w.found).AppendTo(nil, t.ShardSize)
	}
	return nil
}

func (w *outlineWork) finish() error {
	g, record := w.maker.group, w.maker.record
	if w.found == nil || !w.lacksRecord(g, record) {
		return nil
	}
	return w.keepRecord(recordOf{g, record, w.payload}, w.found)
}

// A recordMaker computes a data record from the bytes that files have at the
// places of its shards.
type recordMaker struct {
	tree    proto.Tree
	geo     proto.Geometry
	group   uint32
	record  int
	aborted func() bool
}

// find returns the record with that node over it, if one of the files has all of
// its shards. A file that cannot be read is skipped.
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
