// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"io"

	"iotupd/fec"
	"iotupd/proto"
)

// wantRecords queues the rebuilding of missing records of a group once that is
// possible and something waits for them: a receiver without loss never needs it.
func (o *object) wantRecords(g uint32) {
	grp := &o.index.groups[g]
	if o.leaves == nil || !o.leaves.rebuildable(g) {
		return
	}
	if grp.provisional > 0 || grp.verifiedOnly || o.resume.active {
		o.leaves.counts[g].queued = true
		o.work.addTask(rebuildRecords, g)
	}
}

// A recordSpace is the memory for rebuilding the records of a group. It is used
// again for the next group, since the garbage collector would otherwise have to
// free one and a half megabytes for every group.
type recordSpace struct {
	code   *fec.Records
	memory []byte // of the R+Q records
}

// recordSpace returns an idle one, or makes one.
func (o *object) recordSpace() (*recordSpace, error) {
	if n := len(o.spaces); n > 0 {
		s := o.spaces[n-1]
		o.spaces = o.spaces[:n-1]
		return s, nil
	}
	t := o.leaves.tree
	code, err := fec.NewRecords(t)
	return &recordSpace{code: code, memory: make([]byte, t.PerGroup()*t.RecordLen())}, err
}

// A rebuildWork computes the records of leaves that a group lacks from those that
// it has.
type rebuildWork struct {
	*object
	group   uint32
	space   *recordSpace
	records [][]byte // of the group, in space; empty if not known
	missing []int    // records of leaves that are not known
	leaves  *leaves  // run uses only fields that never change
	err     error
}

func newRebuildWork(o *object, g uint32) *rebuildWork {
	t := o.leaves.tree
	w := &rebuildWork{object: o, group: g, leaves: o.leaves, records: make([][]byte, t.PerGroup())}
	w.space, w.err = o.recordSpace()
	for i := range w.records {
		w.records[i] = w.space.memory[i*t.RecordLen():][:t.RecordLen()]
		if !o.leaves.hasRecord(g, i) {
			w.records[i] = w.records[i][:0]
			if i < t.Records {
				w.missing = append(w.missing, i)
			}
		}
	}
	return w
}

func (w *rebuildWork) run() error {
	if w.err == nil {
		w.err = w.leaves.readRecords(w.places.queue.store, w.group, w.records)
	}
	if w.err == nil {
		w.err = w.space.code.Rebuild(w.records)
	}
	if w.err == nil {
		w.err = w.leaves.writeUnproven(w.places.queue.store, w.group, w.records, w.missing)
	}
	return w.err
}

func (w *rebuildWork) finish() error {
	g, l := w.group, w.leaves
	l.counts[g].queued = false
	for _, i := range w.missing {
		l.addRecord(g, i)
		l.cache.put(l.slot(g, i), w.records[i])
	}
	w.spaces = append(w.spaces, w.space)
	w.queueCheck(g)
	if w.resume.active {
		w.work.addTask(scanGroup, g)
	}
	w.relist(g)
	return nil
}

// readRecords reads the records of a group that are not empty.
func (l *leaves) readRecords(from io.ReaderAt, g uint32, records [][]byte) error {
	for i, b := range records {
		if len(b) == 0 {
			continue
		}
		if err := l.read(from, l.slot(g, i), b); err != nil {
			return err
		}
	}
	return nil
}

// writeUnproven puts records into their slots without a proof: a later run has
// to rebuild them again.
func (l *leaves) writeUnproven(to io.WriterAt, g uint32, records [][]byte, which []int) error {
	proof := make([]byte, l.tree.Depth*proto.DigestLen)
	for _, i := range which {
		b := proto.DigestRecord{Proof: proof, Record: records[i]}.AppendTo(nil, l.tree.ShardSize)
		if _, err := to.WriteAt(b, l.offset(l.slot(g, i))); err != nil {
			return storeError("write", err)
		}
	}
	return nil
}
