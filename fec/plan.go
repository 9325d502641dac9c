// SPDX-License-Identifier: GPL-2.0-or-later

package fec

import (
	"runtime"

	"iotupd/proto"
)

// An encodePlan divides cores and memory: every team encodes batches of groups
// of its own, its members share the columns of each group.
type encodePlan struct {
	teams, members int
	batch          int // groups that are read together, 1 unless width is the shard size
	width          int // bytes of every shard that are encoded at the same time
	leaves         bool
	parityLeaves   bool // of parity alone
}

const (
	// readSize is how many bytes of a row are enough for one read: the shards of
	// adjacent groups are adjacent in the file. More is hardly faster and takes memory.
	readSize = 16 << 10
	// windowSize is how many bytes of rows are read and hashed together, and mostly
	// encoded, so that they stay in a cache. Members wait for each other between windows.
	windowSize = 64 << 10
)

func planEncode(g proto.Geometry, cfg EncodeConfig) encodePlan {
	memory, workers := cfg.Memory, cfg.Workers
	if memory <= 0 {
		memory = DefaultMemory
	}
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	s := g.ShardSize
	p := encodePlan{teams: 1, members: 1, batch: 1, width: s, leaves: cfg.Leaves != nil, parityLeaves: cfg.ParityLeaves}
	for p.teams = int(min(uint64(workers), g.Groups)); ; p.teams-- {
		p.members = max(1, min(workers/p.teams, s/minColumns))
		if p.teams == 1 || encodeMemory(g, p) <= memory {
			break
		}
	}
	if encodeMemory(g, p) > memory {
		return p.inStrips(g, memory)
	}
	most := int(min(g.Groups/uint64(p.teams), readSize/uint64(s)))
	for more := p; p.batch < most; p = more {
		if more.batch++; encodeMemory(g, more) > memory {
			break
		}
	}
	return p
}

// inStrips returns the plan of one team that encodes strips of shards, as wide as the
// memory allows. Parity that strips are put together to may take more memory than
// whole shards do, where one member needs no such place.
func (p encodePlan) inStrips(g proto.Geometry, memory int) encodePlan {
	whole := p
	whole.members = 1
	narrow := func(p encodePlan) encodePlan {
		p.width = widestStrip(g.ShardSize, columnUnit(g.Params), func(width int) bool {
			p.width = width
			return encodeMemory(g, p) <= memory
		})
		return p
	}
	if p = narrow(p); encodeMemory(g, p) > memory {
		p = narrow(whole)
	}
	if p.members == 1 && encodeMemory(g, whole) <= encodeMemory(g, p) {
		return whole
	}
	return p
}

// encodeMemory returns the bytes that encoding by p takes: the encoders of a batch
// and its leaves, the rows that are read, and parity that is put together, for every
// team.
func encodeMemory(g proto.Geometry, p encodePlan) int {
	n, width := p.encoders(columnUnit(g.Params))
	batch := p.batch * leavesMemory(g.Params, p)
	if g.M > 0 {
		batch += n * encodersMemory(g.Params, width, p.batch)
	}
	return p.teams * (batch + p.windowBytes(g) + p.parityBytes(g))
}

// encoders returns how many members of a team encode, and how many columns each
// of them gets at most.
func (p encodePlan) encoders(unit int) (n, width int) {
	n = min(p.members, p.width/unit)
	return n, widestPart(p.width, unit, n)
}

// windowBytes returns the bytes of the rows of a batch that are kept.
func (p encodePlan) windowBytes(g proto.Geometry) int {
	row := p.batch * p.width
	if keepsData(g.Params) {
		return row * g.K
	}
	return row * max(1, min(g.K, p.members*windowSize/row))
}

// parityBytes returns the bytes of the parity that is put together of parts of
// shards: of one group, or none.
func (p encodePlan) parityBytes(g proto.Geometry) int {
	if p.members == 1 && p.width == g.ShardSize {
		return 0
	}
	return g.M * g.ShardSize
}
