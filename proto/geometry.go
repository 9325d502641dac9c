// SPDX-License-Identifier: GPL-2.0-or-later

package proto

// segmentBytes bounds the data of a segment, so that encoding or decoding one
// works on a piece of the file that fits the page cache (spec.md 3.2).
const segmentBytes = 256 << 20

// A Geometry says which bytes of the file every shard holds (spec.md 3). It is
// a small value, immutable and comparable; make one with [Params.Geometry].
type Geometry struct {
	Params
	DataShards uint64 // Nd: shards of the file, the padded last one included
	Groups     uint64 // G, at most 2^32

	segmentGroups uint64 // W: groups of every segment but the last
}

// Geometry derives the geometry of p, or says why p is invalid.
func (p Params) Geometry() (Geometry, error) {
	if err := p.Validate(); err != nil {
		return Geometry{}, err
	}
	return Geometry{
		Params:        p,
		DataShards:    p.dataShards(),
		Groups:        p.groups(),
		segmentGroups: max(1, segmentBytes/(uint64(p.K)*uint64(p.ShardSize))),
	}, nil
}

// LoopPackets returns how many DATA and PARITY packets a loop has: one for each
// shard that is not virtual (spec.md 6.1), none for an empty file. DIGEST
// packets, [Tree.Total] in number, and MANIFEST packets are not included.
func (g Geometry) LoopPackets() (data, parity uint64) {
	if g.Size == 0 {
		return 0, 0
	}
	return g.DataShards, g.Groups * uint64(g.M)
}

// A Segment is a contiguous piece of the file, dealt out to Groups groups row
// by row: shard f of the segment is row f/Groups of group First + f%Groups.
type Segment struct {
	First  uint64 // number of its first group
	Groups uint64 // at least 1
}

// SegmentOf returns the segment that group belongs to.
func (g Geometry) SegmentOf(group uint32) Segment {
	first := uint64(group) / g.segmentGroups * g.segmentGroups
	return Segment{First: first, Groups: min(g.segmentGroups, g.Groups-first)}
}

// Shard returns the number, 0 to Nd-1, of the shard of the file that is data
// shard index of group. A number of Nd or more, or any number in an empty
// file, is a virtual shard: all zero, known to both sides, never sent.
func (g Geometry) Shard(group uint32, index int) uint64 {
	s := g.SegmentOf(group)
	return s.First*uint64(g.K) + uint64(index)*s.Groups + uint64(group) - s.First
}

// DataShard returns the group and the index of shard n of the file, n < Nd. It
// is the inverse of Shard.
func (g Geometry) DataShard(n uint64) (group uint32, index int) {
	inSegment := g.segmentGroups * uint64(g.K)
	s := g.SegmentOf(uint32(n / inSegment * g.segmentGroups))
	n -= s.First * uint64(g.K)
	return uint32(s.First + n%s.Groups), int(n / s.Groups)
}

// Virtual reports whether data shard index of group lies past the end of the
// file.
func (g Geometry) Virtual(group uint32, index int) bool {
	return g.Size == 0 || g.Shard(group, index) >= g.DataShards
}

// RealShards returns how many of the K data shards of group are not virtual.
// They are the shards 0 to RealShards-1.
func (g Geometry) RealShards(group uint32) int {
	if g.Size == 0 {
		return 0
	}
	s := g.SegmentOf(group)
	column := uint64(group) - s.First
	inSegment := min(g.DataShards-s.First*uint64(g.K), s.Groups*uint64(g.K))
	return int((inSegment - column + s.Groups - 1) / s.Groups)
}

// Offset returns the position in the file, in bytes, of data shard index of
// group: what the offset field of its packet says. It is meaningless for a
// virtual shard.
func (g Geometry) Offset(group uint32, index int) uint64 {
	return g.Shard(group, index) * uint64(g.ShardSize)
}

// Extent returns the position in the file of data shard index of group, and how
// many bytes of the file it holds: Offset and ShardLen at the price of one.
func (g Geometry) Extent(group uint32, index int) (offset uint64, length int) {
	n := g.Shard(group, index)
	if g.Size == 0 || n >= g.DataShards {
		return n * uint64(g.ShardSize), 0
	}
	offset = n * uint64(g.ShardSize)
	return offset, g.lenAt(offset)
}

// lenAt returns how many bytes of the file the shard at an offset holds.
func (g Geometry) lenAt(offset uint64) int { return int(min(uint64(g.ShardSize), g.Size-offset)) }

// ShardLen returns how many bytes of the file data shard index of group holds:
// the shard size, less in the last shard of the file, 0 in a virtual one.
func (g Geometry) ShardLen(group uint32, index int) int {
	_, n := g.Extent(group, index)
	return n
}
