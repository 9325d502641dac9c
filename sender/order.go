// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import (
	"crypto/sha256"
	"encoding/binary"

	"iotupd/proto"
)

// An Order returns the walk through the shards of an object. A carousel follows
// the order of spec.md 6.1, and no other should be sent over a network: receivers
// finish later with any other. Other orders are for comparison, and for a single
// layer.
type Order func(object proto.ObjectID, geo proto.Geometry) Walk

// A Walk says which shard each position of a loop has. Every loop must visit each
// of the K+M shards of every group, virtual ones included.
type Walk interface {
	// Len returns the number of positions in a loop.
	Len() uint64

	// At returns the group and the row of position pos, 0 to Len()-1, after lap
	// loops.
	At(pos, lap uint64) (group uint32, row int)
}

// Rows returns the walk of spec.md 6.1: row 0 of all groups, row 1 of all groups,
// and so on, data rows before parity rows. It is not safe for concurrent use.
func Rows(object proto.ObjectID, geo proto.Geometry) Walk {
	o := newOrder(nil, object, geo)
	return rows{&o}
}

// rows are the rows of a single layer, as a Walk.
type rows struct{ o *order }

func (r rows) Len() uint64                              { return r.o.loop() }
func (r rows) At(pos, _ uint64) (group uint32, row int) { return r.o.at(pos) }

// An order walks the K+M shards of every group, loop after loop: in rows
// (spec.md 6.1 and 10), or as another walk says.
type order struct {
	other  Walk   // nil: rows
	dyadic dyadic // which turns a layer has
	object proto.ObjectID
	groups uint64
	rows   uint64 // K+M
	lap    uint64 // loops completed

	row    uint64 // row whose first group is in first
	first  uint64 // group that row starts at
	cached bool
}

// newOrder returns the order of an object; the order of spec.md if o is nil.
func newOrder(o Order, object proto.ObjectID, g proto.Geometry) order {
	made := order{object: object, groups: g.Groups, rows: uint64(g.K) + uint64(g.M)}
	if o != nil {
		made.other = o(object, g)
	}
	return made
}

// loop returns the number of positions in a loop, virtual shards and rows that
// do not exist included. With several layers, a loop is a whole cycle.
func (o *order) loop() uint64 {
	if o.other != nil {
		return o.other.Len()
	}
	return o.dyadic.turns(o.rows) * o.groups
}

// turn returns the turn of the layer that position pos is in.
func (o *order) turn(pos uint64) turn { return o.dyadic.turn(pos/o.groups, o.rows) }

// at returns the group and the row of position pos, 0 to loop()-1.
//
// Every row starts at a group of its own. Otherwise a loss that repeats with a
// period that has a factor in common with the number of groups would hit the
// same groups in every row, and its receiver would never finish.
func (o *order) at(pos uint64) (group uint32, row int) {
	if o.other != nil {
		return o.other.At(pos, o.lap)
	}
	r, column := o.dyadic.row(o.turn(pos)), pos%o.groups
	if o.groups > 1 && (r != o.row || !o.cached) {
		o.row, o.first, o.cached = r, Rotation(o.object, uint32(r))%o.groups, true
	}
	return uint32((o.first + column) % o.groups), int(r)
}

// Rotation is the hash of spec.md 6.1 that says, modulo the number of groups, at
// which group a row starts. Senders of the same object must agree on it, or
// coordinated senders would send the same shards at the same time.
func Rotation(object proto.ObjectID, row uint32) uint64 {
	var b [64]byte
	msg := append(b[:0], "iotupd row v1\x00"...)
	msg = append(msg, object[:]...)
	msg = binary.BigEndian.AppendUint32(msg, row)
	sum := sha256.Sum256(msg)
	return binary.BigEndian.Uint64(sum[:8])
}
