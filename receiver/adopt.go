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
	recall  bool   // the workspace has to be searched for records
	frozen  uint64 // groups that are to be compared before they take packets

	resumed uint64 // shards found in the store, parity included
	reused  uint64 // shards taken from seeds
}

// adopt begins to look for what is there of the chosen object.
func (r *Receiver) adopt() {
	o := r.object
	if o.leaves == nil {
		return
	}
	found := o.places.store.Found() > 0
	o.adopted.looking = found || len(r.cfg.Seeds) > 0
	if !found {
		return
	}
	o.adopted.recall = true
	o.adopted.frozen = o.geo.Groups
	for g := range o.index.groups {
		o.index.groups[g].frozen = true
	}
}

// recallJob searches the workspace for the records of an earlier run.
func (r *Receiver) recallJob() *Job {
	o := r.object
	o.adopted.recall = false
	var slots []uint64
	return r.newJob(job{
		run: func() (err error) {
			slots, err = o.leaves.recall(o.places.store, &o.identity, o.aborted.Load)
			return err
		},
		finish: func() {
			groups := o.leaves.tree.Groups
			for _, slot := range slots {
				if g, record := uint32(slot%groups), int(slot/groups); !o.leaves.has(g, record) {
					o.leaves.add(g, record)
				}
			}
			for g := range o.index.groups {
				switch g := uint32(g); {
				case o.leaves.rebuildable(g):
					o.queueRebuild(g)
				case o.leaves.counts[g].leaf > 0:
					o.unadopted = append(o.unadopted, g)
				default:
					r.thaw(g)
				}
			}
		},
	})
}

// recall returns the slots whose record proves itself to be of object id.
func (l *leaves) recall(from io.ReaderAt, id *identity, aborted func() bool) (slots []uint64, err error) {
	t, h := l.tree, proto.NewHasher()
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
				slots = append(slots, slot)
			}
		}
		if n < len(b) {
			break
		}
	}
	return slots, nil
}

// A find is what was found of one group.
type find struct {
	data   []int // shards in their places
	reused int   // of these, the last so many came from seeds
	parity []parkedShard
}

// adoptJob compares what is on disk of the next group with its leaves.
func (r *Receiver) adoptJob() *Job {
	o := r.object
	g := o.unadopted[0]
	o.unadopted = o.unadopted[1:]
	var f find
	known := make([]bool, o.leaves.tree.Records)
	for i := range known {
		known[i] = o.leaves.has(g, i)
	}
	return r.newJob(job{
		run: func() (err error) {
			f, err = o.search(g, known, r.cfg.Seeds)
			return err
		},
		finish: func() {
			r.found(g, f)
			r.thaw(g)
		},
	})
}

// found takes over what was found of a group, as far as it is needed.
func (r *Receiver) found(g uint32, f find) {
	o := r.object
	grp := o.index.group(g)
	for i, shard := range f.data {
		if grp.state != receiving || o.index.has(g, shard) {
			continue
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
		grp.park(int(p.place), int(p.index))
		o.index.add(g, int(p.index), verified)
		o.adopted.resumed++
	}
	if o.index.shards > 0 {
		r.gained(g)
	}
}

// thaw lets a group take packets.
func (r *Receiver) thaw(g uint32) {
	o := r.object
	o.index.groups[g].frozen = false
	if o.adopted.frozen--; o.adopted.frozen == 0 {
		r.observe(Resumed{Shards: o.adopted.resumed, Reused: o.adopted.reused})
	}
}

// search looks for the shards of a frozen group in its places, and then in
// seeds. A place may hold parity, which is known by its leaf.
func (o *object) search(g uint32, known []bool, seeds []io.ReaderAt) (f find, err error) {
	l := o.leaves
	record := make([]byte, l.tree.RecordLen())
	all := make([]proto.Digest, l.tree.Records*l.tree.Leaves)
	for i, k := range known {
		if !k {
			continue
		}
		if _, err := o.places.store.ReadAt(record, l.offset(l.slot(g, i))+int64(l.recordAt())); err != nil {
			return f, storeError("read back", err)
		}
		for j := range l.tree.Leaves {
			all[i*l.tree.Leaves+j] = proto.DigestRecord{Record: record}.Leaf(j)
		}
	}
	parity := make(map[proto.Digest]int)
	for i := o.geo.K; i < o.geo.K+o.geo.M; i++ {
		if known[i/l.tree.Leaves] {
			parity[all[i]] = i
		}
	}
	h, b := proto.NewHasher(), make([]byte, o.geo.ShardSize)
	var other []int
	for i := range o.geo.RealShards(g) {
		if o.aborted.Load() {
			return f, errAborted
		}
		if err := o.places.read(g, i, b); err != nil {
			return f, err
		}
		sum := h.Leaf(b)
		shard, isParity := parity[sum]
		switch {
		case known[i/l.tree.Leaves] && sum == all[i]:
			f.data = append(f.data, i)
		case isParity && o.geo.ShardLen(g, i) == o.geo.ShardSize:
			f.parity = append(f.parity, parkedShard{place: uint16(i), index: uint16(shard)})
			delete(parity, sum)
		case known[i/l.tree.Leaves]:
			other = append(other, i)
		}
	}
	for _, i := range other {
		ok, err := o.reuse(g, i, seedSearch{seeds, h, all[i], b})
		if err != nil {
			return f, err
		}
		if ok {
			f.data, f.reused = append(f.data, i), f.reused+1
		}
	}
	return f, nil
}

// A seedSearch is what it takes to look for a shard in seeds.
type seedSearch struct {
	seeds  []io.ReaderAt
	hasher *proto.Hasher
	leaf   proto.Digest
	buffer []byte // of a shard
}

// reuse copies a data shard from the first seed that has it at its offset.
func (o *object) reuse(g uint32, shard int, s seedSearch) (bool, error) {
	n, offset := o.geo.ShardLen(g, shard), int64(o.geo.Offset(g, shard))
	for _, seed := range s.seeds {
		clear(s.buffer[n:])
		if got, _ := seed.ReadAt(s.buffer[:n], offset); got < n || s.hasher.Leaf(s.buffer) != s.leaf {
			continue
		}
		_, err := o.places.store.WriteAt(s.buffer[:n], offset)
		return err == nil, storeError("write", err)
	}
	return false, nil
}

// adoptRecord looks for the data shards whose leaves a new record tells, in
// their places and in seeds. It is done at once, a record at a time: the packets
// of these shards are just about to arrive.
func (r *Receiver) adoptRecord(g uint32, record int) {
	o := r.object
	grp := o.index.group(g)
	c := o.leaves.tree.Leaves
	o.spare = make([]byte, o.geo.ShardSize)
	for i := record * c; i < min((record+1)*c, o.geo.RealShards(g)) && grp.state == receiving; i++ {
		if o.index.has(g, i) || grp.taken(i) {
			continue
		}
		leaf, _, err := o.leaves.leaf(&o.places, g, i)
		if err == nil && o.places.store.Found() > 0 {
			err = o.places.read(g, i, o.spare)
		}
		counter := &o.adopted.resumed
		ok := err == nil && o.places.store.Found() > 0 && o.leaves.hasher.Leaf(o.spare) == leaf
		if !ok && err == nil {
			counter = &o.adopted.reused
			ok, err = o.reuse(g, i, seedSearch{r.cfg.Seeds, o.leaves.hasher, leaf, o.spare})
		}
		if err != nil {
			r.fail(err)
			return
		}
		if ok {
			*counter++
			o.index.add(g, i, verified)
			r.gained(g)
		}
	}
}
