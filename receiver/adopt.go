// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"io"

	"iotupd/proto"
)

// An adoption is the state of what is taken over from the disk: from an earlier
// run, or from older versions of the file. Nothing there is trusted: bytes count
// when their leaf says so, and records when they prove themselves (spec.md 7.4).
type adoption struct {
	looking bool   // there may be something
	waiting uint64 // groups that have not been compared yet: they are frozen

	outlined bitset // ranges of records whose OUTLINE has come
	outlines []outlined

	resumed uint64 // shards found in the store, parity included
	reused  uint64 // shards taken from seeds
}

// adopt begins to look for what is there of the chosen object.
func (r *Receiver) adopt() {
	o := r.object
	if o.leaves == nil || o.geo.Size == 0 {
		return
	}
	found := o.places.store.Found() > 0
	o.adopted.looking = found || len(r.cfg.Seeds) > 0
	if o.adopted.looking {
		o.adopted.outlined = newBitset(o.leaves.tree.Outlines())
	}
	if !found {
		return
	}
	o.work.add(scanRecords, 0)
	o.adopted.waiting = o.geo.Groups
	for g := range o.index.groups {
		o.index.groups[g].apply(scanStarted)
	}
}

// withoutLeaves goes on with an object that turned out to have no hash tree:
// whatever is on disk, nothing says that it is of this object.
func (r *Receiver) withoutLeaves() {
	o := r.object
	o.leaves, o.adopted = nil, adoption{}
	o.work.clear(scanRecords, rebuildRecords, checkGroup, scanGroup)
	for g := range o.index.groups {
		o.index.groups[g].apply(treeGone)
		o.relist(uint32(g))
	}
}

// recallJob searches the workspace for the records of an earlier run.
func (r *Receiver) recallJob() *Job {
	o, l := r.object, r.object.leaves
	var found bitset
	return r.newJob(job{
		leafy: true,
		run: func() (err error) {
			found, err = l.recall(o.places.store, &o.identity, o.aborted.Load)
			return err
		},
		finish: func() {
			l.addAll(found)
			for g := range uint32(l.tree.Groups) {
				o.wantRecords(g)
				switch c := l.counts[g]; {
				case c.queued: // adopted when they are there
				case c.leaf > 0:
					o.work.add(scanGroup, g)
				default:
					r.thaw(g)
					r.compared()
				}
			}
		},
	})
}

// recall returns the slots whose record proves itself to be of object id.
func (l *leaves) recall(from io.ReaderAt, id *identity, aborted func() bool) (found bitset, err error) {
	t, h := l.tree, proto.NewHasher()
	found = newBitset(t.Total())
	b := make([]byte, max(1, maxRun/t.ShardSize)*t.ShardSize)
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
			if _, err := id.record(t, h, recordOf{g, record, b[i*t.ShardSize:][:t.ShardSize]}); err == nil {
				found.set(slot)
			}
		}
		if n < len(b) {
			break
		}
	}
	return found, nil
}

// adoptJob compares the places of group g in which nothing is held with its
// leaves.
func (r *Receiver) adoptJob(g uint32) *Job {
	o := r.object
	grp := o.index.group(g)
	first := grp.scanning
	if !first {
		grp.apply(scanStarted)
	}
	search := search{
		finder: newFinder(o.places.store, o.geo, r.cfg.Seeds),
		leaves: o.leaves, group: g, known: o.leaves.of(g), aborted: o.aborted.Load,
	}
	for i := range o.geo.RealShards(g) {
		if !o.index.has(g, i) && !grp.taken(i) {
			search.free = append(search.free, i)
		}
	}
	err := o.places.flush()
	var f find
	return r.newJob(job{
		leafy: true,
		run: func() error {
			if err == nil {
				f, err = search.run()
			}
			return err
		},
		finish: func() {
			r.thaw(g)
			r.found(g, f)
			if first {
				r.compared()
			}
		},
	})
}

// found takes over what was found of a group, as far as it is needed.
func (r *Receiver) found(g uint32, f find) {
	o := r.object
	grp := o.index.group(g)
	for i, shard := range f.data {
		if grp.state != receiving {
			break
		}
		o.index.add(g, shard, verified)
		if i >= len(f.data)-f.reused {
			o.adopted.reused++
		} else {
			o.adopted.resumed++
		}
	}
	for _, p := range f.parity {
		if grp.state != receiving {
			break
		}
		if o.index.has(g, int(p.index)) {
			continue // an old copy of what is elsewhere
		}
		grp.park(int(p.place), int(p.index))
		o.index.add(g, int(p.index), verified)
		o.adopted.resumed++
	}
	if len(f.data)+len(f.parity) > 0 {
		r.gained(g)
	}
}

// thaw lets a group take packets.
func (r *Receiver) thaw(g uint32) { r.object.index.groups[g].apply(scanDone) }

// compared is called when a group has been compared for the first time.
func (r *Receiver) compared() {
	o := r.object
	if o.adopted.waiting--; o.adopted.waiting == 0 {
		r.observe(Resumed{Shards: o.adopted.resumed, Reused: o.adopted.reused})
	}
}

// adoptRecord looks for the data shards whose leaves a new record tells, in
// their places and in seeds. It is done at once, a record at a time: the packets
// of these shards are just about to arrive.
func (r *Receiver) adoptRecord(g uint32, record int) {
	o := r.object
	grp := o.index.group(g)
	f := finder{store: o.places.store, geo: o.geo, seeds: r.cfg.Seeds, hasher: o.leaves.hasher, buffer: o.spare}
	c := o.leaves.tree.Leaves
	for i := record * c; i < min((record+1)*c, o.geo.RealShards(g)) && grp.state == receiving; i++ {
		if o.index.has(g, i) || grp.taken(i) {
			continue
		}
		leaf, _, err := o.leaves.leaf(&o.places, g, i)
		var resumed, reused bool
		if err == nil && f.store.Found() > 0 {
			var sum proto.Digest
			sum, err = f.leafAt(g, i)
			resumed = sum == leaf
		}
		if err == nil && !resumed && f.inSeeds(g, i, leaf) {
			reused, err = true, o.places.put(g, i, f.buffer)
			r.flushSoon()
		}
		switch {
		case err != nil:
			r.fail(err)
			return
		case resumed:
			o.adopted.resumed++
		case reused:
			o.adopted.reused++
		default:
			continue
		}
		o.index.add(g, i, verified)
		r.gained(g)
	}
}
