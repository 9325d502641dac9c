// SPDX-License-Identifier: GPL-2.0-or-later

package mcast

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// A Socket receives the datagrams of one address family. One goroutine may read
// it. It belongs to its [Listener].
type Socket struct {
	family family
	conn   *net.UDPConn
	groups packetConn
	buffer int // bytes, as the kernel reports them

	pace pace // belongs to the goroutine that reads

	filter                          atomic.Pointer[filter]
	kernelDrops, foreign, truncated atomic.Uint64

	sys socketState
}

// ReadBatch waits for at least one datagram and puts what has arrived into b,
// whose previous contents are lost. Datagrams for other destinations and longer
// ones than [MaxDatagram] are dropped and counted. While they come one after the
// other, it waits two milliseconds at most to take several at once. After
// [Listener.Close] the error is [net.ErrClosed].
func (s *Socket) ReadBatch(b *Batch) error {
	if s.pace.rest > 0 {
		time.Sleep(time.Until(s.pace.last.Add(s.pace.rest)))
		if err := s.PollBatch(b); err != nil || b.Len() > 0 {
			return err
		}
	}
	for b.Reset(); b.Len() == 0; {
		if err := s.receive(b); err != nil {
			return s.explain(err)
		}
	}
	b.pause = s.pace.shared()
	return nil
}

// PollBatch is ReadBatch that does not wait: b is empty if nothing has arrived.
func (s *Socket) PollBatch(b *Batch) error {
	b.Reset()
	if err := s.look(b); err != nil {
		return s.explain(err)
	}
	b.pause = s.pace.shared()
	return nil
}

func (s *Socket) explain(err error) error {
	return fmt.Errorf("cannot receive over %v: %w", s.family, err)
}

// openSocket opens a socket that is not a member of any multicast group yet.
func openSocket(f family, cfg ListenConfig) (*Socket, error) {
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		if e := c.Control(func(fd uintptr) { err = beforeBind(fd) }); e != nil {
			return e
		}
		return err
	}}
	// Bound to the wildcard address: one socket serves all multicast groups, and
	// Linux alone could bind to a group.
	pc, err := lc.ListenPacket(context.Background(), f.network(), ":"+strconv.Itoa(int(cfg.Port)))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("UDP port %d is taken by a program that does not share it: %w", cfg.Port, err)
	}
	if err != nil {
		return nil, fmt.Errorf("no %v socket: %w", f, err)
	}
	s := &Socket{family: f, conn: pc.(*net.UDPConn)}
	s.groups = newPacketConn(f, s.conn)
	if err := s.prepare(cfg); err != nil {
		s.close()
		return nil, fmt.Errorf("%v socket: %w", f, err)
	}
	if s.canLook() {
		s.pace = newPace(s.buffer)
	}
	s.filter.Store(&filter{})
	return s, nil
}

func (s *Socket) join(m member) error { return explainJoin(m, s.change(m, joining)) }

func (s *Socket) leave(m member) { s.change(m, leaving) }

// A change is what happens to a membership.
type change int

const (
	joining change = iota
	leaving
)

// change joins or leaves by the options that name an interface by its index for
// both families (RFC 3678). Where the system does not know those, it does so by
// the older ones.
func (s *Socket) change(m member, to change) error {
	ifi := &net.Interface{Index: m.index, Name: m.Interface}
	group, source := udpAddr(m.Group), udpAddr(m.Source)
	var err error
	switch any := !m.Source.IsValid(); {
	case any && to == joining:
		err = s.groups.JoinGroup(ifi, group)
	case any:
		err = s.groups.LeaveGroup(ifi, group)
	case to == joining:
		err = s.groups.JoinSourceSpecificGroup(ifi, group, source)
	default:
		err = s.groups.LeaveSourceSpecificGroup(ifi, group, source)
	}
	if errors.Is(err, syscall.ENOPROTOOPT) {
		return s.changeByOldOption(m, to, err)
	}
	return err
}

// A filter decides which datagrams are ours. It is immutable.
type filter struct {
	joined map[arrival]bool
	names  map[int]string // of interfaces, by index
}

// An arrival is where a datagram was sent to and the interface it came over.
type arrival struct {
	group netip.Addr
	index int
}

// newFilter returns the filter for the members of family f.
func newFilter(f family, members []member) *filter {
	n := &filter{joined: map[arrival]bool{}, names: map[int]string{}}
	for _, m := range members {
		if m.Err == nil && familyOf(m.Group) == f {
			n.joined[arrival{m.Group, m.index}] = true
			n.names[m.index] = m.Interface
		}
	}
	return n
}

// zoned puts the name of the interface to a, if it is a link-local address.
func (f *filter) zoned(a netip.Addr, index int) netip.Addr {
	if !a.Is6() || !a.IsLinkLocalUnicast() {
		return a
	}
	if name, ok := f.names[index]; ok {
		return a.WithZone(name)
	}
	return a.WithZone(strconv.Itoa(index))
}

// A packetConn is what package ipv6 and package ipv4 have in common, plus names
// for what they only call differently.
type packetConn interface {
	JoinGroup(ifi *net.Interface, group net.Addr) error
	LeaveGroup(ifi *net.Interface, group net.Addr) error
	JoinSourceSpecificGroup(ifi *net.Interface, group, source net.Addr) error
	LeaveSourceSpecificGroup(ifi *net.Interface, group, source net.Addr) error
	SetMulticastInterface(ifi *net.Interface) error
	SetMulticastLoopback(on bool) error

	setHopLimit(hops int) error
	setTrafficClass(class int) error
	wantDestination() error
}

func newPacketConn(f family, c net.PacketConn) packetConn {
	if f == ipv4Family {
		return packetConn4{ipv4.NewPacketConn(c)}
	}
	return packetConn6{ipv6.NewPacketConn(c)}
}

type packetConn6 struct{ *ipv6.PacketConn }

func (c packetConn6) setHopLimit(hops int) error      { return c.SetMulticastHopLimit(hops) }
func (c packetConn6) setTrafficClass(class int) error { return c.SetTrafficClass(class) }
func (c packetConn6) wantDestination() error {
	return c.SetControlMessage(ipv6.FlagDst|ipv6.FlagInterface, true)
}

type packetConn4 struct{ *ipv4.PacketConn }

func (c packetConn4) setHopLimit(hops int) error      { return c.SetMulticastTTL(hops) }
func (c packetConn4) setTrafficClass(class int) error { return c.SetTOS(class) }
func (c packetConn4) wantDestination() error {
	return c.SetControlMessage(ipv4.FlagDst|ipv4.FlagInterface, true)
}
