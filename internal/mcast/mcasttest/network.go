// SPDX-License-Identifier: GPL-2.0-or-later

// Package mcasttest has what tests of multicast need: [Network], a stand-in for
// the sockets of package mcast that lives in memory, [TestPlace], what both have
// to pass, and [Main] with [Peer] for tests that need network namespaces.
package mcasttest

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"

	"iotupd/internal/mcast"
)

// A Network is one lossless link. Every interface named on it is an end of it.
// Datagrams arrive in order, and wait in an unbounded queue unless the listener
// states a receive buffer. The zero Network is ready to use, by any number of
// goroutines.
type Network struct {
	mu        sync.Mutex
	listeners []*Listener
	nextPort  uint16
}

// headers is the size of IP and UDP headers, by IP version.
func headers(group netip.Addr) int {
	if group.Is4() {
		return 20 + 8
	}
	return 40 + 8
}

// A Listener is a member of groups, as [mcast.Listener] is; it is also the one
// socket to read.
type Listener struct {
	network *Network
	cfg     mcast.ListenConfig // guarded by network.mu

	mu      sync.Mutex
	arrived sync.Cond // or closed
	queue   []packet
	queued  int // bytes
	closed  bool
	stats   mcast.Stats
}

type packet struct {
	payload []byte
	from    netip.AddrPort
	to      netip.AddrPort
	on      string // name of the interface
	index   int
}

// Listen joins the groups of cfg.
func (n *Network) Listen(cfg mcast.ListenConfig) (*Listener, error) {
	l := &Listener{network: n, cfg: cfg, stats: mcast.Stats{ReceiveBuffer: cfg.ReceiveBuffer}}
	l.arrived.L = &l.mu
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listeners = append(n.listeners, l)
	return l, nil
}

// ReadBatch does what [mcast.Socket.ReadBatch] does. A read takes the datagrams
// that have arrived.
func (l *Listener) ReadBatch(b *mcast.Batch) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) == 0 && !l.closed {
		l.arrived.Wait()
	}
	if l.closed {
		return fmt.Errorf("cannot receive: %w", net.ErrClosed)
	}
	b.Reset()
	for _, p := range l.queue {
		b.Add(p.payload, p.from, p.index)
	}
	l.queue, l.queued = nil, 0
	return nil
}

// SetSources does what [mcast.Listener.SetSources] does.
func (l *Listener) SetSources(sources []netip.Addr) error {
	l.network.mu.Lock()
	defer l.network.mu.Unlock()
	l.cfg.Sources = slices.Clone(sources)
	return nil
}

// Stats returns the counters.
func (l *Listener) Stats() mcast.Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stats
}

// Close leaves the groups and ends a pending read.
func (l *Listener) Close() error {
	l.network.mu.Lock()
	l.network.listeners = slices.DeleteFunc(l.network.listeners, func(o *Listener) bool { return o == l })
	l.network.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.arrived.Broadcast()
	return nil
}

// wants reports whether p is for l.
func (l *Listener) wants(p packet) bool {
	return p.to.Port() == l.cfg.Port && slices.Contains(l.cfg.Groups, p.to.Addr()) &&
		(len(l.cfg.Sources) == 0 || slices.Contains(l.cfg.Sources, p.from.Addr())) &&
		(len(l.cfg.Interfaces) == 0 || slices.Contains(l.cfg.Interfaces, p.on))
}

func (l *Listener) deliver(p packet) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case len(p.payload) > mcast.MaxDatagram:
		l.stats.Truncated++
	case l.cfg.ReceiveBuffer > 0 && l.queued+len(p.payload) > l.cfg.ReceiveBuffer:
		l.stats.KernelDrops++
	default:
		l.queue = append(l.queue, p)
		l.queued += len(p.payload)
		l.arrived.Broadcast()
	}
}

// A Conn sends to one group, as [mcast.Conn] does.
type Conn struct {
	network *Network
	cfg     mcast.SendConfig
	from    netip.AddrPort

	mu     sync.Mutex
	closed bool
}

// Source is the address that datagrams sent on interface index come from.
func Source(group netip.Addr, index int) netip.Addr {
	if group.Is4() {
		return netip.AddrFrom4([4]byte{10, 0, 0, byte(index)})
	}
	return netip.AddrFrom16([16]byte{0xfd, 15: byte(index)})
}

// Dial makes a sender on the interface of cfg.
func (n *Network) Dial(cfg mcast.SendConfig) (*Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.nextPort++
	from := netip.AddrPortFrom(Source(cfg.Group, cfg.Interface.Index), 49151+n.nextPort)
	return &Conn{network: n, cfg: cfg, from: from}, nil
}

// WriteSegments does what [mcast.Conn.WriteSegments] does.
func (c *Conn) WriteSegments(b []byte, segment int) error {
	c.mu.Lock()
	closed := c.closed
	c.mu.Unlock()
	if closed {
		return fmt.Errorf("cannot send: %w", net.ErrClosed)
	}
	i := c.cfg.Interface
	if limit := i.MTU - headers(c.cfg.Group); min(segment, len(b)) > limit {
		return &mcast.TooBigError{Interface: i.Name, MTU: i.MTU, Datagram: min(segment, len(b)), Max: limit}
	}
	c.network.mu.Lock()
	defer c.network.mu.Unlock()
	for payload := range slices.Chunk(slices.Clone(b), segment) {
		p := packet{payload, c.from, netip.AddrPortFrom(c.cfg.Group, c.cfg.Port), i.Name, i.Index}
		for _, l := range c.network.listeners {
			if l.wants(p) {
				l.deliver(p)
			}
		}
	}
	return nil
}

// Close ends c.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	return nil
}
