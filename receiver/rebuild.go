// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"io"

	"iotupd/fec"
	"iotupd/proto"
)

// wantRecords has the missing records of a group rebuilt, once that can be done
// and something waits for them: a receiver without loss never needs it.
func (o *object) wantRecords(g uint32) {
	grp := &o.index.groups[g]
	if o.leaves == nil || !o.leaves.rebuildable(g) {
		return
	}
	if grp.provisional > 0 || grp.verifiedOnly || o.adopted.looking {
		o.leaves.counts[g].queued = true
		o.work.add(rebuildRecords, g)
	}
}

// A recordSpace is what it takes to rebuild the records of a group. It is kept
// for the next group: one and a half megabytes for each would be left to the
// garbage collector.
type recordSpace struct {
	code   *fec.Records
	memory []byte // of the R+Q records
}

// recordSpace returns an idle one, or makes one.
func (o *object) recordSpace() (*recordSpace, error) {
	if n := len(o.recordSpaces); n > 0 {
		s := o.recordSpaces[n-1]
		o.recordSpaces = o.recordSpaces[:n-1]
		return s, nil
	}
	t := o.leaves.tree
	code, err := fec.NewRecords(t)
	return &recordSpace{code: code, memory: make([]byte, t.PerGroup()*t.RecordLen())}, err
}

// rebuildJob computes the records of leaves that a group lacks from those that it
// has.
func (r *Receiver) rebuildJob(g uint32) *Job {
	o, l := r.object, r.object.leaves
	t := l.tree
	space, err := o.recordSpace()
	records := make([][]byte, t.PerGroup())
	var missing []int
	for i := range records {
		records[i] = space.memory[i*t.RecordLen():][:t.RecordLen()]
		if !l.has(g, i) {
			records[i] = records[i][:0]
			if i < t.Records {
				missing = append(missing, i)
			}
		}
	}
	return r.newJob(job{
		leafy: true,
		run: func() error {
			if err == nil {
				err = l.readRecords(o.places.store, g, records)
			}
			if err == nil {
				err = space.code.Rebuild(records)
			}
			if err != nil {
				return err
			}
			return l.writeUnproven(o.places.store, g, records, missing)
		},
		finish: func() {
			l.counts[g].queued = false
			for _, i := range missing {
				l.add(g, i)
				l.cache.put(l.slot(g, i), records[i])
			}
			o.recordSpaces = append(o.recordSpaces, space)
			r.suspect(g)
			if o.adopted.looking {
				o.work.add(scanGroup, g)
			}
			o.relist(g)
		},
	})
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
