// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"sync/atomic"

	"iotupd/proto"
)

// A decodeTask is one group at the moment when it was full. Nothing changes in
// the group until the task is finished, so it needs no lock.
type decodeTask struct {
	group uint32
	geo   proto.Geometry
	stop  *atomic.Bool // set: nobody waits for this any more
	store Store
	tail  []byte
	held  []int       // shards at hand, virtual ones included
	place map[int]int // of a parked parity shard
}

func newDecodeTask(o *object, g uint32) *decodeTask {
	grp := &o.index.groups[g]
	t := &decodeTask{
		group: g, geo: o.geo, stop: &o.aborted, store: o.places.store, tail: o.places.tail,
		held:  make([]int, 0, o.geo.K),
		place: make(map[int]int, len(grp.parked)),
	}
	real := o.geo.RealShards(g)
	for i := range o.geo.K {
		if i >= real || o.index.has(g, i) {
			t.held = append(t.held, i)
		}
	}
	for _, p := range grp.parked {
		t.held = append(t.held, int(p.index))
		t.place[int(p.index)] = int(p.place)
	}
	return t
}

// read fills b with the bytes of a shard at hand from column on.
func (t *decodeTask) read(shard, column int, b []byte) error {
	if t.stop.Load() {
		return errAborted
	}
	place, parked := shard, shard >= t.geo.K
	if parked {
		place = t.place[shard]
	}
	n := t.geo.ShardLen(t.group, place)
	if parked && n < t.geo.ShardSize {
		copy(b, t.tail[column:])
		return nil
	}
	stored := b[:min(max(n-column, 0), len(b))]
	clear(b[len(stored):])
	if len(stored) == 0 {
		return nil
	}
	_, err := t.store.ReadAt(stored, t.position(place, column))
	return storeError("read back", err)
}

// write stores the bytes b of a rebuilt data shard from column on.
func (t *decodeTask) write(shard, column int, b []byte) error {
	n := t.geo.ShardLen(t.group, shard)
	b = b[:min(max(n-column, 0), len(b))]
	if len(b) == 0 {
		return nil
	}
	_, err := t.store.WriteAt(b, t.position(shard, column))
	return storeError("write", err)
}

func (t *decodeTask) position(place, column int) int64 {
	return int64(t.geo.Offset(t.group, place)) + int64(column)
}
