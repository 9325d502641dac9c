// SPDX-License-Identifier: GPL-2.0-or-later

// Package multicast brings the datagrams of multicast groups to a receiver: of
// given groups, or of the senders that DNS names.
//
// A [Listener] has goroutines of its own, which end with Close. Its methods may be
// called from any goroutine.
package multicast

import (
	"net/netip"
	"slices"

	"iotupd/internal/mcast"
	"iotupd/proto"
	"iotupd/receiver"
)

// A Config says what to listen to, and where.
type Config struct {
	// Groups are multicast addresses of the lowest layer, of either family or both.
	// At least one.
	Groups []netip.Addr

	// Port is the UDP port, which other programs may listen on as well. Not zero.
	Port uint16

	// Sources, if any, are the only hosts to receive from (source-specific
	// multicast). Groups of a family without a source are not joined.
	Sources []netip.Addr

	// Interfaces are the names of the interfaces to join on, as they come and go.
	// If empty, every suitable interface is used; the loopback interface only
	// where there is no other.
	Interfaces []string

	// ReceiveBuffer is the size in bytes of the buffers to ask the kernel for. If
	// zero, 32 MiB. It may grant less, see [Stats].
	ReceiveBuffer int

	// Logger, if not nil, gets a record when a multicast group is joined or left,
	// or cannot be joined.
	Logger Logger
}

// A Logger takes records, as a [*log/slog.Logger] does: args are keys and values.
// Programs that only receive are smaller without that package.
type Logger interface {
	Debug(message string, args ...any)
	Info(message string, args ...any)
	Warn(message string, args ...any)
}

func (c Config) internal() mcast.ListenConfig {
	return mcast.ListenConfig{
		Groups: c.Groups, Port: c.Port, Sources: c.Sources, Interfaces: c.Interfaces,
		ReceiveBuffer: c.ReceiveBuffer, Logger: c.Logger,
	}
}

// A Listener is a member of multicast groups.
type Listener interface {
	// Conns are what [receiver.Run] reads from. They are read from one place each.
	Conns() []receiver.Conn
	// Place says where datagrams may arrive at present.
	Place() Place
	// Memberships lists the multicast groups on each interface, joined or not.
	Memberships() []Membership
	// Stats returns the counters since the beginning.
	Stats() Stats
	// Rejoin leaves all multicast groups and joins them again, for switches that
	// have forgotten the memberships. It may take a while. Failed joins are tried
	// again.
	Rejoin() error
	// SetLevel joins layers 0 to level of every multicast group, and leaves the
	// others; -1 means none. At first only layer 0 is joined. It may take a
	// while. Failed joins are tried again.
	SetLevel(level int) error
	// Why returns why nobody is listened to, as far as that is known; nil if
	// somebody is.
	Why() error
	// Absent returns an [*Error] if none of the interfaces in Config.Interfaces
	// exists; nil if one does, or none was named.
	Absent() error
	// Close leaves the multicast groups, and makes reads return [net.ErrClosed].
	// It waits for the goroutines of the listener. It may be called again.
	Close() error
}

// A Place is where datagrams arrive.
type Place struct {
	Interfaces    []string     // by name; never nil
	Groups        []netip.Addr // joined on at least one of Interfaces
	Sources       []netip.Addr // the only hosts to receive from; empty: all
	Port          uint16       // UDP, the first one of several; zero: none yet
	ReceiveBuffer int          // bytes, as the kernel reports it, of the smallest one
}

// A Membership is a multicast group on an interface.
type Membership struct {
	Interface string // name
	Group     netip.Addr
	Source    netip.Addr // the only source to receive from; the zero Addr: any
	Err       error      // nil: joined; otherwise why not, and it is tried again
}

// Stats are counters of a listener.
type Stats struct {
	// KernelDrops counts losses because the receive buffer of the host was full:
	// datagrams, or whole runs of them where those cross the kernel in one piece.
	// It is brought up to date by datagrams received later. Linux only.
	KernelDrops uint64

	// ForeignDestination counts datagrams that were dropped because they had not
	// been sent to a joined multicast group, or came over another interface.
	ForeignDestination uint64

	// Truncated counts datagrams that were dropped because they were too long.
	Truncated uint64

	// ReceiveBuffer is the size in bytes, as the kernel reports it, of the smallest
	// of the sockets' buffers.
	ReceiveBuffer int
}

// An Error says that the network could not be set up, or has failed.
type Error struct{ Err error }

// Error implements error.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// networkError returns err as an [*Error]; nil if it is nil.
func networkError(err error) error {
	if err == nil {
		return nil
	}
	return &Error{err}
}

// Listen joins the multicast groups of cfg. That some memberships fail is not an
// error, see Memberships; that none is possible is an [*Error], unless an
// interface is being waited for.
func Listen(cfg Config) (Listener, error) {
	l, err := mcast.Listen(cfg.internal())
	if err != nil {
		return nil, networkError(err)
	}
	return listener{l, cfg.internal()}, nil
}

// A listener listens to a fixed list of multicast groups.
type listener struct {
	*mcast.Listener
	cfg mcast.ListenConfig
}

func (l listener) Conns() (conns []receiver.Conn) {
	for _, s := range l.Sockets() {
		conns = append(conns, conn{socket: s, listener: l.Listener})
	}
	return conns
}

func (l listener) Place() Place {
	p := Place{Sources: l.cfg.Sources, Port: l.cfg.Port, ReceiveBuffer: l.Stats().ReceiveBuffer}
	p.Interfaces, p.Groups = joined(l.Memberships())
	return p
}

func (l listener) Memberships() (all []Membership) {
	for _, m := range l.Listener.Memberships() {
		all = append(all, Membership(m))
	}
	return all
}

func (l listener) Stats() Stats { return Stats(l.Listener.Stats()) }

func (l listener) SetLevel(level int) error { return l.SetGroups(upTo(level, l.cfg.Groups)) }

func (l listener) Why() error { return nil }

func (l listener) Absent() (err error) {
	if len(l.cfg.Interfaces) == 0 {
		return nil
	}
	for _, m := range l.Memberships() {
		if m.Err == nil || !mcast.IsMissing(m.Err) {
			return nil
		}
		err = m.Err
	}
	return networkError(err)
}

// joined lists the interfaces and multicast groups of the memberships that there
// are.
func joined(members []Membership) (interfaces []string, groups []netip.Addr) {
	interfaces = []string{} // not null in JSON
	for _, m := range members {
		if m.Err != nil {
			continue
		}
		if !slices.Contains(interfaces, m.Interface) {
			interfaces = append(interfaces, m.Interface)
		}
		if !slices.Contains(groups, m.Group) {
			groups = append(groups, m.Group)
		}
	}
	return interfaces, groups
}

// upTo lists the multicast groups of layers 0 to level above those of layer 0:
// none at level -1.
func upTo(level int, bases []netip.Addr) (groups []netip.Addr) {
	for _, base := range bases {
		for l := range level + 1 {
			if g := proto.LayerAddress(base, l); proto.IsMulticastGroup(g) {
				groups = append(groups, g)
			}
		}
	}
	return groups
}
