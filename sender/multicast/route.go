// SPDX-License-Identifier: GPL-2.0-or-later

// Package multicast is the network of a sender: it chooses interface and
// multicast group, and opens the sockets that [sender.Run] writes to. With it
// come the addresses to announce, and the news whether anybody listens.
package multicast

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"iotupd/internal/mcast"
	"iotupd/internal/netif"
	"iotupd/proto"
)

// DefaultChannel is the channel that iotupd uses where none is named.
const DefaultChannel = "iotupd"

// A Family is a set of IP families.
type Family int

// Families.
const (
	AnyFamily Family = iota // IPv6 if the interface has it, else IPv4
	IPv4Only
	IPv6Only
)

// Config says where to send. The zero value is not usable: it names no channel.
type Config struct {
	// Interface is the name of the interface to send on. If empty, that of the
	// default route.
	Interface string

	// Channel is the name that the multicast group is derived from (spec.md 8),
	// see [DefaultChannel]. Group overrides it. SourceSpecific says which of the
	// channel's groups it is.
	Channel        string
	Group          netip.Addr
	SourceSpecific bool

	// Family bounds the choice among the channel's groups.
	Family Family

	// Port is the UDP destination port. If zero, [proto.DefaultPort].
	Port uint16

	// HopLimit is the number of networks that packets may cross, at most 255. If
	// zero, 1: they stay on the first.
	HopLimit int

	// DSCP is the class of service, 0 to 63.
	DSCP int
}

// An Error says that the network could not be set up, or failed.
type Error struct{ Err error }

// Error implements error.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// networkError makes an [*Error] of err unless it is nil.
func networkError(err error) error {
	if err == nil {
		return nil
	}
	return &Error{err}
}

// ErrLoopbackIPv6 means that a loopback interface was to be used for IPv6.
var ErrLoopbackIPv6 = errors.New("IPv6 multicast is never delivered on a loopback interface")

// A Route is where packets go: what a [Config] comes to on this host. It is a
// snapshot: addresses may change while a program runs.
type Route struct {
	Interface string     // name
	MTU       int        // of the interface, in bytes; 0: not known
	Speed     int64      // of the interface, in bit/s of frames; 0: not known
	Group     netip.Addr // of layer 0; those of further layers follow it
	Port      uint16

	send mcast.SendConfig
}

// FindRoute chooses interface and multicast group. When the error is not nil,
// the route says as much as is known. Errors are of type [*Error].
func FindRoute(cfg Config) (Route, error) {
	r := Route{Port: cfg.Port, Group: cfg.Group}
	if r.Port == 0 {
		r.Port = proto.DefaultPort
	}
	var ifi mcast.Interface
	var err error
	if cfg.Interface != "" {
		ifi, err = mcast.InterfaceByName(cfg.Interface)
	} else {
		ifi, err = mcast.DefaultInterface()
	}
	r.Interface, r.MTU, r.Speed = ifi.Name, ifi.MTU, netif.Speed(ifi.Name)
	if err != nil {
		r.Group = netip.Addr{}
		return r, networkError(err)
	}
	if !r.Group.IsValid() {
		if r.Group, err = cfg.channelGroup(ifi); err != nil {
			return r, networkError(err)
		}
	}
	r.send = mcast.SendConfig{Group: r.Group, Port: r.Port, Interface: ifi, HopLimit: cfg.HopLimit, DSCP: cfg.DSCP}
	return r, nil
}

// channelGroup returns the group of the channel that an interface can send to.
func (c Config) channelGroup(ifi mcast.Interface) (netip.Addr, error) {
	groups := proto.ChannelGroups(c.Channel)
	v6, v4 := groups.IPv6, groups.IPv4
	if c.SourceSpecific {
		v6, v4 = groups.IPv6Source, groups.IPv4Source
	}
	switch {
	case ifi.IPv6 && c.Family != IPv4Only:
		return v6, nil
	case ifi.IPv4 && c.Family != IPv6Only:
		return v4, nil
	case ifi.Loopback:
		return netip.Addr{}, ErrLoopbackIPv6
	}
	return netip.Addr{}, fmt.Errorf("interface %s has no address of the family asked for", ifi.Name)
}

// Overhead is what IP and UDP add to every datagram, in bytes.
func (r Route) Overhead() int { return proto.Overhead(r.Group) }

// Fits returns an error if datagrams of so many bytes are too large for the
// interface, so that this shows before a file is encoded.
func (r Route) Fits(datagram int) error {
	limit := r.MTU - r.Overhead()
	if r.MTU <= 0 || datagram <= limit { // unknown, or it fits
		return nil
	}
	return explain(&mcast.TooBigError{Interface: r.Interface, MTU: r.MTU, Datagram: datagram, Max: limit})
}

// explain makes an [*Error] of err, unless it is nil, and adds to an error that
// datagrams are too big which shards would fit.
func explain(err error) error {
	var tooBig *mcast.TooBigError
	if errors.As(err, &tooBig) {
		err = fmt.Errorf("%w: use shards of at most %d bytes, or raise the MTU", err, proto.LargestShard(tooBig.Max))
	}
	return networkError(err)
}

// Sources returns the addresses that packets may come from, for source-specific
// receivers; which one it is, the system decides packet by packet. It takes a
// link-local one where there is no other. If they cannot be listed, there are
// none.
func (r Route) Sources() []netip.Addr {
	all, _ := r.Addresses()
	all = slices.DeleteFunc(all, func(a netip.Addr) bool { return a.Is4() != r.Group.Is4() })
	if wide := slices.DeleteFunc(slices.Clone(all), netip.Addr.IsLinkLocalUnicast); len(wide) > 0 {
		return wide
	}
	return all
}

// Addresses returns all addresses of the interface. Errors are of type [*Error].
func (r Route) Addresses() (addrs []netip.Addr, err error) {
	ifi, err := netif.ByName(r.Interface)
	if err != nil {
		return nil, networkError(err)
	}
	addrs, err = ifi.Addresses()
	return addrs, networkError(err)
}
