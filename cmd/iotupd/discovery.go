// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/discover"
	"iotupd/internal/mcast"
	"iotupd/internal/quantity"
	"iotupd/receiver"
)

// A hearing is what a receiver listens by: groups that stay what they are, or a
// discovery.
type hearing interface {
	conns() []receiver.Conn
	port() uint16 // the first one that is listened on; zero: none yet
	Memberships() []mcast.Membership
	Stats() mcast.Stats
	Rejoin() error
	// setLevel listens to layers 0 to level of each group; -1: to none.
	setLevel(level int) error
	Close() error
}

// A listener is a hearing of groups that stay what they are.
type listener struct {
	*mcast.Listener
	cfg mcast.ListenConfig
}

func (l listener) conns() []receiver.Conn { return receiverConns(l.Listener) }
func (l listener) port() uint16           { return l.cfg.Port }

func (l listener) setLevel(level int) error { return l.SetGroups(upTo(level, l.cfg.Groups)) }

// A discovery listens to the senders that DNS names, by a listener for each of
// their ports. Listeners come and go while the receiver reads from one place.
type discovery struct {
	discoveryConfig
	empty   chan *anyBatch // to be filled
	reads   atomic.Uint64
	readers sync.WaitGroup
	stop    chan struct{} // closed: readers give up
	end     func() error  // ends all of it, once

	changing sync.Mutex // held while groups are joined and left, which may take a while; before mu

	mu        sync.Mutex  // held for moments only: the receiving goroutine waits for it
	level     int         // of layers, that all listen to
	listeners []listener  // replaced by another slice, never changed in place
	past      mcast.Stats // of listeners that are closed
	failure   error       // the last one of the search
}

type discoveryConfig struct {
	name     string // of the channel
	resolver discover.Resolver
	failover time.Duration
	allows   func(netip.Addr) bool // as -4 and -6 do
	listen   mcast.ListenConfig    // without groups, sources, and port
	out      *cli.Output
}

// newDiscovery looks for the senders of a channel until it is closed.
func newDiscovery(cfg discoveryConfig) *discovery {
	d := &discovery{discoveryConfig: cfg, empty: make(chan *anyBatch), stop: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	var search sync.WaitGroup
	search.Go(func() {
		cfg.resolver.Follow(ctx, cfg.name, discover.FollowOptions{ // until ctx ends
			Failover: cfg.failover, Heard: d.heard, Listen: d.turn, Failed: d.failed,
		})
	})
	d.end = sync.OnceValue(func() (err error) {
		cancel()
		search.Wait() // there will be no more listeners
		close(d.stop)
		for _, l := range d.listeners {
			err = errors.Join(err, l.Close())
		}
		d.readers.Wait()
		return err
	})
	return d
}

// Close ends the search, and pending reads with [net.ErrClosed], and returns when
// nothing of d runs any more. It may be called again.
func (d *discovery) Close() error { return d.end() }

// now returns the listeners that there are.
func (d *discovery) now() []listener {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.listeners
}

// replace has other listeners from now on.
func (d *discovery) replace(listeners []listener) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.listeners = listeners
}

// Memberships lists those of all listeners.
func (d *discovery) Memberships() (all []mcast.Membership) {
	for _, l := range d.now() {
		all = append(all, l.Memberships()...)
	}
	return all
}

// Stats adds up the counters of all listeners that there have been.
func (d *discovery) Stats() mcast.Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	sum := d.past
	for _, l := range d.listeners {
		sum = addStats(sum, l.Stats())
	}
	return sum
}

// Rejoin leaves all groups and joins them again.
func (d *discovery) Rejoin() (err error) {
	d.changing.Lock()
	defer d.changing.Unlock()
	for _, l := range d.now() {
		err = errors.Join(err, l.Rejoin())
	}
	return err
}

func (d *discovery) setLevel(level int) (err error) {
	d.changing.Lock()
	defer d.changing.Unlock()
	d.mu.Lock()
	d.level = level
	d.mu.Unlock()
	for _, l := range d.now() {
		err = errors.Join(err, l.setLevel(level))
	}
	return err
}

func addStats(a, b mcast.Stats) mcast.Stats {
	a.KernelDrops += b.KernelDrops
	a.ForeignDestination += b.ForeignDestination
	a.Truncated += b.Truncated
	if a.ReceiveBuffer == 0 || b.ReceiveBuffer < a.ReceiveBuffer {
		a.ReceiveBuffer = b.ReceiveBuffer
	}
	return a
}

func (d *discovery) port() uint16 {
	if all := d.now(); len(all) > 0 {
		return all[0].cfg.Port
	}
	return 0
}

// heard returns a number that changes unless nobody is heard. A silence that the
// choice of layers wants is nobody's fault.
func (d *discovery) heard() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.level < 0 {
		d.reads.Add(1)
	}
	return d.reads.Load()
}

// failed tells the user what could not be found or joined.
func (d *discovery) failed(err error, again time.Duration) {
	d.mu.Lock()
	d.failure = err
	d.mu.Unlock()
	w := cli.Warning{Code: "discovery", Text: fmt.Sprintf("%v; trying again in %s", err, quantity.Duration(again))}
	if errors.As(err, new(*discover.NotFoundError)) {
		w.Fix = "iotupd send --print-dns " + d.name + "   # where the sender runs, prints what DNS should say"
	}
	d.out.Warn(w)
}

// why returns why nobody is listened to, as far as that is known.
func (d *discovery) why() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.listeners) > 0 {
		return nil
	}
	return d.failure
}

// turn listens to the senders of a level, and to no others.
func (d *discovery) turn(p *discover.Plan, l discover.Level) error {
	for _, why := range p.Refused {
		d.out.Decision("DNS: ignored: %s", why)
	}
	d.changing.Lock()
	defer d.changing.Unlock()
	var wanted []mcast.ListenConfig
	for _, port := range l.Ports() {
		cfg := d.listen
		cfg.Port, cfg.Sources = port, d.allowed(l.Sent(port)...)
		cfg.Groups = d.allowed(p.Group6, p.Group4) // both, so that sources of either may come later
		if len(cfg.Sources) > 0 {
			wanted = append(wanted, cfg)
		}
	}
	if wanted == nil {
		return fmt.Errorf("%v has no address of the family that -4 or -6 asks for", l)
	}
	for _, o := range d.drop(wanted) {
		o.Close()
	}
	var failed error
	for _, cfg := range wanted {
		if slices.ContainsFunc(d.now(), func(o listener) bool { return isSamePlace(cfg, o.cfg) && slices.Equal(cfg.Sources, o.cfg.Sources) }) {
			continue // another port has failed
		}
		at, err := d.join(cfg)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("cannot listen to %v: %w", l, err))
			continue
		}
		d.tell(p, l, at)
	}
	return failed
}

// drop takes the listeners out of the list that are not wanted any more.
func (d *discovery) drop(wanted []mcast.ListenConfig) (dropped []listener) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var kept []listener
	for _, o := range d.listeners {
		if slices.ContainsFunc(wanted, func(cfg mcast.ListenConfig) bool { return isSamePlace(cfg, o.cfg) }) {
			kept = append(kept, o)
			continue
		}
		d.past = addStats(d.past, o.Stats())
		dropped = append(dropped, o)
	}
	d.listeners = kept
	return dropped
}

func (d *discovery) allowed(addrs ...netip.Addr) []netip.Addr {
	return slices.DeleteFunc(addrs, func(a netip.Addr) bool { return !d.allows(a) })
}

// isSamePlace reports whether a listener of one configuration can take on the
// sources of the other.
func isSamePlace(a, b mcast.ListenConfig) bool {
	return a.Port == b.Port && slices.Equal(a.Groups, b.Groups)
}

// join listens to the sources of cfg, by the listener of its port if there is
// one. The caller holds d.changing.
func (d *discovery) join(cfg mcast.ListenConfig) (listener, error) {
	listeners := slices.Clone(d.now())
	for i, o := range listeners {
		if isSamePlace(cfg, o.cfg) {
			err := o.SetSources(cfg.Sources)
			if err == nil {
				listeners[i].cfg = cfg
				d.replace(listeners)
			}
			return listeners[i], err
		}
	}
	l, err := mcast.Listen(cfg)
	if err != nil {
		return listener{}, err
	}
	d.replace(append(listeners, listener{l, cfg}))
	if d.level != 0 {
		err = listener{l, cfg}.setLevel(d.level)
	}
	for _, s := range l.Sockets() {
		d.readers.Go(func() { d.read(s) })
	}
	return listener{l, cfg}, err
}

// tell says where the receiver listens from now on.
func (d *discovery) tell(p *discover.Plan, l discover.Level, at listener) {
	interfaces, groups := joined(at.Memberships())
	d.out.Event("listening", listeningEvent{
		Interfaces: interfaces, Groups: cli.Texts(groups), Sources: cli.Texts(at.cfg.Sources),
		Channel: d.name, Port: at.cfg.Port, ReceiveBuffer: at.Stats().ReceiveBuffer,
	})
	var who []string
	for _, s := range l.Sources {
		if s.Port == at.cfg.Port && d.allows(s.Addr) {
			who = append(who, s.String())
		}
	}
	more := ""
	if p.Layers > 1 {
		more += fmt.Sprintf("   %d layers", p.Layers)
	}
	if p.KeyID != "" {
		more += "   signed, as DNS says, by key " + p.KeyID
	}
	d.out.Line("listening on %s   channel %s   priority %d: %s   port %d%s",
		strings.Join(interfaces, ", "), d.name, l.Priority, strings.Join(who, ", "), at.cfg.Port, more)
}

// read hands on what arrives at a socket until that is closed.
func (d *discovery) read(s *mcast.Socket) {
	spare := mcast.NewBatch(readMessages)
	for {
		err := cli.WithCode(cli.ExitNetwork, s.ReadBatch(spare))
		if errors.Is(err, net.ErrClosed) {
			return
		}
		d.reads.Add(1)
		select {
		case b := <-d.empty:
			b.Batch, spare = spare, b.Batch
			b.filled <- err
		case <-d.stop:
			return
		}
	}
}

// conns returns the one place to read from.
func (d *discovery) conns() []receiver.Conn { return []receiver.Conn{d} }

// NewBatch returns a batch that reads from any of the sockets.
func (d *discovery) NewBatch() receiver.Batch {
	return &anyBatch{batch: batch{Batch: mcast.NewBatch(readMessages)}, from: d, filled: make(chan error, 1)}
}

// An anyBatch reads from whichever socket has something: its reader gets the
// empty buffers of this batch for the ones that it has filled.
type anyBatch struct {
	batch
	from   *discovery
	filled chan error
}

func (b *anyBatch) Read() error {
	select {
	case b.from.empty <- b:
		return <-b.filled
	case <-b.from.stop:
		return net.ErrClosed
	}
}
