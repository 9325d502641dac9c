// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import "iotupd/proto"

// An Index is the record that a receiver keeps of the shards of an object,
// without their bytes: a simulation needs no more to find out when a receiver is
// done.
type Index struct{ index *index }

// NewIndex returns the index of an object without any shard. The error is
// [ReasonTooLarge].
func NewIndex(geo proto.Geometry) (*Index, error) {
	if indexBytes(geo) > maxIndex {
		return nil, ReasonTooLarge
	}
	return &Index{newIndex(geo)}, nil
}

// Add records that a real shard of a group that exists has arrived. The error is
// what [Receiver.Handle] returns where the shard is of no use: [ReasonDuplicate] or
// [ReasonNotNeeded].
func (x *Index) Add(g uint32, shard int) error {
	grp := x.index.group(g)
	switch {
	case x.index.hasShard(g, shard):
		return ReasonDuplicate
	case grp.state != receiving:
		return ReasonNotNeeded
	}
	x.index.addShard(g, shard, provisional) // nothing is parked, so that the K-th completes the group
	return nil
}

// Complete reports whether K shards of every group are held.
func (x *Index) Complete() bool { return x.index.done() }
