// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"io"

	"iotupd/proto"
)

// A disk has files whose bytes are compared with leaves.
type disk struct {
	layout
	store  Store
	seeds  []io.ReaderAt
	hasher *proto.Hasher
	buffer []byte // of a shard
}

func newDisk(store Store, l layout, seeds []io.ReaderAt) disk {
	return disk{layout: l, store: store, seeds: seeds, hasher: proto.NewHasher(), buffer: make([]byte, l.geo.ShardSize)}
}

// leafAt returns the leaf of the shard that lies in a place.
func (d *disk) leafAt(g uint32, place int) (proto.Digest, error) {
	if err := d.read(d.store, g, place, d.buffer); err != nil {
		return proto.Digest{}, err
	}
	return d.hasher.Leaf(d.buffer), nil
}

// inSeeds fills the buffer with a data shard, if a seed has it at its offset.
// Parts of a seed that cannot be read count as missing.
func (d *disk) inSeeds(g uint32, shard int, leaf proto.Digest) bool {
	offset, n := d.geo.Extent(g, shard)
	for _, seed := range d.seeds {
		clear(d.buffer[n:])
		if got, _ := seed.ReadAt(d.buffer[:n], int64(offset)); got == n && d.hasher.Leaf(d.buffer) == leaf {
			return true
		}
	}
	return false
}

// reuse copies a data shard from a seed that has it.
func (d *disk) reuse(g uint32, shard int, leaf proto.Digest) (bool, error) {
	if !d.inSeeds(g, shard, leaf) {
		return false, nil
	}
	offset, n := d.geo.Extent(g, shard)
	_, err := d.store.WriteAt(d.buffer[:n], int64(offset))
	return err == nil, storeError("write", err)
}

// A scan looks for the shards of a group in their places, and then in seeds.
// It runs beside the receiver, which leaves the group alone meanwhile.
type scan struct {
	disk
	leaves  *leaves // run uses only fields that never change
	group   uint32
	known   []bool // records of leaves
	free    []int  // places to look at
	aborted func() bool
}

// A scanResult is what was found of one group.
type scanResult struct {
	data   []int // shards in their places
	reused int   // how many of data, the last ones, came from seeds
	parity []parkedShard
}

func (s *scan) run() (found scanResult, err error) {
	all, err := s.leaves.readAll(s.store, s.group, s.known)
	if err != nil {
		return found, err
	}
	parity := s.parity(all)
	var other []int // data shards that are not in their places
	for _, i := range s.free {
		if s.aborted() {
			return found, errAborted
		}
		sum, err := s.leafAt(s.group, i)
		if err != nil {
			return found, err
		}
		shard, parked := parity[sum]
		switch {
		case s.knows(i) && sum == all[i]:
			found.data = append(found.data, i)
		case parked && !s.inTail(s.group, i):
			found.parity = append(found.parity, parkedShard{place: uint16(i), index: uint16(shard)})
			delete(parity, sum) // an old copy may lie elsewhere
		case s.knows(i):
			other = append(other, i)
		}
	}
	for _, i := range other {
		ok, err := s.reuse(s.group, i, all[i])
		if err != nil {
			return found, err
		}
		if ok {
			found.data, found.reused = append(found.data, i), found.reused+1
		}
	}
	return found, nil
}

// knows reports whether the leaf of a shard is known.
func (s *scan) knows(shard int) bool { return s.known[shard/s.leaves.tree.Leaves] }

// parity returns the parity shards by their leaves: one may be parked in the
// place of any missing data shard.
func (s *scan) parity(all []proto.Digest) map[proto.Digest]int {
	shards := make(map[proto.Digest]int)
	for i := s.geo.K; i < s.geo.K+s.geo.M; i++ {
		if s.knows(i) {
			shards[all[i]] = i
		}
	}
	return shards
}
