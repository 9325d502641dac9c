// SPDX-License-Identifier: GPL-2.0-or-later

package bench

import (
	"cmp"
	"context"
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"slices"
	"time"

	"iotupd/bench/simnet"
	"iotupd/fec"
	"iotupd/proto"
)

const (
	// blockReceivers are simulated together: so few that their indexes stay in
	// the cache, so many that the sender costs little.
	blockReceivers = 32
	// blockMemory bounds what they take together, in bytes.
	blockMemory = 256 << 20

	// A receiver is given up when it is not done after giveUpFactor times the
	// packets that an ideal fountain needs at its own loss, and giveUpExtra more.
	// Without parity, a million shards take 15 times as many, in the worst case
	// 30. The extra ones are for bursts that are longer than the file.
	giveUpFactor = 50
	giveUpExtra  = 100_000

	// nextLink leads from the key of one link of a receiver to the next.
	nextLink = 1 << 32
)

// An outcome is what became of one receiver.
type outcome struct {
	done    bool    // or else it was given up
	loss    float64 // mean of its links
	seconds float64 // from join to completion

	sent, others uint64 // packets of all sources, from join to completion
	received     uint64 // of sent
}

// simulated is the [work] of mode sim.
func (c *cell) simulated() (*work, error) {
	if c.WithBytes && c.scheme.fountain() {
		return nil, noBytes(c.scheme)
	}
	block := c.blockSize()
	blocks := (c.Receivers + block - 1) / block
	outcomes := make([]outcome, c.Trials*c.Receivers)
	return &work{
		units: c.Trials * blocks,
		unit: func(ctx context.Context, i int) error {
			trial, from := i/blocks, i%blocks*block
			return c.simulate(ctx, trial, from, outcomes[trial*c.Receivers:][from:min(from+block, c.Receivers)])
		},
		finish: func() Row {
			switch {
			case c.attack != nil:
				return c.polluted(outcomes)
			case c.mixture != nil:
				return c.mixed(outcomes)
			}
			return c.row(outcomes)
		},
	}, nil
}

// blockSize returns the number of receivers that share a simulation.
func (c *cell) blockSize() int {
	if c.Starts == StartsRandom && c.Senders > 1 {
		return 1 // its senders are its own
	}
	memory := int64(c.geo.DataShards)*8 + int64(c.geo.Groups)*64 // of an index
	if c.WithBytes {
		memory += c.Size
		for _, geo := range c.geometries() {
			memory += int64(fec.DecoderMemory(geo.Params, c.ShardSize))
		}
	}
	return int(max(1, min(blockReceivers, blockMemory/memory)))
}

// geometries returns the geometry of every object.
func (c *cell) geometries() []proto.Geometry {
	if c.mixture != nil {
		return c.mixture.geos
	}
	return []proto.Geometry{c.geo}
}

// simulate finds the outcomes of receivers, of which from is the first.
func (c *cell) simulate(ctx context.Context, trial, from int, outcomes []outcome) error {
	key := simnet.Key{Seed: c.Seed, Trial: uint64(trial), Receiver: uint64(from)}
	a := &medium{cell: c, now: epoch, wakes: make([]time.Time, c.Senders)}
	newSink, err := a.begin(ctx, key)
	if err != nil {
		return err
	}
	for i := range outcomes {
		key.Receiver = uint64(from + i)
		l, err := c.listen(key)
		if err != nil {
			return err
		}
		if l.sink, err = newSink(key); err != nil {
			return err
		}
		l.outcome = &outcomes[i]
		a.waiting = append(a.waiting, l)
	}
	slices.SortStableFunc(a.waiting, func(l, m *listener) int { return cmp.Compare(m.join, l.join) })
	return a.run(ctx)
}

// begin makes the sources for receivers of which key is the first. newSink
// makes what listens to them.
func (a *medium) begin(ctx context.Context, key simnet.Key) (newSink func(simnet.Key) (sink, error), err error) {
	if a.mixture != nil {
		return a.beginSet(ctx, key)
	}
	if a.scheme.fountain() {
		f := newFountain(a.scheme, a.geo.DataShards)
		for i := range a.Senders {
			a.sources = append(a.sources, f.source(a.cell, i))
		}
		return f.sink, nil
	}
	o, err := a.object(ctx, key)
	if err != nil {
		return nil, err
	}
	starts := draw(key, "starts")
	for i := range a.Senders {
		s, err := a.newSender(o, i, starts)
		if err != nil {
			return nil, err
		}
		a.sources = append(a.sources, s)
	}
	return a.newReceiver, nil
}

// listen makes a receiver that has heard nothing yet.
func (c *cell) listen(key simnet.Key) (*listener, error) {
	l := new(listener)
	if c.Join == JoinRandom && !c.scheme.fountain() {
		l.join, _ = bits.Mul64(draw(key, "join").Uint64(), c.loop()*uint64(c.Senders))
	}
	for range c.Senders {
		stream := c.Loss.Stream(key)
		l.streams = append(l.streams, stream)
		l.loss += stream.MeanLoss() / float64(c.Senders)
		if !c.plainLink() {
			cfg := c.Link
			cfg.Loss = c.Loss
			link, err := simnet.NewLink(cfg, key)
			if err != nil {
				return nil, err
			}
			l.links = append(l.links, link)
		}
		key.Receiver += nextLink // the first is the same with any number of senders
	}
	// Of a mix, each receiver has a bound of its own.
	bound := float64(c.geo.DataShards) / (1 - min(l.loss, maxLoss))
	l.limit = uint64(giveUpFactor*bound) + giveUpExtra
	if c.attack != nil {
		l.limit = attackLoops * c.loop()
	}
	return l, nil
}

// draw returns the generator of a random choice, other than losses, of a key. The
// choice is named by at most 8 bytes.
func draw(key simnet.Key, what string) *rand.Rand {
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[0:], key.Seed)
	binary.LittleEndian.PutUint64(seed[8:], key.Trial)
	binary.LittleEndian.PutUint64(seed[16:], key.Receiver)
	copy(seed[24:], what)
	return rand.New(rand.NewChaCha8(seed))
}

// packetLen is the size in bytes of every IP packet.
func (p *point) packetLen() int {
	h := proto.Header{Params: proto.Params{ShardSize: p.ShardSize}}
	return h.DatagramLen() + proto.IPv6Overhead
}

// airtime is how many seconds a packet takes at the rate of a sender.
func (p *point) airtime() float64 {
	return float64(p.packetLen()*8) / float64(p.Rate)
}
