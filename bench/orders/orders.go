// SPDX-License-Identifier: GPL-2.0-or-later

// Package orders holds sequences in which a carousel may visit the shards of its
// groups. One is that of spec.md 6.1, and the only one that travels. The others
// exist to be compared with it.
package orders

import (
	"fmt"
	"math/rand/v2"

	"iotupd/proto"
	"iotupd/sender"
)

// An Order names a sequence. The zero value is [RotatedRows]. Orders that are
// equal are the same.
type Order struct {
	kind kind
	n    uint64
}

type kind uint8

const (
	rotatedRows kind = iota
	plainRows
	groupByGroup
	dataThenParity
	windows
	permuted
	repeated
)

// RotatedRows is row after row of all groups, data rows first, each row
// starting at a group of its own (spec.md 6.1).
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

// Sender returns what a sender takes: nil for RotatedRows, which it has itself.
func (o Order) Sender() sender.Order {
	if o.kind == rotatedRows {
		return nil
	}
	return func(object proto.ObjectID, g proto.Geometry) sender.Walk {
		s := shards{groups: g.Groups, rows: uint64(g.K) + uint64(g.M), k: uint64(g.K)}
		switch o.kind {
		case plainRows:
			return window{s, g.Groups}
		case groupByGroup:
			return window{s, 1}
		case dataThenParity:
			return dataFirst{s}
		case windows:
			return window{s, o.n}
		case permuted:
			return &permutation{shards: s, seed: sender.Rotation(object, 0)}
		default:
			return &repetition{walk: sender.Rows(object, g), n: o.n}
		}
	}
}

// shards are all that a loop visits.
type shards struct{ groups, rows, k uint64 }

// Len implements [sender.Walk].
func (s shards) Len() uint64 { return s.groups * s.rows }

// A window is row after row of n groups, then of the next n.
type window struct {
	shards
	n uint64
}

// At implements [sender.Walk].
func (w window) At(pos, _ uint64) (group uint32, row int) {
	first := pos / (w.n * w.rows) * w.n
	width := min(w.n, w.groups-first)
	pos -= first * w.rows
	return uint32(first + pos%width), int(pos / width)
}

// A dataFirst is the data of group after group, then rows of parity.
type dataFirst struct{ shards }

// At implements [sender.Walk].
func (d dataFirst) At(pos, _ uint64) (group uint32, row int) {
	data := d.groups * d.k
	if pos < data {
		return uint32(pos / d.k), int(pos % d.k)
	}
	return uint32((pos - data) % d.groups), int(d.k + (pos-data)/d.groups)
}

// A permutation is another one in every loop.
type permutation struct {
	shards
	seed uint64
	perm []uint64 // of lap; nil: none yet
	lap  uint64
}

// At implements [sender.Walk].
func (p *permutation) At(pos, lap uint64) (group uint32, row int) {
	if p.perm == nil || p.lap != lap {
		rng := rand.New(rand.NewPCG(p.seed, lap))
		p.perm, p.lap = make([]uint64, p.Len()), lap
		for i := range p.perm {
			p.perm[i] = uint64(i)
		}
		rng.Shuffle(len(p.perm), func(i, j int) { p.perm[i], p.perm[j] = p.perm[j], p.perm[i] })
	}
	at := p.perm[pos]
	return uint32(at % p.groups), int(at / p.groups)
}

// A repetition visits each shard of a walk n times in succession.
type repetition struct {
	walk sender.Walk
	n    uint64
}

// Len implements [sender.Walk].
func (r *repetition) Len() uint64 { return r.n * r.walk.Len() }

// At implements [sender.Walk].
func (r *repetition) At(pos, lap uint64) (group uint32, row int) { return r.walk.At(pos/r.n, lap) }
