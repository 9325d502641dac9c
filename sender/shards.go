// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import (
	"io"

	"iotupd/proto"
)

const (
	// readAhead is what is read at once of rows that are shorter.
	readAhead = 64 << 10
	// tileBytes bounds the parity that is read back at once. It is read in the
	// sender's own time: larger tiles would delay packets.
	tileBytes = 4 << 20
)

// fileShards are the shards of a file and their parity.
type fileShards struct {
	geo    proto.Geometry
	src    io.ReaderAt
	run    run // of the file
	parity parityStore
}

func (f *fileShards) view() Shards {
	v := &fileShards{geo: f.geo, src: f.src, parity: f.parity}
	v.parity.tile, v.parity.tileRows = nil, 0
	return v
}

// AppendShard implements [Shards].
func (f *fileShards) AppendShard(b []byte, group uint32, index int) ([]byte, error) {
	if index >= f.geo.K {
		shard, err := f.parity.shard(group, index-f.geo.K)
		if err != nil {
			return b, err
		}
		return append(b, shard...), nil
	}
	offset, n := f.geo.Offset(group, index), f.geo.ShardLen(group, index)
	from, ahead := f.ahead(group, index)
	shard, err := f.run.at(f.src, int64(offset), n, int64(from), ahead)
	if err != nil {
		return b, err
	}
	b = append(b, shard...)
	return append(b, make([]byte, f.geo.ShardSize-n)...), nil
}

// ahead returns where to read when the carousel asks for a shard, and how much,
// so that what it will ask for next is there: this row and the next ones, from
// the start on since the carousel begins anywhere in a row, or else the rest of
// a long row in this segment.
func (f *fileShards) ahead(group uint32, index int) (from uint64, n int) {
	s := f.geo.SegmentOf(group)
	first := f.geo.Offset(uint32(s.First), index)
	row := s.Groups * uint64(f.geo.ShardSize)
	if row <= readAhead {
		return first, int(min(readAhead, f.geo.Size-first))
	}
	from = f.geo.Offset(group, index)
	return from, int(min(first+row, f.geo.Size) - from)
}

// A parityStore keeps the parity of all groups, group after group. Of a scratch
// a tile, the next few rows of all groups, is in memory.
type parityStore struct {
	place
	geo proto.Geometry

	tile     []byte
	tileRow  int
	tileRows int // 0: nothing read yet
}

// position returns where a parity row of a group starts.
func (p *parityStore) position(group uint32, row int) int64 {
	return (int64(group)*int64(p.geo.M) + int64(row)) * int64(p.geo.ShardSize)
}

// put takes the parity of one group. Puts of different groups may be concurrent.
func (p *parityStore) put(group uint32, parity []byte) error {
	return p.write(parity, p.position(group, 0))
}

// shard returns a parity shard, which is valid until the next call.
func (p *parityStore) shard(group uint32, row int) ([]byte, error) {
	s := p.geo.ShardSize
	switch {
	case p.memory != nil:
		return p.memory[p.position(group, row):][:s], nil
	case p.geo.Groups > tileBytes/uint64(s): // not even one row fits
		if p.tile == nil {
			p.tile = make([]byte, s)
		}
		return p.tile, p.read(p.tile, p.position(group, row))
	}
	if row < p.tileRow || row >= p.tileRow+p.tileRows {
		if err := p.readTile(row); err != nil {
			return nil, err
		}
	}
	at := (int(group)*p.tileRows + row - p.tileRow) * s
	return p.tile[at:][:s], nil
}

// readTile reads as many rows from row on, of all groups, as fit into a tile:
// a few long reads instead of one for every shard.
func (p *parityStore) readTile(row int) error {
	rowBytes := int(p.geo.Groups) * p.geo.ShardSize
	rows := min(tileBytes/rowBytes, p.geo.M-row)
	if cap(p.tile) < rows*rowBytes {
		p.tile = make([]byte, rows*rowBytes)
	}
	p.tileRow, p.tileRows = row, 0
	n := rows * p.geo.ShardSize
	for g := range int(p.geo.Groups) {
		if err := p.read(p.tile[g*n:][:n], p.position(uint32(g), row)); err != nil {
			return err
		}
	}
	p.tileRows = rows
	return nil
}
