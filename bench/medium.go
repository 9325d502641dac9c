// SPDX-License-Identifier: GPL-2.0-or-later

package bench

import (
	"context"
	"slices"
	"time"

	"iotupd/bench/simnet"
	"iotupd/proto"
)

// checkEvery is the number of packets between two looks at the context.
const checkEvery = 1 << 12

// epoch is when every simulation begins.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// A packet is in transit. It is valid until its source makes the next one.
type packet struct {
	header   proto.Header
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

// A listener is one receiver and its links.
type listener struct {
	sink
	streams []*simnet.Stream // of every source
	links   []*simnet.Link   // of every source, if they do more than lose packets
	loss    float64          // mean of all links

	join  uint64 // DATA and PARITY packets that were sent before
	limit uint64 // that are sent before it is given up
	since time.Time
	sent  traffic // when it joined

	outcome *outcome
	ended   bool
}

// traffic counts packets of all sources: DATA and PARITY, and all others.
type traffic struct{ shards, others uint64 }

// A medium carries the packets of sources to listeners, in virtual time.
type medium struct {
	*cell
	sources []source
	wakes   []time.Time
	waiting []*listener // by falling time to join
	active  []*listener
	flying  simnet.Queue[flight]
	now     time.Time
	sent    traffic
}

// A flight is a packet on a link that takes time.
type flight struct {
	to     *listener
	packet packet
}

// run advances the time until no listener is left.
func (a *medium) run(ctx context.Context) error {
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
func (a *medium) admit() {
	for n := len(a.waiting); n > 0 && a.waiting[n-1].join <= a.sent.shards; n-- {
		l := a.waiting[n-1]
		l.since, l.sent = a.now, a.sent
		a.active, a.waiting = append(a.active, l), a.waiting[:n-1]
	}
}

// emit sends a packet to all listeners.
func (a *medium) emit(p *packet) error {
	switch p.header.Type {
	case proto.TypeManifest, proto.TypeDigest, proto.TypeOutline:
		a.sent.others++
	default:
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
func (a *medium) launch(l *listener, p *packet) {
	arrivals := l.links[p.from].Send(a.now.Sub(epoch), a.packetLen())
	slices.Sort(arrivals)
	for i, at := range arrivals {
		copied := *p
		copied.again = i > 0
		copied.datagram = slices.Clone(p.datagram)
		a.flying.Push(at, flight{l, copied})
	}
}

// land delivers the packets that arrive until now.
func (a *medium) land(now time.Time) error {
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

// end reports the outcome of a listener, which gets no more packets.
func (a *medium) end(l *listener) {
	l.ended = true
	*l.outcome = outcome{
		done:     l.done(),
		loss:     l.loss,
		seconds:  a.now.Sub(l.since).Seconds() + a.airtime(),
		sent:     a.sent.shards - l.sent.shards,
		others:   a.sent.others - l.sent.others,
		received: l.received(),
	}
}
