// SPDX-License-Identifier: GPL-2.0-or-later

// Package mcast sends and receives UDP multicast, over IPv6 and IPv4, in batches.
//
// A [Listener] joins groups on every suitable interface, or on named ones, keeps
// doing so while interfaces come and go, and has one [Socket] for each address
// family to read from. A [Conn] sends to one group through one interface.
//
// Pitfalls that the package takes care of:
//
//   - A multicast group is joined on stated interfaces, never on "the"
//     interface: the kernel would pick one by its routing table, or fail.
//   - By default, a socket gets every multicast group that any process of the
//     host joined on its port. An option of the socket prevents that, and the
//     destination of each datagram is checked as well.
//   - Linux never delivers IPv6 multicast on the loopback interface. IPv4 it does.
//   - Nothing is fragmented: a datagram too big for the interface is an error.
//   - On Linux, reading and writing allocate nothing for a datagram, and runs of
//     datagrams of one size cross the kernel in one piece where it can
//     (UDP_SEGMENT, UDP_GRO), which is about ten times cheaper.
//
// Other systems have the same behaviour through plain sockets, a datagram at a
// time. On Windows the destination is not checked, and sources cannot be chosen.
package mcast

import (
	"net/netip"
	"slices"
)

// MaxDatagram is the size in bytes of the largest datagram that is received: one
// that fills a jumbo frame of 9216 bytes over IPv6. Longer datagrams are dropped
// and counted.
const MaxDatagram = 9216 - 40 - 8

// A family is the index of an IP version in the arrays that hold one thing for
// each.
type family int

const (
	ipv6Family family = iota // first, so that it is preferred
	ipv4Family
	families = 2
)

func (f family) String() string { return [families]string{"IPv6", "IPv4"}[f] }

// network is the name that package net has for UDP over f.
func (f family) network() string { return [families]string{"udp6", "udp4"}[f] }

func familyOf(a netip.Addr) family {
	if a.Is4() {
		return ipv4Family
	}
	return ipv6Family
}

// ofFamily returns the addresses of family f.
func ofFamily(f family, addrs []netip.Addr) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(addrs), func(a netip.Addr) bool { return familyOf(a) != f })
}
