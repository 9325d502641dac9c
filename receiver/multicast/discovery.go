// SPDX-License-Identifier: GPL-2.0-or-later

package multicast

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"iotupd/internal/discover"
	"iotupd/internal/mcast"
	"iotupd/receiver"
)

// A discovery listens to the senders that DNS names, by a listener for each of
// their ports. Listeners come and go while the receiver reads from one place.
type discovery struct {
	DiscoverConfig
	empty   chan *anyBatch // to be filled
	reads   atomic.Uint64
	readers sync.WaitGroup
	stop    chan struct{} // closed: readers give up
	end     func() error  // ends all of it, once

	changing sync.Mutex // held while multicast groups are joined and left, which may take a while; before mu

	mu        sync.Mutex // held for moments only: the receiving goroutine waits for it
	level     int        // of layers, that all listen to
	listeners []listener // replaced by another slice, never changed in place
	past      Stats      // of listeners that are closed
	failure   error      // the last error of the search
}

// A DiscoverConfig says whose senders to look for.
type DiscoverConfig struct {
	// Name is the name of the channel, a domain name.
	Name string

	// Servers are the name servers to ask. If empty, the name servers of the
	// system.
	Servers []netip.AddrPort

	// Failover is how long no packet arrives before the senders of the next
	// priority are listened to. If zero, [DefaultFailover].
	Failover time.Duration

	// Allow, if not nil, says which addresses may be listened to, as to choose a
	// family.
	Allow func(netip.Addr) bool

	// Config is for every listener. Groups, Sources and Port are empty, since
	// they come from DNS.
	Config

	// Observe, if not nil, is called for every event, by one goroutine at a time.
	// The search, not the datagrams, waits for it. It must not call the Listener.
	Observe func(DiscoverEvent)
}

// DefaultFailover is the usual DiscoverConfig.Failover.
const DefaultFailover = discover.DefaultFailover

// A DiscoverEvent is one of [Found], [Ignored] and [SearchFailed].
type DiscoverEvent interface{ discoverEvent() }

type (
	// Found: senders are listened to from now on. There is an event for each of
	// their ports.
	Found struct {
		Place
		Priority uint16
		Senders  []string // host name and address of each
		Layers   int      // announced by DNS; zero: not announced
		KeyID    string   // of the key that signs, as DNS says; may be empty. It proves nothing
	}

	// Ignored: a part of the DNS answer was ignored.
	Ignored struct{ Why string }

	// SearchFailed: nobody was found, or could not be listened to.
	SearchFailed struct {
		Err      error
		Again    time.Duration // until the next try
		NotFound bool          // DNS does not have the records of this channel
	}
)

func (Found) discoverEvent()        {}
func (Ignored) discoverEvent()      {}
func (SearchFailed) discoverEvent() {}

// A FamilyError says that all addresses of the senders were refused by
// DiscoverConfig.Allow.
type FamilyError struct{ Senders string }

// Error implements error.
func (e *FamilyError) Error() string {
	return e.Senders + " has no address of a family that is allowed"
}

// Discover looks for the senders of a channel until it is closed. Reads wait
// until there are some. It is an error if the name is not a valid domain name.
func Discover(cfg DiscoverConfig) (Listener, error) {
	name, err := discover.ParseName(cfg.Name)
	if err != nil {
		return nil, err
	}
	cfg.Name = name
	if cfg.Failover == 0 {
		cfg.Failover = DefaultFailover
	}
	if cfg.Allow == nil {
		cfg.Allow = func(netip.Addr) bool { return true }
	}
	if cfg.Observe == nil {
		cfg.Observe = func(DiscoverEvent) {}
	}
	d := &discovery{DiscoverConfig: cfg, empty: make(chan *anyBatch), stop: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	var search sync.WaitGroup
	search.Go(func() {
		discover.Resolver{Servers: cfg.Servers}.Follow(ctx, cfg.Name, discover.FollowOptions{ // until ctx ends
			Failover: cfg.Failover, Heard: d.activity, Listen: d.turn, Failed: d.failed,
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
	return d, nil
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

// replace sets the list of listeners.
func (d *discovery) replace(listeners []listener) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.listeners = listeners
}

// Memberships lists the memberships of all listeners.
func (d *discovery) Memberships() (all []Membership) {
	for _, l := range d.now() {
		all = append(all, l.Memberships()...)
	}
	return all
}

// Stats adds up the counters of all listeners that there have been.
func (d *discovery) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	sum := d.past
	for _, l := range d.listeners {
		sum = addStats(sum, l.Stats())
	}
	return sum
}

// Rejoin leaves all multicast groups and joins them again.
func (d *discovery) Rejoin() (err error) {
	d.changing.Lock()
	defer d.changing.Unlock()
	for _, l := range d.now() {
		err = errors.Join(err, l.Rejoin())
	}
	return err
}

// SetLevel sets the level of all listeners, present and later ones.
func (d *discovery) SetLevel(level int) (err error) {
	d.changing.Lock()
	defer d.changing.Unlock()
	d.mu.Lock()
	d.level = level
	d.mu.Unlock()
	for _, l := range d.now() {
		err = errors.Join(err, l.SetLevel(level))
	}
	return err
}

func addStats(a, b Stats) Stats {
	a.KernelDrops += b.KernelDrops
	a.ForeignDestination += b.ForeignDestination
	a.Truncated += b.Truncated
	if a.ReceiveBuffer == 0 || b.ReceiveBuffer < a.ReceiveBuffer {
		a.ReceiveBuffer = b.ReceiveBuffer
	}
	return a
}

func (d *discovery) Place() Place {
	p := Place{ReceiveBuffer: d.Stats().ReceiveBuffer}
	p.Interfaces, p.Groups = joined(d.Memberships())
	if all := d.now(); len(all) > 0 {
		p.Port = all[0].cfg.Port
	}
	return p
}

// activity returns a number that changes while packets arrive. It also changes
// while the policy of layers has left all layers, since such a silence is
// intended.
func (d *discovery) activity() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.level < 0 {
		d.reads.Add(1)
	}
	return d.reads.Load()
}

// failed notes an error of the search or of a join.
func (d *discovery) failed(err error, again time.Duration) {
	d.mu.Lock()
	d.failure = err
	d.mu.Unlock()
	d.Observe(SearchFailed{Err: err, Again: again, NotFound: errors.As(err, new(*discover.NotFoundError))})
}

// Why returns why nobody is listened to, as far as that is known.
func (d *discovery) Why() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.listeners) > 0 {
		return nil
	}
	return d.failure
}

// Absent returns the error that all listeners agree on.
func (d *discovery) Absent() (err error) {
	for _, l := range d.now() {
		if err = l.Absent(); err == nil {
			return nil
		}
	}
	return err
}

// turn listens to the senders of a level, and to no others.
func (d *discovery) turn(p *discover.Plan, l discover.Level) error {
	for _, why := range p.Refused {
		d.Observe(Ignored{why})
	}
	d.changing.Lock()
	defer d.changing.Unlock()
	var wanted []mcast.ListenConfig
	for _, port := range l.Ports() {
		cfg := d.Config.internal()
		cfg.Port, cfg.Sources = port, d.allowed(l.Sent(port)...)
		cfg.Groups = d.allowed(p.Group6, p.Group4) // both, so that sources of either family may come later
		if len(cfg.Sources) > 0 {
			wanted = append(wanted, cfg)
		}
	}
	if wanted == nil {
		return &FamilyError{l.String()}
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
		d.report(p, l, at)
	}
	return failed
}

// drop removes listeners that are no longer wanted from the list.
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
	return slices.DeleteFunc(addrs, func(a netip.Addr) bool { return !d.Allow(a) })
}

// isSamePlace reports whether a listener of one configuration can also serve the
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
		err = listener{l, cfg}.SetLevel(d.level)
	}
	for _, s := range l.Sockets() {
		d.readers.Go(func() { d.read(s) })
	}
	return listener{l, cfg}, err
}

// report says where the receiver listens from now on.
func (d *discovery) report(p *discover.Plan, l discover.Level, at listener) {
	e := Found{Place: at.Place(), Priority: l.Priority, Layers: p.Layers, KeyID: p.KeyID}
	for _, s := range l.Sources {
		if s.Port == at.cfg.Port && d.Allow(s.Addr) {
			e.Senders = append(e.Senders, s.String())
		}
	}
	d.Observe(e)
}

// read passes on the datagrams of a socket until it is closed.
func (d *discovery) read(s *mcast.Socket) {
	spare := mcast.NewBatch(readMessages)
	for {
		err := networkError(s.ReadBatch(spare))
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

// Conns returns the one place to read from.
func (d *discovery) Conns() []receiver.Conn { return []receiver.Conn{d} }

// NewBatch returns a batch that reads from any of the sockets.
func (d *discovery) NewBatch() receiver.Batch {
	return &anyBatch{datagrams: datagrams{mcast.NewBatch(readMessages)}, from: d, filled: make(chan error, 1)}
}

// An anyBatch reads from whichever socket has something: its reader gets the
// empty buffers of this batch for the ones that it has filled.
type anyBatch struct {
	datagrams
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
