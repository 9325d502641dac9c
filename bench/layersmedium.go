// SPDX-License-Identifier: GPL-2.0-or-later

package bench

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"iotupd/bench/simnet"
	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/receiver/layers"
	"iotupd/sender"
)

const (
	// blockLinks are simulated together: the senders are the same for all.
	blockLinks = 8
	// leaveLatency is how long a router goes on with a layer that nobody wants
	// any more: two queries of one second, the default of IGMPv3 and MLDv2
	// (RFC 3376, RFC 3810).
	leaveLatency = 2 * time.Second
	// senderSpread is by how much coordinated senders begin one after the other:
	// their times to join differ.
	senderSpread = 1618 * time.Millisecond
)

// simulatedLayers is the [work] of a [Layers].
func (c *cell) simulatedLayers() *work {
	block := c.layering.Sharing * blockLinks
	blocks := (c.Receivers + block - 1) / block
	outcomes := make([]outcome, c.Trials*c.Receivers)
	return &work{
		units: c.Trials * blocks,
		unit: func(ctx context.Context, i int) error {
			trial, from := i/blocks, i%blocks*block
			return c.simulateLayers(ctx, trial, from, outcomes[trial*c.Receivers:][from:min(from+block, c.Receivers)])
		},
		finish: func() Row { return c.layered(outcomes) },
	}
}

// simulateLayers finds the outcomes of receivers, of which from is the first.
func (c *cell) simulateLayers(ctx context.Context, trial, from int, outcomes []outcome) error {
	a := layersMedium{cell: c}
	key := simnet.Key{Seed: c.Seed, Trial: uint64(trial)}
	o, err := c.object(ctx, key)
	if err != nil {
		return err
	}
	for i := range c.Senders {
		s, err := sender.New(sender.Config{
			Rate: c.Rate, Layers: c.layering.Layers.Layers,
			Sender: i + 1, Senders: c.Senders,
			Rand: draw(simnet.Key{Seed: c.Seed, Trial: uint64(trial), Receiver: uint64(i)}, "sender"),
		}, o)
		if err != nil {
			return err
		}
		a.senders = append(a.senders, s)
	}
	for i := range outcomes {
		key.Receiver = uint64(from + i)
		if i%c.layering.Sharing == 0 {
			l, err := newBottleneck(c, key)
			if err != nil {
				return err
			}
			a.links = append(a.links, l)
		}
		m, err := c.newMember(key)
		if err != nil {
			return err
		}
		m.outcome, m.habit = &outcomes[i], &c.layering.habits[trial*c.Receivers+from+i]
		a.links[len(a.links)-1].add(m)
	}
	return a.run(ctx)
}

// A layersMedium carries the packets of all layers of all senders to links, in
// virtual time.
type layersMedium struct {
	*cell
	senders []*sender.Sender
	links   []*bottleneck
}

// run lets time pass until no link has anybody left.
func (a *layersMedium) run(ctx context.Context) error {
	for n := 1; len(a.links) > 0; n++ {
		if n%checkEvery == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		i, now := 0, time.Duration(1<<62)
		for j, s := range a.senders {
			at := time.Duration(j) * senderSpread // the first packet
			if wake := s.Wake(); !wake.IsZero() {
				at = wake.Sub(epoch)
			}
			if at < now {
				i, now = j, at
			}
		}
		h, ok := a.senders[i].Next(epoch.Add(now))
		if !ok {
			return errNothingDue
		}
		p := layersPacket{header: h, from: i}
		left := a.links[:0]
		for _, l := range a.links {
			if err := l.pass(now, &p); err != nil {
				return err
			}
			if !l.over(now) {
				left = append(left, l)
			}
		}
		a.links = left
	}
	return nil
}

type layersPacket struct {
	header proto.Header
	from   int // number of the sender
}

// A bottleneck is a link and those behind it. It carries the layers that one of
// them wants, or wanted a moment ago.
type bottleneck struct {
	*cell
	link    *simnet.Link
	members []*member
	flying  simnet.Queue[layersPacket]
	wanted  [proto.MaxLayers]int           // by so many members
	until   [proto.MaxLayers]time.Duration // when it ends with what nobody wants
	end     time.Duration                  // all members have gone on for long enough
}

func newBottleneck(c *cell, key simnet.Key) (*bottleneck, error) {
	packet := time.Duration(int64(c.packetLen()) * 8 * int64(time.Second) / c.layering.bottleneck)
	queue := 1 + int(c.layering.Queue/packet) // with the one that is sent
	if queue > maxQueued {
		return nil, fmt.Errorf("%w: a queue of %v at %d bit/s holds %d packets, over %d", ErrExperiment, c.layering.Queue, c.layering.bottleneck, queue, maxQueued)
	}
	link, err := simnet.NewLink(simnet.LinkConfig{Rate: c.layering.bottleneck, Queue: queue}, key)
	return &bottleneck{cell: c, link: link}, err
}

func (b *bottleneck) add(m *member) {
	b.members = append(b.members, m)
	b.end = max(b.end, m.join+b.layering.Time)
}

// pass puts a packet on the link, after delivering the packets that arrive before
// it.
func (b *bottleneck) pass(now time.Duration, p *layersPacket) error {
	for at, ok := b.flying.Next(); ok && at <= now; at, ok = b.flying.Next() {
		arrived := b.flying.Pop()
		for _, m := range b.members {
			if err := b.deliver(at, m, &arrived); err != nil {
				return err
			}
		}
	}
	for _, m := range b.members {
		if now >= m.join {
			m.policy.Tick(epoch.Add(now))
			b.follow(now, m)
		}
	}
	layer := p.header.Path.Layer
	if b.wanted[layer] == 0 && now >= b.until[layer] {
		return nil
	}
	arrivals := b.link.Send(now, b.packetLen())
	for _, at := range arrivals {
		b.flying.Push(at, *p)
	}
	for _, m := range b.members {
		if m.level >= layer && m.settled(now) {
			m.habit.sent++
			if len(arrivals) == 0 {
				m.habit.lost++
			}
		}
	}
	return nil
}

// deliver hands a packet to a member, unless it is lost behind the link.
func (b *bottleneck) deliver(at time.Duration, m *member, p *layersPacket) error {
	if p.header.Path.Layer > m.level {
		return nil
	}
	if m.loss.Lost() {
		if m.settled(at) {
			m.habit.lost++
		}
		return nil
	}
	now := epoch.Add(at)
	from := receiver.Origin{From: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(p.from)}), 1), Interface: 1}
	m.streams.Note(now, from, &p.header.Path)
	m.policy.Hear(now, m.streams.Take())
	b.follow(at, m)
	if m.outcome.done {
		return nil
	}
	err := m.index.take(&p.header)
	if m.index.done() {
		took := at - m.join
		*m.outcome = outcome{
			done: true, loss: m.loss.MeanLoss(), seconds: took.Seconds(),
			sent: b.layering.packets(took), received: m.index.received(),
		}
	}
	return err
}

// follow follows a member to another level.
func (b *bottleneck) follow(now time.Duration, m *member) {
	level := m.policy.Level()
	if level == m.level {
		return
	}
	m.book(now)
	if m.settled(now) {
		m.habit.changes++
	}
	for ; m.level < level; m.level++ {
		b.wanted[m.level+1]++
	}
	for ; m.level > level; m.level-- {
		b.wanted[m.level]--
		b.until[m.level] = now + leaveLatency
	}
}

// over reports whether everybody has gone on for long enough and is done, or
// starved.
func (b *bottleneck) over(now time.Duration) bool {
	if now < b.end {
		return false
	}
	bits := float64(b.geo.DataShards) * 8 * float64(b.packetLen())
	giveUp := time.Duration(layersGiveUp * bits / float64(b.layering.total(0)) * float64(time.Second))
	for _, m := range b.members {
		if !m.outcome.done && now < b.end+giveUp {
			return false
		}
	}
	for _, m := range b.members {
		m.book(now)
	}
	return true
}

// A member is a receiver behind a bottleneck.
type member struct {
	streams receiver.Streams // the policy goes on when the file is there
	policy  *layers.Policy
	index   *indexSink
	loss    *simnet.Stream
	join    time.Duration
	level   int           // that its router knows of; -1: none
	since   time.Duration // it is at that level
	habit   *habit

	outcome *outcome
}

func (c *cell) newMember(key simnet.Key) (*member, error) {
	m := &member{
		loss:  c.Loss.Stream(key),
		join:  time.Duration(draw(key, "join").Int64N(int64(c.layering.Spread) + 1)),
		level: -1,
	}
	m.policy = layers.New(&m.streams, layers.Config{Rand: draw(key, "layers")})
	var err error
	m.index, err = c.newIndexSink()
	return m, err
}

// settled reports whether the member had the time to find its level.
func (m *member) settled(now time.Duration) bool { return now >= m.join+settling }

// book adds the time at the present level.
func (m *member) book(now time.Duration) {
	spent := now - max(m.since, m.join+settling)
	m.since = now
	if spent <= 0 {
		return
	}
	if m.level < 0 {
		m.habit.off += spent
	} else {
		m.habit.levels[m.level] += spent
	}
}
