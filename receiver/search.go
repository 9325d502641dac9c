// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"io"

	"iotupd/proto"
)

// A finder compares bytes on disk with leaves.
type finder struct {
	store  Store
	geo    proto.Geometry
	seeds  []io.ReaderAt
	hasher *proto.Hasher
	buffer []byte // of a shard
}

func newFinder(store Store, geo proto.Geometry, seeds []io.ReaderAt) finder {
	return finder{store: store, geo: geo, seeds: seeds, hasher: proto.NewHasher(), buffer: make([]byte, geo.ShardSize)}
}

// leafAt returns the leaf of the shard that lies in a place.
func (f *finder) leafAt(g uint32, place int) (proto.Digest, error) {
	p := places{store: f.store, geo: f.geo}
	if err := p.read(g, place, f.buffer); err != nil {
		return proto.Digest{}, err
	}
	return f.hasher.Leaf(f.buffer), nil
}

// inSeeds fills the buffer with a data shard, if one of the seeds has it at its
// offset. What cannot be read of a seed is not there.
func (f *finder) inSeeds(g uint32, shard int, leaf proto.Digest) bool {
	n, offset := f.geo.ShardLen(g, shard), int64(f.geo.Offset(g, shard))
	for _, seed := range f.seeds {
		clear(f.buffer[n:])
		if got, _ := seed.ReadAt(f.buffer[:n], offset); got == n && f.hasher.Leaf(f.buffer) == leaf {
			return true
		}
	}
	return false
}

// reuse copies a data shard from a seed that has it.
func (f *finder) reuse(g uint32, shard int, leaf proto.Digest) (bool, error) {
	if !f.inSeeds(g, shard, leaf) {
		return false, nil
	}
	n, offset := f.geo.ShardLen(g, shard), int64(f.geo.Offset(g, shard))
	_, err := f.store.WriteAt(f.buffer[:n], offset)
	return err == nil, storeError("write", err)
}

// A search looks for the shards of a group in their places, and then in seeds.
// It runs beside the receiver, which leaves the group alone meanwhile.
type search struct {
	finder
	leaves  *leaves // of which only what never changes is used
	group   uint32
	known   []bool // records of leaves
	free    []int  // places to look at
	aborted func() bool
}

// A find is what was found of one group.
type find struct {
	data   []int // shards in their places
	reused int   // of these, the last so many came from seeds
	parity []parkedShard
}

func (s *search) run() (f find, err error) {
	all, err := s.leaves.readAll(s.store, s.group, s.known)
	if err != nil {
		return f, err
	}
	parity := s.parity(all)
	var other []int // data shards that are not in their places
	for _, i := range s.free {
		if s.aborted() {
			return f, errAborted
		}
		sum, err := s.leafAt(s.group, i)
		if err != nil {
			return f, err
		}
		shard, parked := parity[sum]
		switch {
		case s.knows(i) && sum == all[i]:
			f.data = append(f.data, i)
		case parked && s.geo.ShardLen(s.group, i) == s.geo.ShardSize:
			f.parity = append(f.parity, parkedShard{place: uint16(i), index: uint16(shard)})
			delete(parity, sum) // an old copy may lie elsewhere
		case s.knows(i):
			other = append(other, i)
		}
	}
	for _, i := range other {
		ok, err := s.reuse(s.group, i, all[i])
		if err != nil {
			return f, err
		}
		if ok {
			f.data, f.reused = append(f.data, i), f.reused+1
		}
	}
	return f, nil
}

// knows reports whether the leaf of a shard is known.
func (s *search) knows(shard int) bool { return s.known[shard/s.leaves.tree.Leaves] }

// parity returns the parity shards by their leaves: one may be parked in the
// place of any missing data shard.
func (s *search) parity(all []proto.Digest) map[proto.Digest]int {
	shards := make(map[proto.Digest]int)
	for i := s.geo.K; i < s.geo.K+s.geo.M; i++ {
		if s.knows(i) {
			shards[all[i]] = i
		}
	}
	return shards
}
