// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import (
	"cmp"
	"errors"
	"io"

	"iotupd/proto"
)

const (
	// readAhead is how much is read at once where rows are shorter than that.
	readAhead = 64 << 10
	// tileBytes bounds the parity that is read back at once. The sender waits
	// for such a read: larger tiles would delay packets.
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
	v.parity.tile, v.parity.tileRows, v.parity.good = nil, 0, nil
	v.parity.check = f.parity.check.verifier()
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
// so that the shards that it asks for next have been read too. Short rows are
// read whole, this one and the next ones, since the carousel may begin anywhere
// in a row. Of a long row, the rest of it in this segment is read.
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

// A parityStore keeps the parity of all groups, group after group. If it is in a
// scratch, a tile of it, the next few rows of all groups, is in memory.
type parityStore struct {
	place
	geo   proto.Geometry
	check verifier

	tile     []byte
	tileRow  int
	tileRows int    // 0: nothing read yet
	good     []bool // by place in the tile: the shard was verified
}

// position returns where a parity row of a group starts.
func (p *parityStore) position(group uint32, row int) int64 {
	return (int64(group)*int64(p.geo.M) + int64(row)) * int64(p.geo.ShardSize)
}

// put takes parity of one group, from number first on. Puts of different groups may be
// concurrent.
func (p *parityStore) put(group uint32, first int, parity []byte) error {
	return p.write(parity, p.position(group, first))
}

// shard returns a parity shard, which is valid until the next call. One that is
// damaged is repaired.
func (p *parityStore) shard(group uint32, row int) ([]byte, error) {
	if p.memory != nil {
		return p.memory[p.position(group, row):][:p.geo.ShardSize], nil
	}
	if ok, err := p.load(group, row); err != nil {
		return nil, err
	} else if !ok {
		if err := p.check.repair(group); err != nil {
			return nil, err
		}
		p.tileRows = 0
		if ok, err := p.load(group, row); err != nil || !ok {
			return nil, cmp.Or(err, errDamagedAgain)
		}
	}
	return p.inTile(group, row), nil
}

// errDamagedAgain: bytes that were just repaired are damaged when they are read.
var errDamagedAgain = errors.New("sender: data that are kept of the file were repaired, and are corrupted again")

// inTile returns a shard of the tile.
func (p *parityStore) inTile(group uint32, row int) []byte {
	return p.tile[p.placeInTile(group, row)*p.geo.ShardSize:][:p.geo.ShardSize]
}

// placeInTile returns the place of a shard in the tile, counted in shards.
func (p *parityStore) placeInTile(group uint32, row int) int {
	if p.alone() {
		return 0
	}
	return int(group)*p.tileRows + row - p.tileRow
}

// alone reports whether a row is too long for a tile. In that case the tile is
// a single shard.
func (p *parityStore) alone() bool { return p.geo.Groups > tileBytes/uint64(p.geo.ShardSize) }

// load reads a shard into the tile, unless it is there, and reports whether it
// matches its leaf. If shards are not verified, ok is true.
func (p *parityStore) load(group uint32, row int) (ok bool, err error) {
	switch {
	case p.alone():
		if p.tile == nil {
			p.tile, p.good = make([]byte, p.geo.ShardSize), make([]bool, 1)
		}
		p.good[0] = false
		if err := p.read(p.tile, p.position(group, row)); err != nil {
			return false, err
		}
	case row < p.tileRow || row >= p.tileRow+p.tileRows:
		if err := p.readTile(row); err != nil {
			return false, err
		}
	}
	at := p.placeInTile(group, row)
	if !p.check.on() || p.good[at] {
		return true, nil
	}
	return p.verify(group, row)
}

// verify compares a shard with its leaf, and usually also the shard that is sent
// next, since two cost hardly more than one.
func (p *parityStore) verify(group uint32, row int) (ok bool, err error) {
	leaf, ok, err := p.check.leaf(group, p.geo.K+row)
	if err != nil || !ok {
		return false, err
	}
	next := group + 1
	if p.alone() || uint64(next) == p.geo.Groups {
		ok = p.check.hasher.Leaf(p.inTile(group, row)) == leaf
		p.good[p.placeInTile(group, row)] = ok
		return ok, nil
	}
	got, gotNext := p.check.hasher.Leaves(p.inTile(group, row), p.inTile(next, row))
	p.good[p.placeInTile(group, row)] = got == leaf
	if leafNext, ok, err := p.check.leaf(next, p.geo.K+row); err == nil && ok {
		p.good[p.placeInTile(next, row)] = gotNext == leafNext // if not, it is repaired when it is its turn
	}
	return got == leaf, nil
}

// readTile reads as many rows from row on, of all groups, as fit into a tile:
// a few long reads instead of one for every shard.
func (p *parityStore) readTile(row int) error {
	rowBytes := int(p.geo.Groups) * p.geo.ShardSize
	rows := min(tileBytes/rowBytes, p.geo.M-row)
	if cap(p.tile) < rows*rowBytes {
		p.tile, p.good = make([]byte, rows*rowBytes), make([]bool, rows*int(p.geo.Groups))
	}
	clear(p.good)
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
