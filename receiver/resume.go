// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"io"

	"iotupd/proto"
)

// A resume is the state of taking over bytes from the disk: from the partial file
// of an earlier run, or from older versions of the file. Nothing there is
// trusted: bytes count when they match their leaf, and records when their proof
// is valid (spec.md 7.4).
type resume struct {
	active  bool   // there are files to scan
	waiting uint64 // groups that have not been scanned yet

	records map[uint32][]int // new ones by group, whose shards are to be looked for

	outlined bitset // ranges of records whose OUTLINE has come
	outlines []outlined

	resumed uint64 // shards found in the store, parity included
	reused  uint64 // shards taken from seeds
}

// startResume begins to look for bytes of the object that are already on disk.
func (o *object) startResume() {
	if o.leaves == nil || o.geo.Size == 0 {
		return
	}
	found := o.places.queue.store.Found() > 0
	o.resume.active = found || len(o.cfg.Seeds) > 0
	if o.resume.active {
		o.resume.outlined = newBitset(o.leaves.tree.Outlines())
	}
	if !found {
		return
	}
	o.work.addTask(scanRecords, 0)
	o.resume.waiting = o.geo.Groups
	for g := range o.index.groups {
		o.index.groups[g].apply(scanStarted)
	}
}

// scanned is called when a group has been scanned for the first time.
func (o *object) scanned() {
	if o.resume.waiting--; o.resume.waiting == 0 {
		o.observe(Resumed{Shards: o.resume.resumed, Reused: o.resume.reused})
	}
}

// A recordScan searches the workspace for the records of an earlier run.
type recordScan struct {
	*object
	leaves *leaves // run uses only fields that never change
	found  bitset
}

func newRecordScan(o *object) *recordScan { return &recordScan{object: o, leaves: o.leaves} }

func (w *recordScan) run() (err error) {
	w.found, err = w.leaves.recall(w.places.queue.store, &w.identity, w.aborted.Load)
	return err
}

func (w *recordScan) finish() error {
	w.leaves.addRecords(w.found)
	for g := range uint32(w.leaves.tree.Groups) {
		w.wantRecords(g)
		switch c := w.leaves.counts[g]; {
		case c.queued: // scanned when its records have been rebuilt
		case c.leaf > 0:
			w.work.addTask(scanGroup, g)
		default:
			w.index.groups[g].apply(scanDone)
			w.scanned()
		}
	}
	return nil
}

// recallBytes is how much is read at a time to look for records.
const recallBytes = 256 << 10

// recall returns the slots with a record whose proof belongs to object id.
func (l *leaves) recall(from io.ReaderAt, id *identity, aborted func() bool) (found bitset, err error) {
	t, h := l.tree, proto.NewHasher()
	found = newBitset(t.Total())
	b := make([]byte, max(1, recallBytes/t.ShardSize)*t.ShardSize)
	for first := uint64(0); first < t.Total(); first += uint64(len(b) / t.ShardSize) {
		if aborted() {
			return nil, errAborted
		}
		n, err := from.ReadAt(b, l.offset(first))
		if err != nil && err != io.EOF {
			return nil, storeError("read back", err)
		}
		for i := 0; i < n/t.ShardSize && first+uint64(i) < t.Total(); i++ {
			slot := first + uint64(i)
			g, record := uint32(slot%t.Groups), int(slot/t.Groups)
			if _, err := id.parseRecord(t, h, recordOf{g, record, b[i*t.ShardSize:][:t.ShardSize]}); err == nil {
				found.set(slot)
			}
		}
		if n < len(b) {
			break
		}
	}
	return found, nil
}

// A groupScan compares the free places of a group with the leaves of the group.
type groupScan struct {
	*object
	scan   scan
	first  bool // first scan of this group
	result scanResult
}

func newGroupScan(o *object, g uint32) *groupScan {
	grp := o.index.group(g)
	w := &groupScan{object: o, first: grp.scanning}
	if !w.first {
		grp.apply(scanStarted)
	}
	w.scan = scan{
		disk:   newDisk(o.places.queue.store, o.places.layout, o.cfg.Seeds),
		leaves: o.leaves, group: g, known: o.leaves.knownOf(g), aborted: o.aborted.Load,
	}
	for i := range o.geo.RealShards(g) {
		if !o.index.hasShard(g, i) && !grp.taken(i) {
			w.scan.free = append(w.scan.free, i)
		}
	}
	return w
}

func (w *groupScan) run() (err error) {
	w.result, err = w.scan.run()
	return err
}

func (w *groupScan) finish() error {
	w.index.groups[w.scan.group].apply(scanDone)
	w.takeOver()
	if w.first {
		w.scanned()
	}
	return nil
}

// takeOver adds the shards that were found, as far as they are needed.
func (w *groupScan) takeOver() {
	g, found := w.scan.group, w.result
	grp := w.index.group(g)
	for i, shard := range found.data {
		if grp.state != receiving {
			break
		}
		w.index.addShard(g, shard, verified)
		if i >= len(found.data)-found.reused {
			w.resume.reused++
		} else {
			w.resume.resumed++
		}
	}
	for _, p := range found.parity {
		if grp.state != receiving {
			break
		}
		if w.index.hasShard(g, int(p.index)) {
			continue // an old copy of a shard that lies elsewhere
		}
		grp.park(int(p.place), int(p.index))
		w.index.addShard(g, int(p.index), verified)
		w.resume.resumed++
	}
	if len(found.data)+len(found.parity) > 0 {
		w.gained(g)
	}
}

// scanLater queues a scan for the data shards whose leaves are in a new record,
// in their places and in seeds. The group takes no packets until that is done,
// since the next packets carry these very shards.
func (o *object) scanLater(g uint32, record int) {
	grp := o.index.group(g)
	if !o.resume.active || grp.state != receiving {
		return
	}
	if !grp.scanning {
		o.beginRecordScan(g)
	}
	if o.scansRecords(g) {
		o.resume.records[g] = append(o.resume.records[g], record)
	}
}

// beginRecordScan begins to look for shards of new records of a group.
func (o *object) beginRecordScan(g uint32) {
	o.index.groups[g].apply(scanStarted)
	if o.resume.records == nil {
		o.resume.records = make(map[uint32][]int)
	}
	o.resume.records[g] = nil
	o.work.addTask(scanRecord, g)
}

// scansRecords reports whether a group is scanned for the shards of new
// records, and not as a whole. If so, more records may be added to the scan.
func (o *object) scansRecords(g uint32) bool {
	_, ok := o.resume.records[g]
	return ok
}

// A placesWork looks for the data shards of new records of a group, which takes no
// shards meanwhile.
type placesWork struct {
	*object
	disk    disk
	group   uint32
	shards  []int // to look for
	leaves  []knownLeaf
	records recordReader

	resumed, reused []int
}

func newPlacesWork(o *object, g uint32) *placesWork {
	w := &placesWork{
		object: o, group: g, disk: newDisk(o.places.queue.store, o.places.layout, o.cfg.Seeds),
		records: recordReader{leaves: o.leaves, store: o.places.queue.store},
	}
	c, grp := o.leaves.tree.Leaves, &o.index.groups[g]
	for _, record := range o.resume.records[g] {
		for i := record * c; i < min((record+1)*c, o.geo.RealShards(g)); i++ {
			if !o.index.hasShard(g, i) && !grp.taken(i) {
				leaf, _ := o.leaves.leaf(g, i)
				w.shards, w.leaves = append(w.shards, i), append(w.leaves, leaf)
			}
		}
	}
	o.resume.records[g] = nil
	return w
}

func (w *placesWork) run() error {
	for n, i := range w.shards {
		if w.aborted.Load() {
			return errAborted
		}
		leaf := &w.leaves[n]
		if err := w.records.complete(leaf); err != nil {
			return err
		}
		if w.disk.store.Found() > 0 {
			sum, err := w.disk.leafAt(w.group, i)
			if err != nil {
				return err
			}
			if sum == leaf.Digest {
				w.resumed = append(w.resumed, i)
				continue
			}
		}
		reused, err := w.disk.reuse(w.group, i, leaf.Digest)
		if err != nil {
			return err
		}
		if reused {
			w.reused = append(w.reused, i)
		}
	}
	return nil
}

func (w *placesWork) finish() error {
	grp := &w.index.groups[w.group]
	more := w.resume.records[w.group]
	delete(w.resume.records, w.group)
	grp.apply(scanDone)
	for n, i := range append(w.resumed, w.reused...) {
		if grp.state != receiving {
			return nil
		}
		w.index.addShard(w.group, i, verified)
		if n < len(w.resumed) {
			w.resume.resumed++
		} else {
			w.resume.reused++
		}
		w.gained(w.group)
	}
	if len(more) > 0 && grp.state == receiving {
		w.beginRecordScan(w.group)
		w.resume.records[w.group] = more
	}
	return nil
}
