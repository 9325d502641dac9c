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
	// Memory is the budget for buffers in bytes. If zero, DefaultMemory is
	// used. A group cannot take less than (K + ceilPow2(K+ceilPow2(M)))*64
	// bytes, and is decoded with so much if need be.
	Memory int

	// Workers is the number of cores that share one group. If zero, it is 1:
	// a decoder for every core is faster while there are groups for them all.
	Workers int
}

// A Decoder rebuilds groups of one object, one at a time, in the same buffers.
// It makes them when it is first needed. It is not safe for concurrent use.
type Decoder struct {
	params proto.Params
	config DecoderConfig

	have    []bool // by shard index: held, parity only if it is used
	source  []int  // by data shard index: the shard that fills its slot
	missing []int  // data shards that are not held

	crew  crew   // nil until a group needs it
	width int    // of a strip, in bytes
	slots []byte // K slots of width bytes
}

// DecoderMemory returns the budget in bytes with which a decoder of one worker
// holds width bytes of every shard of a group at a time. Fewer at a time is
// slower: each costs a read of every shard.
func DecoderMemory(p proto.Params, width int) int {
	return (p.K+decodeWork(p))*min(width, p.ShardSize) + bookkeeping(p)
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
		source: make([]int, p.K),
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
	switch {
	case g.Check == nil:
		return d.pass(g.Read, g.Write)
	case d.width == d.params.ShardSize:
		return d.pass(g.Read, g.Check, g.Write)
	}
	if err := d.pass(g.Read, g.Check); err != nil {
		return err
	}
	return d.pass(g.Read, g.Write)
}

// choose picks K of the held shards. A parity shard goes to the slot of a data
// shard that is missing: there are as many of them.
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
		d.source[i] = i
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
			d.source[d.missing[used]] = index
			used++
		}
	}
	return nil
}

// prepare makes the buffers and the coders, once.
func (d *Decoder) prepare() (err error) {
	if d.crew != nil {
		return nil
	}
	p := d.params
	work := decodeWork(p)
	memory := d.config.Memory - d.config.Workers*bookkeeping(p)
	d.width = stripWidth(p.ShardSize, memory, p.K+work)
	d.slots = make([]byte, p.K*d.width)
	d.crew, err = newCrew(p, d.config.Workers, work, d.width)
	return err
}

// pass decodes the chosen shards strip by strip and hands every rebuilt strip
// to each of outs, all shards to the first before any to the next.
func (d *Decoder) pass(in func(int, int, []byte) error, outs ...func(int, int, []byte) error) error {
	var column, width int
	slot := func(i int) []byte { return d.slots[i*d.width:][:width] }
	read := func(_ *coder, from, to int) error {
		for i := from; i < to; i++ {
			if err := in(d.source[i], column, slot(i)); err != nil {
				return fmt.Errorf("fec: read shard %d: %w", d.source[i], err)
			}
		}
		return nil
	}
	rebuild := func(c *coder, from, to int) error {
		clear(c.shards)
		for i, index := range d.source {
			c.shards[index] = slot(i)[from:to]
		}
		for _, i := range d.missing {
			c.shards[i] = slot(i)[from:from:to]
		}
		return c.rebuild()
	}
	for ; column < d.params.ShardSize; column += d.width {
		width = min(d.width, d.params.ShardSize-column)
		if err := d.crew.split(d.params.K, read); err != nil {
			return err
		}
		if err := d.crew.columns(width, rebuild); err != nil {
			return fmt.Errorf("fec: internal error: %w", err)
		}
		for _, out := range outs {
			err := d.crew.split(len(d.missing), func(_ *coder, from, to int) error {
				for _, i := range d.missing[from:to] {
					if err := out(i, column, slot(i)); err != nil {
						return fmt.Errorf("fec: rebuilt shard %d: %w", i, err)
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
