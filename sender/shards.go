// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import (
	"fmt"
	"io"

	"iotupd/proto"
)

const (
	// readAhead is what is read at once of a file whose shards all follow each
	// other.
	readAhead = 64 << 10
	// tileBytes bounds the parity that is read back at once. It is read in the
	// sender's own time: larger tiles would delay packets.
	tileBytes = 4 << 20
)

// fileShards are the shards of a file and their parity.
type fileShards struct {
	geo    proto.Geometry
	src    io.ReaderAt
	parity parityStore

	run       []byte // the last run of the file that was read
	runOffset uint64
}

// AppendShard implements [Shards].
func (f *fileShards) AppendShard(b []byte, group uint32, index int) ([]byte, error) {
	if index >= f.geo.K {
		return f.parity.appendShard(b, group, index-f.geo.K)
	}
	offset, n := f.geo.Offset(group, index), f.geo.ShardLen(group, index)
	if offset < f.runOffset || offset+uint64(n) > f.runOffset+uint64(len(f.run)) {
		if err := f.readRun(group, offset); err != nil {
			return b, err
		}
	}
	b = append(b, f.run[offset-f.runOffset:][:n]...)
	return append(b, make([]byte, f.geo.ShardSize-n)...), nil
}

// readRun reads what the carousel will ask for next: the rest of the row in
// this segment, or just the next bytes where a row is a single shard.
func (f *fileShards) readRun(group uint32, offset uint64) error {
	s := f.geo.SegmentOf(group)
	n := (s.First + s.Groups - uint64(group)) * uint64(f.geo.ShardSize)
	if s.Groups == 1 {
		n = readAhead
	}
	n = min(n, f.geo.Size-offset)
	if uint64(cap(f.run)) < n {
		f.run = make([]byte, n)
	}
	f.run, f.runOffset = f.run[:n], offset
	if err := readFull(f.src, f.run, int64(offset)); err != nil {
		f.run = f.run[:0]
		return err
	}
	return nil
}

// A parityStore keeps the parity of all groups, group after group: in memory,
// or in a scratch of which a tile, the next few rows of all groups, is in
// memory. Puts of different groups may be concurrent.
type parityStore struct {
	geo     proto.Geometry
	memory  []byte
	scratch Scratch

	tile     []byte
	tileRow  int
	tileRows int // 0: nothing read yet
}

func newParityStore(geo proto.Geometry, cfg PrepareConfig) (parityStore, error) {
	p := parityStore{geo: geo}
	size := ParityBytes(geo)
	switch {
	case size <= uint64(cfg.Memory):
		p.memory = make([]byte, size)
		return p, nil
	case cfg.Scratch == nil || size > 1<<62:
		return p, fmt.Errorf("sender: %d bytes of parity are over the limit of %d", size, cfg.Memory)
	}
	var err error
	p.scratch, err = cfg.Scratch(int64(size))
	return p, err
}

// position returns where a parity row of a group starts.
func (p *parityStore) position(group uint32, row int) int64 {
	return (int64(group)*int64(p.geo.M) + int64(row)) * int64(p.geo.ShardSize)
}

func (p *parityStore) put(group uint32, parity []byte) error {
	at := p.position(group, 0)
	if p.scratch == nil {
		copy(p.memory[at:], parity)
		return nil
	}
	if _, err := p.scratch.WriteAt(parity, at); err != nil {
		return fmt.Errorf("write parity to the temporary file: %w", err)
	}
	return nil
}

func (p *parityStore) appendShard(b []byte, group uint32, row int) ([]byte, error) {
	s := p.geo.ShardSize
	switch {
	case p.scratch == nil:
		return append(b, p.memory[p.position(group, row):][:s]...), nil
	case p.geo.Groups > tileBytes/uint64(s): // not even one row fits
		out := append(b, make([]byte, s)...)
		if err := readFull(p.scratch, out[len(b):], p.position(group, row)); err != nil {
			return b, err
		}
		return out, nil
	}
	if row < p.tileRow || row >= p.tileRow+p.tileRows {
		if err := p.readTile(row); err != nil {
			return b, err
		}
	}
	at := (int(group)*p.tileRows + row - p.tileRow) * s
	return append(b, p.tile[at:][:s]...), nil
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
		if err := readFull(p.scratch, p.tile[g*n:][:n], p.position(uint32(g), row)); err != nil {
			return err
		}
	}
	p.tileRows = rows
	return nil
}
