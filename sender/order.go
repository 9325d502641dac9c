// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import (
	"crypto/sha256"
	"encoding/binary"

	"iotupd/proto"
)

// An order walks the K+M shards of every group, loop after loop, in the
// sequence that its Order names: row 0 of all groups, row 1 of all groups, and
// so on, data rows before parity rows, unless it is one for comparison
// (spec.md 6.1).
type order struct {
	Order
	dyadic dyadic // which turns a layer has; none but in the order of spec.md 6.1
	object proto.ObjectID
	groups uint64
	rows   uint64 // K+M
	k      uint64
	lap    uint64 // loops completed

	row    uint64 // that first belongs to
	first  uint64 // group that row starts at
	cached bool

	perm    []uint64 // of permLap
	permLap uint64
}

// loop returns the number of positions in a loop, virtual shards and rows that
// do not exist included. Of several layers it is a whole cycle.
func (o *order) loop() uint64 {
	n := o.dyadic.turns(o.rows) * o.groups
	if o.kind == repeated {
		n *= o.n
	}
	return n
}

// turn returns the turn of the layer that position pos is in.
func (o *order) turn(pos uint64) turn { return o.dyadic.turn(pos/o.groups, o.rows) }

// at returns the group and the row of position pos, 0 to loop()-1.
//
// Every row starts at a group of its own. Otherwise a loss that repeats with a
// period that has a factor in common with the number of groups would hit the
// same groups in every row, and its receiver would never finish.
func (o *order) at(pos uint64) (group uint32, row int) {
	switch o.kind {
	case rotatedRows, plainRows:
	case repeated:
		pos /= o.n
	default:
		return o.other(pos)
	}
	r, column := o.dyadic.row(o.turn(pos)), pos%o.groups
	if r != o.row || !o.cached {
		o.row, o.first, o.cached = r, 0, true
		if o.kind != plainRows {
			o.first = rotation(o.object, uint32(r)) % o.groups
		}
	}
	return uint32((o.first + column) % o.groups), int(r)
}

// rotation is hash(object, row) of spec.md 6.1. Senders of the same object must
// agree on it, or coordinated senders would send each other's shards.
func rotation(object proto.ObjectID, row uint32) uint64 {
	var b [64]byte
	msg := append(b[:0], "iotupd row v1\x00"...)
	msg = append(msg, object[:]...)
	msg = binary.BigEndian.AppendUint32(msg, row)
	sum := sha256.Sum256(msg)
	return binary.BigEndian.Uint64(sum[:8])
}
