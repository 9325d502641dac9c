// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import "math/bits"

// A dyadic says which rows one layer sends (spec.md 10). The rows are cut into
// blocks of 2^(layers-1), and a cycle has as many passes over all blocks. In a
// pass a layer sends its share of every block, one turn a row:
//
//	4 layers     layer of each row of a block
//	pass 0       0 1 2 2 3 3 3 3
//	pass 1       3 3 3 3 0 1 2 2
//	pass 2       2 2 0 1 3 3 3 3
//	pass 3       3 3 3 3 2 2 0 1
//	pass 4       1 0 2 2 3 3 3 3     ... and so on
//
// A single layer has blocks of one row, one pass and hence the order of
// spec.md 6.1. The zero value is that layer.
type dyadic struct{ layers, layer int }

// depth is the binary logarithm of the number of rows in a block, which is also
// the number of passes in a cycle.
func (d dyadic) depth() int { return max(0, d.layers-1) }

// block returns the number of rows of a block.
func (d dyadic) block() uint64 { return 1 << d.depth() }

// blocks returns how many blocks there are of so many rows.
func (d dyadic) blocks(rows uint64) uint64 { return (rows + d.block() - 1) / d.block() }

// share returns how many rows of every block the layer sends in a pass. Its rate
// is share times the rate of layer 0.
func (d dyadic) share() uint64 { return 1 << max(0, d.layer-1) }

// turns returns the number of turns in a cycle.
func (d dyadic) turns(rows uint64) uint64 { return d.blocks(rows) * d.block() * d.share() }

// first returns the place in a block of the first row of the share in a pass.
// On layer 0 it is the number of the pass with its bits in reverse order. On
// another layer, take the aligned 2^layer rows that contain this row: the share
// is the half of them that does not contain it.
func (d dyadic) first(pass uint64) uint64 {
	base := bits.Reverse64(pass) >> (64 - d.depth())
	if d.layer == 0 {
		return base
	}
	half := d.share()
	return base&^(half-1) ^ half
}

// A turn is a row of a block in a pass.
type turn struct {
	pass, block uint64
	nth         uint64 // number of the row in the share, from 0
}

// turn returns turn n of the cycle through so many rows.
func (d dyadic) turn(n, rows uint64) turn {
	share, blocks := d.share(), d.blocks(rows)
	return turn{pass: n / share / blocks, block: n / share % blocks, nth: n % share}
}

// row returns the row of a turn. Where the last block is padded, the row may not
// exist, and then neither do the rows of the later turns in this block.
func (d dyadic) row(t turn) uint64 {
	return t.block*d.block() + d.first(t.pass) + t.nth
}

// recordBefore returns record n of the records that each group sends just
// before its shard in turn t; n counts from 0. Records are cut into blocks and
// dealt out like rows. The blocks of records, which are never more than the
// blocks of rows, are spread over a pass: each is sent with the first turn of a
// block of rows.
func (d dyadic) recordBefore(t turn, n int, of recordsAmongRows) (index int, ok bool) {
	blocks, among := d.blocks(uint64(of.records)), d.blocks(of.rows)
	m := (t.block*blocks + among - 1) / among // the first block of records that is not sent before this block of rows
	if t.nth > 0 || uint64(n) >= d.share() || m >= blocks || m*among/blocks != t.block {
		return 0, false
	}
	index = int(m*d.block()+d.first(t.pass)) + n
	return index, index < of.records
}

// recordsAmongRows are the numbers of records and rows of a group.
type recordsAmongRows struct {
	records int
	rows    uint64
}
