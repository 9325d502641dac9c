// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import "iotupd/proto"

// queueCheck queues a job that compares the provisional shards of a group with
// their leaves, if any such leaf is known. While a decoder works on the group it
// does nothing: the comparison follows the decoding.
func (o *object) queueCheck(g uint32) {
	grp := &o.index.groups[g]
	if o.leaves == nil || grp.provisional == 0 || grp.state == decoding || o.leaves.counts[g].leaf == 0 {
		return
	}
	switch grp.check {
	case unchecked:
		grp.apply(checkWanted)
		o.work.addTask(checkGroup, g)
	case checking:
		grp.apply(leavesCame)
	}
}

// A pendingCheck is a provisional shard, its place, and its leaf.
type pendingCheck struct {
	shard, place int
	leaf         knownLeaf
	genuine      bool
}

// A checkWork compares the provisional shards of a group with their leaves.
type checkWork struct {
	*object
	group   uint32
	pending []pendingCheck
	records recordReader
	tail    []byte // parity in the last place of the file
}

func newCheckWork(o *object, g uint32) *checkWork {
	o.index.groups[g].apply(checkStarted)
	w := &checkWork{object: o, group: g, tail: o.places.tail}
	w.records = recordReader{leaves: o.leaves, store: o.places.queue.store}
	w.list()
	return w
}

// list finds the provisional shards whose leaves are known.
func (w *checkWork) list() {
	add := func(shard, place int) {
		if w.index.isVerified(w.group, shard) {
			return
		}
		if leaf, known := w.leaves.leaf(w.group, shard); known {
			w.pending = append(w.pending, pendingCheck{shard: shard, place: place, leaf: leaf})
		}
	}
	for i := range w.geo.RealShards(w.group) {
		if w.index.hasShard(w.group, i) {
			add(i, i)
		}
	}
	for _, p := range w.index.groups[w.group].parked {
		add(int(p.index), int(p.place))
	}
}

// run reads the shards back and finds out which are genuine.
func (w *checkWork) run() error {
	h, b := proto.NewHasher(), make([]byte, w.geo.ShardSize)
	for i := range w.pending {
		c := &w.pending[i]
		if w.aborted.Load() {
			return errAborted
		}
		if err := w.records.complete(&c.leaf); err != nil {
			return err
		}
		if c.shard >= w.geo.K && w.places.inTail(w.group, c.place) {
			copy(b, w.tail)
		} else if err := w.places.read(w.places.queue.store, w.group, c.place, b); err != nil {
			return err
		}
		c.genuine = h.Leaf(b) == c.leaf.Digest
	}
	return nil
}

func (w *checkWork) finish() error {
	grp := &w.index.groups[w.group]
	again := grp.check == checkAgain
	grp.apply(checkDone)
	w.records.done()
	w.apply()
	if again {
		w.queueCheck(w.group)
	}
	w.relist(w.group)
	return nil
}

// apply acts on the shards that were compared. A shard that has changed since is
// left alone; it may be queued again.
func (w *checkWork) apply() {
	g := w.group
	grp := &w.index.groups[g]
	var forged []pendingCheck
	for _, c := range w.pending {
		switch {
		case !w.index.hasShard(g, c.shard) || w.index.isVerified(g, c.shard):
		case c.shard >= w.geo.K && !grp.parkedAt(c.place, c.shard):
			w.queueCheck(g)
		case c.genuine:
			w.index.confirm(g, c.shard)
		default:
			forged = append(forged, c)
		}
	}
	if len(forged) == 0 {
		return
	}
	if grp.state == complete {
		w.dropUnverified(g)
	} else {
		w.index.drop(g, forged)
		w.hash.restart()
		w.collected = false
	}
	w.foundForged(g, len(forged))
}

// foundForged reports forged shards that had been stored.
func (o *object) foundForged(g uint32, shards int) {
	o.forged += uint64(shards)
	o.observe(Forged{Group: g, Shards: shards})
}

// dropUnverified drops all provisional shards of a group that was, or would have
// been, decoded from forged shards. From now on the group takes only verified
// shards.
func (o *object) dropUnverified(g uint32) {
	if o.index.groups[g].state == complete {
		o.invalidate(g)
	} else {
		o.index.dropProvisional(g, decodeForged)
	}
	o.hash.restart()
	o.collected = false
	o.wantRecords(g)
}
