// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import (
	"fmt"
	"math/rand/v2"

	"iotupd/proto"
)

// An Order names a sequence in which a carousel visits the shards of its
// groups. The zero value is the one of spec.md 6.1, and the only one that
// should travel; the others exist to be compared with it.
type Order struct {
	kind orderKind
	n    uint64
}

type orderKind uint8

const (
	rotatedRows orderKind = iota
	plainRows
	groupByGroup
	dataThenParity
	windows
	permuted
	repeated
)

// RotatedRows is row after row of all groups, data rows first, each row
// starting at a group of its own.
func RotatedRows() Order { return Order{} }

// PlainRows is RotatedRows with every row starting at group 0.
func PlainRows() Order { return Order{kind: plainRows} }

// GroupByGroup is all shards of a group, data first, before the next group.
func GroupByGroup() Order { return Order{kind: groupByGroup} }

// DataThenParity is the data of group after group, then the parity rows.
func DataThenParity() Order { return Order{kind: dataThenParity} }

// Windows is PlainRows over n groups, then over the next n, at least 1.
func Windows(n int) Order { return Order{windows, uint64(max(1, n))} }

// Permuted is another random permutation of all shards in every loop.
func Permuted() Order { return Order{kind: permuted} }

// Repeated is RotatedRows with every shard sent n times in succession, at
// least once.
func Repeated(n int) Order { return Order{repeated, uint64(max(1, n))} }

// String returns the name that bench shows.
func (o Order) String() string {
	switch o.kind {
	case plainRows:
		return "plain rows"
	case groupByGroup:
		return "group by group"
	case dataThenParity:
		return "data, then parity"
	case windows:
		return fmt.Sprintf("windows of %d", o.n)
	case permuted:
		return "permuted"
	case repeated:
		return fmt.Sprintf("repeated %d times", o.n)
	}
	return "rotated rows"
}

// other returns the group and row of position pos in the orders that are not
// rows over all groups.
func (o *order) other(pos uint64) (group uint32, row int) {
	var g, r uint64
	switch o.kind {
	case groupByGroup:
		g, r = pos/o.rows, pos%o.rows
	case dataThenParity:
		if data := o.groups * o.k; pos < data {
			g, r = pos/o.k, pos%o.k
		} else {
			g, r = (pos-data)%o.groups, o.k+(pos-data)/o.groups
		}
	case windows:
		first := pos / (o.n * o.rows) * o.n
		width := min(o.n, o.groups-first)
		pos -= first * o.rows
		g, r = first+pos%width, pos/width
	case permuted:
		p := o.permutation()
		g, r = p[pos]%o.groups, p[pos]/o.groups
	}
	return uint32(g), int(r)
}

// permutation returns that of the current lap.
func (o *order) permutation() []uint64 {
	if o.perm == nil || o.permLap != o.lap {
		rng := rand.New(rand.NewPCG(rotation(o.object, 0), o.lap))
		o.perm, o.permLap = make([]uint64, o.rows*o.groups), o.lap
		for i := range o.perm {
			o.perm[i] = uint64(i)
		}
		rng.Shuffle(len(o.perm), func(i, j int) { o.perm[i], o.perm[j] = o.perm[j], o.perm[i] })
	}
	return o.perm
}

func newOrder(kind Order, object proto.ObjectID, g proto.Geometry) order {
	return order{Order: kind, object: object, groups: g.Groups, rows: uint64(g.K) + uint64(g.M), k: uint64(g.K)}
}
