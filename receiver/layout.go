// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"math"

	"iotupd/proto"
)

// parityRegionFrom is the size of a file in bytes from which on a store has a parity
// region. A smaller file is decoded before the system writes much of it to the medium,
// so that parity in place of missing data costs nothing there.
const parityRegionFrom = 32 << 20

// A layout says where in the store the bytes of an object lie:
//
//	file | hash records | parity | trailer
//
// The regions begin at multiples of [blockSize]. Without hash records there is the
// file alone, and a small file has no parity region.
type layout struct {
	geo        proto.Geometry
	records    int64 // offset of the hash records
	parity     int64 // offset of the parity region
	parityRows int   // of the parity region: each has room for a shard of every group
}

// newLayout returns the layout of an object whose hash records take a number of
// bytes, 0 if there are none.
func newLayout(geo proto.Geometry, records int64) layout {
	l := layout{geo: geo, records: alignUp(int64(geo.Size))}
	l.parity = l.records + records
	return l
}

func alignUp(offset int64) int64 { return (offset + blockSize - 1) / blockSize * blockSize }

// withParity returns the layout with a parity region, if the file is large enough for
// one. It has room for what a quarter of the file lacks.
func (l layout) withParity() layout {
	if l.geo.Size >= parityRegionFrom {
		l.parity = alignUp(l.parity)
		l.parityRows = min(l.geo.M, l.geo.K/4, math.MaxUint16-l.geo.K)
	}
	return l
}

// size returns the size of the store.
func (l layout) size() int64 { return l.trailer() + trailerLen }

// trailer returns the offset of the trailer.
func (l layout) trailer() int64 {
	return l.parity + int64(l.parityRows)*int64(l.geo.Groups)*int64(l.geo.ShardSize)
}

// extent returns where a place is in the store, and its length.
func (l layout) extent(g uint32, place int) (offset int64, n int) {
	if place < l.geo.K {
		at, n := l.geo.Extent(g, place)
		return int64(at), n
	}
	shard := int64(place-l.geo.K)*int64(l.geo.Groups) + int64(g)
	return l.parity + shard*int64(l.geo.ShardSize), l.geo.ShardSize
}

// inTail reports whether parity that is parked in a place is not in the store, since
// the place is too short.
func (l layout) inTail(g uint32, place int) bool {
	return place < l.geo.K && l.geo.ShardLen(g, place) < l.geo.ShardSize
}

// A rowTable says which row of the parity region has which parity shards: those of
// one index, of all groups. Rows are given out in the order in which indices are
// met, so that they are written from the beginning to the end. The zero value has
// given out none.
type rowTable struct {
	of    []uint16 // row by index-K, plus one
	index []uint16 // by row, zero: not given out
}

// place returns the place for parity shard index in its group, and whether there is
// one in the region.
func (r *rowTable) place(l *layout, index int) (place int, ok bool) {
	if l.parityRows == 0 {
		return 0, false
	}
	if r.of == nil {
		r.of = make([]uint16, l.geo.M)
	}
	of := &r.of[index-l.geo.K]
	if *of == 0 {
		if len(r.index) == l.parityRows {
			return 0, false
		}
		r.index = append(r.index, uint16(index))
		*of = uint16(len(r.index))
	}
	return l.geo.K + int(*of) - 1, true
}

// found reports whether parity shard index may stay in a place, where an earlier run
// has left it, and gives it the row if nobody has that.
func (r *rowTable) found(l *layout, place, index int) bool {
	row := place - l.geo.K
	if r.of == nil {
		r.of = make([]uint16, l.geo.M)
	}
	for len(r.index) <= row {
		r.index = append(r.index, 0)
	}
	of := &r.of[index-l.geo.K]
	if *of == 0 && r.index[row] == 0 {
		*of, r.index[row] = uint16(row+1), uint16(index)
	}
	return int(*of) == row+1
}
