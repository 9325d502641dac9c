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

	"iotupd/internal/simnet"
	"iotupd/proto"
	"iotupd/sender"
)

const (
	// blockReceivers are simulated together: so few that their indexes stay in
	// the cache, so many that the sender costs little.
	blockReceivers = 32
	// blockMemory bounds what they take together, in bytes.
	blockMemory = 256 << 20

	// A receiver is given up when so many times the packets that an ideal
	// fountain needs, and patienceExtra more, were sent in vain. No parity at
	// all and a million shards take 15 times, the unlucky 30. The extra ones
	// are for bursts that are longer than the file.
	patience      = 50
	patienceExtra = 100_000

	// checkEvery is the number of packets between two looks at the context.
	checkEvery = 1 << 12
)

// epoch is when every simulation begins.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// A packet is on the air. It is valid until its source makes the next one.
type packet struct {
	header   proto.Header
	payload  []byte // of a manifest
	datagram []byte // all of it, with bytes
	from     int    // number of the source
	again    bool   // a copy that the link made
}

// A source is what receivers listen to.
type source interface {
	// next returns the packet that is due at the time of wake.
	next(now time.Time) (*packet, error)
	// wake returns when the next packet is due; the zero time: at once.
	wake() time.Time
}

// A sink is what listens.
type sink interface {
	hear(now time.Time, p *packet) error
	done() bool
	received() uint64 // DATA and PARITY packets, duplicates included
}

// An outcome is what became of one receiver.
type outcome struct {
	done    bool    // or else it was given up
	loss    float64 // mean of its links
	seconds float64 // from join to completion

	sent, manifests uint64 // packets of all sources, from join to completion
	received        uint64 // of sent
}

// A listener is one receiver and its links.
type listener struct {
	sink
	number  int
	streams []*simnet.Stream // of every source
	links   []*simnet.Link   // of every source, if they do more than lose packets
	loss    float64          // mean of all links

	join  uint64 // DATA and PARITY packets that were sent before
	limit uint64 // that are sent before it is given up
	since time.Time
	sent  traffic // when it joined
	ended bool
}

// traffic counts packets of all sources.
type traffic struct{ shards, manifests uint64 }

// An air carries the packets of sources to listeners, in virtual time.
type air struct {
	*cell
	sources []source
	wakes   []time.Time
	waiting []*listener // by falling time to join
	active  []*listener
	flying  simnet.Queue[flight]
	now     time.Time
	sent    traffic
	ended   func(*listener, outcome)
}

// A flight is a packet on a link that takes time.
type flight struct {
	to     *listener
	packet packet
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
		finish: func() Row { return c.row(outcomes) },
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
	}
	return int(max(1, min(blockReceivers, blockMemory/memory)))
}

// simulate finds the outcomes of receivers, of which from is the first.
func (c *cell) simulate(ctx context.Context, trial, from int, outcomes []outcome) error {
	key := simnet.Key{Seed: c.Seed, Trial: uint64(trial)}
	a := &air{cell: c, now: epoch, wakes: make([]time.Time, c.Senders)}
	a.ended = func(l *listener, o outcome) { outcomes[l.number-from] = o }
	newSink, err := a.begin(ctx, key, from)
	if err != nil {
		return err
	}
	for i := range outcomes {
		l, err := c.listen(key, from+i)
		if err != nil {
			return err
		}
		if l.sink, err = newSink(l.number); err != nil {
			return err
		}
		a.waiting = append(a.waiting, l)
	}
	slices.SortStableFunc(a.waiting, func(l, m *listener) int { return cmp.Compare(m.join, l.join) })
	return a.run(ctx)
}

// begin makes the sources. newSink makes what listens to them.
func (a *air) begin(ctx context.Context, key simnet.Key, from int) (newSink func(number int) (sink, error), err error) {
	if a.scheme.fountain() {
		f := newFountain(a.scheme, a.geo.DataShards)
		for i := range a.Senders {
			a.sources = append(a.sources, f.source(a.cell, i))
		}
		return func(number int) (sink, error) {
			key.Receiver = uint64(number)
			return f.sink(key), nil
		}, nil
	}
	o, err := a.object(ctx, key)
	if err != nil {
		return nil, err
	}
	key.Receiver = uint64(from)
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
func (c *cell) listen(key simnet.Key, number int) (*listener, error) {
	key.Receiver = uint64(number)
	bound := float64(c.geo.DataShards) / (1 - c.Loss.MeanLoss())
	l := &listener{number: number, limit: uint64(patience*bound) + patienceExtra}
	if c.Join == JoinRandom && !c.scheme.fountain() {
		l.join, _ = bits.Mul64(draw(key, "join").Uint64(), c.loop()*uint64(c.Senders))
	}
	for i := range c.Senders {
		// A link of its own for every sender, the first one that which it has
		// if there are no others.
		key.Receiver = uint64(i)<<32 | uint64(number)
		stream := c.Loss.Stream(key)
		l.streams = append(l.streams, stream)
		l.loss += stream.MeanLoss() / float64(c.Senders)
		if c.plainLink() {
			continue
		}
		cfg := c.Link
		cfg.Loss = c.Loss
		link, err := simnet.NewLink(cfg, key)
		if err != nil {
			return nil, err
		}
		l.links = append(l.links, link)
	}
	return l, nil
}

// draw returns the generator of a random choice, other than losses, of a key.
func draw(key simnet.Key, what string) *rand.Rand {
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[0:], key.Seed)
	binary.LittleEndian.PutUint64(seed[8:], key.Trial)
	binary.LittleEndian.PutUint64(seed[16:], key.Receiver)
	copy(seed[24:], what)
	return rand.New(rand.NewChaCha8(seed))
}

// run lets time pass until no listener is left.
func (a *air) run(ctx context.Context) error {
	for n := 1; len(a.waiting)+len(a.active) > 0; n++ {
		if n%checkEvery == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		i := 0
		for j := range a.wakes {
			if a.wakes[j].Before(a.wakes[i]) {
				i = j
			}
		}
		next := a.now
		if a.wakes[i].After(next) {
			next = a.wakes[i]
		}
		if err := a.land(next); err != nil {
			return err
		}
		a.now = next
		a.admit()
		p, err := a.sources[i].next(next)
		if err != nil {
			return err
		}
		a.wakes[i] = a.sources[i].wake()
		if err := a.emit(p); err != nil {
			return err
		}
	}
	return nil
}

// admit lets listeners join whose time has come.
func (a *air) admit() {
	for n := len(a.waiting); n > 0 && a.waiting[n-1].join <= a.sent.shards; n-- {
		l := a.waiting[n-1]
		l.since, l.sent = a.now, a.sent
		a.active, a.waiting = append(a.active, l), a.waiting[:n-1]
	}
}

// emit sends a packet to all listeners.
func (a *air) emit(p *packet) error {
	if p.header.Type == proto.TypeManifest {
		a.sent.manifests++
	} else {
		a.sent.shards++
	}
	for i := 0; i < len(a.active); {
		l := a.active[i]
		switch {
		case l.ended:
		case l.links != nil:
			a.launch(l, p)
		case !l.streams[p.from].Lost():
			if err := l.hear(a.now, p); err != nil {
				return err
			}
		}
		if !l.ended && (l.done() || a.sent.shards-l.sent.shards >= l.limit) {
			a.end(l)
		}
		if l.ended {
			last := len(a.active) - 1
			a.active[i] = a.active[last]
			a.active = a.active[:last]
			continue
		}
		i++
	}
	return nil
}

// launch sends a packet over a link that takes time.
func (a *air) launch(l *listener, p *packet) {
	for i, at := range l.links[p.from].Send(a.now.Sub(epoch), a.packetLen()) {
		copied := *p
		copied.again = i > 0
		copied.datagram = slices.Clone(p.datagram)
		a.flying.Push(at, flight{l, copied})
	}
}

// land delivers what arrives until now.
func (a *air) land(now time.Time) error {
	for at, ok := a.flying.Next(); ok && !epoch.Add(at).After(now); at, ok = a.flying.Next() {
		f := a.flying.Pop()
		if f.to.ended {
			continue
		}
		a.now = epoch.Add(at)
		if err := f.to.hear(a.now, &f.packet); err != nil {
			return err
		}
		if f.to.done() {
			a.end(f.to)
		}
	}
	return nil
}

// end reports what became of a listener, which hears no more.
func (a *air) end(l *listener) {
	l.ended = true
	a.ended(l, outcome{
		done:      l.done(),
		loss:      l.loss,
		seconds:   (a.now.Sub(l.since) + a.airtime()).Seconds(),
		sent:      a.sent.shards - l.sent.shards,
		manifests: a.sent.manifests - l.sent.manifests,
		received:  l.received(),
	})
}

// packetLen is the size in bytes of every IP packet.
func (p *point) packetLen() int { return proto.HeaderLen + p.ShardSize + sender.IPv6Overhead }

// airtime is how long a packet takes at the rate of a sender.
func (p *point) airtime() time.Duration {
	return time.Duration(int64(p.packetLen()) * 8 * int64(time.Second) / p.Rate)
}
