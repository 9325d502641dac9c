// SPDX-License-Identifier: GPL-2.0-or-later

package fec

import (
	"fmt"

	"iotupd/proto"
)

// A Group is what [Decoder.Decode] needs to rebuild one group. Its functions
// work on the bytes from column to column+len(b) of shard index, 0 to K-1 data
// and K to K+M-1 parity, and must not keep b. All columns of one shard come in
// order, one call after another; calls for different shards come at the same
// time if the decoder has several workers. An error ends Decode and is wrapped
// by its own.
type Group struct {
	// Held lists the shards that may be used, in any order. Virtual shards
	// count as held. All data shards are used, and as many of the parity
	// shards as it takes, the first in the list.
	Held []int

	// Read fills b with bytes of a held shard.
	Read func(index, column int, b []byte) error

	// Check, if not nil, gets all bytes of all rebuilt shards before the first
	// of them is written: an error leaves everything as it was. Where the
	// memory budget does not hold the whole group, it is decoded twice for it.
	Check func(index, column int, b []byte) error

	// Write takes bytes of a rebuilt data shard. These columns of all shards
	// that are used have been read, so it may overwrite a parity shard that is
	// kept at the place of the shard it writes.
	Write func(index, column int, b []byte) error
}

// A DecoderConfig limits a [Decoder]. The zero value is usable.
type DecoderConfig struct {
	// Memory is the budget in bytes. If zero, DefaultMemory is used. A group
	// cannot take less than [DecoderMemory] of 64 bytes for every worker, and is
	// decoded with so much if need be.
	Memory int

	// Workers is the number of cores that share one group. If zero, it is 1:
	// a decoder for every core is faster while there are groups for them all.
	Workers int
}

// A Decoder rebuilds groups of one object, one at a time, in the same buffers. It
// allocates them when it is first used. It is not safe for concurrent use.
type Decoder struct {
	params proto.Params
	config DecoderConfig

	have    []bool // by shard index: is it held; of parity only what is used
	used    []int  // the K shards that are; parity stands where data is missing
	missing []int  // data shards that are not held

	members []rebuilder // nil until a group needs them
	team    []rebuilder // the members that share the columns of this group
	offsets []int       // where the columns of each begin, and where the last ends
	scratch []byte      // a whole row for each, if they are several
}

// DecoderMemory returns the budget in bytes with which a decoder of one worker
// holds width bytes of every shard of a group at a time. A smaller width is
// slower: each strip costs a read of every shard.
func DecoderMemory(p proto.Params, width int) int {
	return decoderMemory(p, 1, min(width, p.ShardSize))
}

// decoderMemory is what a decoder with so many members takes, all of it.
func decoderMemory(p proto.Params, members, width int) int {
	index := (p.K + p.M) + 2*8*p.K
	scratch := 0
	if members > 1 {
		scratch = members * p.ShardSize
	}
	return index + scratch + members*rebuilderMemory(p, widestPart(width, columnUnit(p), members))
}

// NewDecoder returns a decoder for the groups of an object with parameters p.
func NewDecoder(p proto.Params, cfg DecoderConfig) (*Decoder, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if cfg.Memory <= 0 {
		cfg.Memory = DefaultMemory
	}
	cfg.Workers = max(1, min(cfg.Workers, p.ShardSize/minColumns))
	return &Decoder{
		params: p,
		config: cfg,
		have:   make([]bool, p.K+p.M),
		used:   make([]int, p.K),
	}, nil
}

// Decode rebuilds the data shards of g that are not held. If fewer than K
// shards are, it returns an error that wraps [ErrTooFewShards] and calls
// nothing of g. After any other error shards may be rebuilt in part.
func (d *Decoder) Decode(g Group) error {
	if err := d.choose(g.Held); err != nil || len(d.missing) == 0 {
		return err
	}
	if err := d.prepare(); err != nil {
		return err
	}
	d.share()
	switch {
	case g.Check == nil:
		return d.pass(g.Read, g.Write)
	case d.columns() == d.params.ShardSize:
		return d.pass(g.Read, g.Check, g.Write)
	}
	if err := d.pass(g.Read, g.Check); err != nil {
		return err
	}
	return d.pass(g.Read, g.Write)
}

// choose picks K of the held shards. There are as many parity shards
// among them as data shards are missing.
func (d *Decoder) choose(held []int) error {
	k := d.params.K
	clear(d.have)
	distinct := 0
	for _, index := range held {
		if index < 0 || index >= len(d.have) {
			return fmt.Errorf("fec: no shard %d in a group of %d", index, len(d.have))
		}
		if !d.have[index] {
			d.have[index] = true
			distinct++
		}
	}
	if distinct < k {
		return fmt.Errorf("%w: %d of the %d it takes", ErrTooFewShards, distinct, k)
	}

	d.missing = d.missing[:0]
	for i := range k {
		d.used[i] = i
		if !d.have[i] {
			d.missing = append(d.missing, i)
		}
	}
	clear(d.have[k:])
	used := 0
	for _, index := range held {
		if used == len(d.missing) {
			break
		}
		if index >= k && !d.have[index] {
			d.have[index] = true
			d.used[d.missing[used]] = index
			used++
		}
	}
	return nil
}

// prepare makes the members and their buffers, once.
func (d *Decoder) prepare() error {
	if d.members != nil {
		return nil
	}
	p, n, unit := d.params, d.config.Workers, columnUnit(d.params)
	width := widestStrip(p.ShardSize, unit, func(width int) bool {
		return decoderMemory(p, n, width) <= d.config.Memory
	})
	if n > 1 {
		d.scratch = make([]byte, n*p.ShardSize)
	}
	members := make([]rebuilder, n)
	for i := range members {
		var err error
		if members[i], err = newRebuilder(p, widestPart(width, unit, n)); err != nil {
			return err
		}
	}
	d.members, d.offsets = members, make([]int, n+1)
	return nil
}

// share begins a group. A single member decodes it where few shards are missing,
// since their sums are made while shards are read: that is fast, and needs no row
// for each shard.
func (d *Decoder) share() {
	d.team = d.members
	inParallel(len(d.team), func(i int) error {
		d.team[i].Choose(d.used)
		return nil
	})
	if d.team[0].Direct() {
		d.team = d.members[:1]
	}
}

// columns returns how many columns of this group are held at a time.
func (d *Decoder) columns() int {
	return min(d.params.ShardSize, d.team[0].Fit()*len(d.team))
}

// pass decodes the chosen shards, some columns after others, and hands all
// rebuilt shards to each of outs, all to the first before any to the next.
func (d *Decoder) pass(in func(int, int, []byte) error, outs ...func(int, int, []byte) error) error {
	width := d.columns()
	for column := 0; column < d.params.ShardSize; column += width {
		d.cut(min(width, d.params.ShardSize-column))
		if err := d.read(column, in); err != nil {
			return err
		}
		d.rebuild()
		for _, out := range outs {
			if err := d.hand(column, out); err != nil {
				return err
			}
		}
	}
	return nil
}

// cut gives every member its part of so many columns.
func (d *Decoder) cut(width int) {
	for i, m := range d.team {
		from, to := columnPart(width, columnUnit(d.params), i, len(d.team))
		d.offsets[i], d.offsets[i+1] = from, to
		m.Columns(to - from)
	}
}

// read fills the rows of all members. They read for each other, so that every
// shard is read once.
func (d *Decoder) read(column int, in func(int, int, []byte) error) error {
	if len(d.team) == 1 {
		m := d.team[0]
		for _, index := range d.used {
			if err := in(index, column, m.Row(index)); err != nil {
				return fmt.Errorf("fec: read shard %d: %w", index, err)
			}
			m.Filled(index)
		}
		return nil
	}
	return inParallel(len(d.team), func(i int) error {
		row := d.scratchOf(i)
		from, to := part(len(d.used), i, len(d.team))
		for _, index := range d.used[from:to] {
			if err := in(index, column, row); err != nil {
				return fmt.Errorf("fec: read shard %d: %w", index, err)
			}
			for j, m := range d.team {
				copy(m.Row(index), row[d.offsets[j]:])
			}
		}
		return nil
	})
}

func (d *Decoder) rebuild() {
	inParallel(len(d.team), func(i int) error {
		if d.offsets[i] < d.offsets[i+1] {
			d.team[i].Rebuild()
		}
		return nil
	})
}

// hand gives the rebuilt shards to out. As in read, members do it for each other.
func (d *Decoder) hand(column int, out func(int, int, []byte) error) error {
	return inParallel(len(d.team), func(i int) error {
		from, to := part(len(d.missing), i, len(d.team))
		for _, index := range d.missing[from:to] {
			row := d.team[0].Row(index)
			if len(d.team) > 1 {
				row = d.scratchOf(i)
				for j, m := range d.team {
					copy(row[d.offsets[j]:], m.Row(index))
				}
			}
			if err := out(index, column, row); err != nil {
				return fmt.Errorf("fec: rebuilt shard %d: %w", index, err)
			}
		}
		return nil
	})
}

// scratchOf returns the scratch of member i, cut to the length of a row of this
// pass.
func (d *Decoder) scratchOf(i int) []byte {
	return d.scratch[i*d.params.ShardSize:][:d.offsets[len(d.team)]]
}
