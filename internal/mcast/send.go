// SPDX-License-Identifier: GPL-2.0-or-later

package mcast

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"iotupd/internal/netif"
)

// A SendConfig says where to send.
type SendConfig struct {
	Group netip.Addr // multicast, of a family that the interface has
	Port  uint16     // UDP destination port, not zero

	// Interface is the one to send on, by its index; its name serves to find it
	// again when it went away and came back.
	Interface Interface

	// Source, if valid, is the address of the interface that datagrams come from:
	// none leaves when that is gone. If not, the system chooses, for each.
	Source netip.Addr

	// HopLimit is the number of networks the datagrams may cross. If zero, 1: they
	// stay on the first. At most 255.
	HopLimit int

	// DSCP is the class of service to ask the network for, 0 to 63.
	DSCP int

	// SendBuffer is the number of bytes to ask the kernel for. If zero, 1 MiB: a
	// larger one holds more than the queue of the interface, which then loses what
	// the writer should have waited for.
	SendBuffer int

	// Offload is OffloadAuto if zero.
	Offload Offload
}

func (c SendConfig) withDefaults() SendConfig {
	if c.HopLimit == 0 {
		c.HopLimit = 1
	}
	if c.SendBuffer == 0 {
		c.SendBuffer = 1 << 20
	}
	return c
}

func (c SendConfig) validate() error {
	switch f := familyOf(c.Group); {
	case c.Port == 0:
		return errors.New("no UDP port to send to")
	case c.HopLimit < 1 || c.HopLimit > 255:
		return fmt.Errorf("hop limit %d is not between 1 and 255", c.HopLimit)
	case c.DSCP < 0 || c.DSCP > 63:
		return fmt.Errorf("DSCP %d is not between 0 and 63", c.DSCP)
	case f == ipv6Family && c.Interface.Loopback:
		return fmt.Errorf("IPv6 multicast is not delivered on the loopback interface %s; use IPv4", c.Interface.Name)
	case !c.Interface.has(f):
		return fmt.Errorf("interface %q has no %v address", c.Interface.Name, f)
	}
	return validateGroups([]netip.Addr{c.Group})
}

// A Conn sends datagrams to one multicast group through one interface, from a
// random port. It never receives. One goroutine may write; any may close.
type Conn struct {
	cfg   SendConfig
	conn  *net.UDPConn
	group packetConn
	index int // of the interface now

	waited time.Duration // for room

	sys connState
}

// Dial opens a socket to send with. It sends nothing, and needs no route: the
// interface is stated. Receivers on the same host get the datagrams too.
func Dial(cfg SendConfig) (*Conn, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	f := familyOf(cfg.Group)
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		if e := c.Control(func(fd uintptr) { err = setSendOptions(f, fd) }); e != nil {
			return e
		}
		return err
	}}
	pc, err := lc.ListenPacket(context.Background(), f.network(), cfg.local())
	if err != nil {
		return nil, fmt.Errorf("no %v socket: %w", f, err)
	}
	c := &Conn{cfg: cfg, conn: pc.(*net.UDPConn)}
	c.group = newPacketConn(f, c.conn)
	if err := c.configure(); err != nil {
		c.close()
		return nil, fmt.Errorf("cannot send over %s: %w", cfg.Interface.Name, err)
	}
	return c, nil
}

// local is what the socket is bound to: to no address where each datagram can have
// its source, since the kernel does not notice that the address of a socket is gone.
// But the loopback address is never chosen by itself.
func (c SendConfig) local() string {
	switch {
	case c.Source.IsValid() && !canChooseSource:
		return netip.AddrPortFrom(c.Source.WithZone(c.zone()), 0).String()
	case c.Interface.Loopback:
		return "127.0.0.1:0"
	}
	return ":0"
}

// zone is the zone of the source.
func (c SendConfig) zone() string {
	if c.Source.Is6() && c.Source.IsLinkLocalUnicast() {
		return c.Interface.Name
	}
	return ""
}

func (c *Conn) configure() error {
	c.conn.SetWriteBuffer(c.cfg.SendBuffer) // cut to what the system allows
	if err := c.prepare(); err != nil {
		return err
	}
	if err := c.group.setHopLimit(c.cfg.HopLimit); err != nil {
		return err
	}
	if err := c.group.SetMulticastLoopback(true); err != nil {
		return err
	}
	if c.cfg.DSCP != 0 {
		if err := c.group.setTrafficClass(c.cfg.DSCP << 2); err != nil {
			return fmt.Errorf("DSCP: %w", err)
		}
	}
	return c.setInterface(c.cfg.Interface.Index)
}

func (c *Conn) setInterface(index int) error {
	// By name too, because some systems choose by an address that they look up.
	ifi := &net.Interface{Index: index, Name: c.cfg.Interface.Name}
	err := c.group.SetMulticastInterface(ifi)
	if errors.Is(err, syscall.ENOPROTOOPT) {
		err = c.bindToInterface(err)
	}
	if err != nil {
		return err
	}
	c.index = index
	c.stateSource()
	return nil
}

// WriteSegments sends b as datagrams that lie end to end in it, each of segment
// bytes but perhaps the last. It waits while the kernel's queue is full, and
// does not keep b. On an error an unknown number of the datagrams was sent, and
// a later call may well work: see [ErrUnreachable], [ErrNoInterface] and
// [TooBigError]. After [Conn.Close] the error is [net.ErrClosed].
func (c *Conn) WriteSegments(b []byte, segment int) error {
	if segment <= 0 {
		return fmt.Errorf("cannot send datagrams of %d bytes", segment)
	}
	for attempt := 0; len(b) > 0; {
		n, err := c.send(b, segment)
		b = b[n:]
		if err == nil {
			attempt = 0
			continue
		}
		if attempt++; !c.worthRetry(err, attempt) {
			return c.explain(err, min(segment, len(b)))
		}
	}
	return nil
}

const (
	// maxAttempts is how often a datagram is tried while the kernel has no room
	// for it, fullPause the time between.
	maxAttempts = 100
	fullPause   = time.Millisecond
)

// worthRetry reports whether to try again after err, error number attempt in a
// row: when the interface came back under another index, which is then used, or
// when the kernel had no room and would not wait.
func (c *Conn) worthRetry(err error, attempt int) bool {
	switch {
	case errors.Is(err, net.ErrClosed):
		return false
	case errors.Is(err, syscall.ENOBUFS), errors.Is(err, syscall.ENOMEM):
		time.Sleep(fullPause)
		c.waited += fullPause
		return attempt < maxAttempts
	case isUnreachable(err), isInterfaceGone(err):
		ifi, err := netif.ByName(c.cfg.Interface.Name) // renamed ones are there by index
		return err == nil && ifi.Index != c.index && c.setInterface(ifi.Index) == nil
	}
	return false
}

// Waited returns for how long writes have waited for room in the kernel's queue,
// in all.
func (c *Conn) Waited() time.Duration { return c.waited }

// Close ends pending writes and frees the socket.
func (c *Conn) Close() error { return c.close() }
