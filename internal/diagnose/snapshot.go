// SPDX-License-Identifier: GPL-2.0-or-later

// Package diagnose finds out why nothing arrives.
//
// Linux counts packets at every step of their way from the wire to the socket,
// and shows the counters to everybody. [Take] reads them twice, some seconds
// apart, and [Explain] finds the step at which the packets end:
//
//	interface  multicast                      else: switch, VLAN, sender
//	IP         InReceives                     else: a filter before IP
//	routing    InMcastPkts (IPv4: of joined   else: reverse-path filter, other multicast group,
//	           groups; IPv6: of all)                a firewall before routing
//	input      InDelivers                     else: firewall; IPv6: other group
//	UDP        no IgnoredMulti, InCsumErrors  else: other port; damage
//	socket     no drops                       else: receive buffer
//
// Some drivers, veth among them, do not count multicast at the interface, so a
// count of none there proves nothing while later steps count some.
package diagnose

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path"
	"slices"
)

// ErrUnavailable means that this system shows no counters.
var ErrUnavailable = errors.New("network counters are not available on this system")

// A Snapshot holds the network counters of the host (more exactly, of the
// network namespace) at one moment. It is immutable. The zero Snapshot knows
// nothing.
type Snapshot struct {
	devices map[string]device
	members map[netip.Addr][]string // multicast group to interfaces; no entry: nobody is a member
	drops   map[uint16]uint64       // local UDP port to packets dropped for want of buffer
	ip4     ipCounters
	ip6     ipCounters

	reversePath  uint64 // IPv4 packets dropped by the reverse-path filter
	udp4, udp6   udpCounters
	mldQueries   uint64 // MLD queries received
	defaultRoute bool   // there is an IPv4 default route
}

// A device holds what is known of one interface.
type device struct {
	packets   uint64 // received
	refused   uint64 // damaged, too long, or dropped by the driver
	mtu       string // empty: unknown
	multicast uint64 // received, if the driver counts them
	down      bool   // no carrier, or switched off
	rpFilter  string // of IPv4: "0" off, "1" strict, "2" loose; empty: unknown
}

// ipCounters count packets of one IP version.
type ipCounters struct {
	received  uint64
	multicast uint64
	delivered uint64 // to UDP, TCP and so on, whether or not a socket took them
	forwarded uint64
}

// udpCounters count UDP packets of one IP version.
type udpCounters struct {
	ignored uint64 // multicast packets that no socket wanted
	damaged uint64 // packets with a wrong checksum
}

func (c udpCounters) since(before udpCounters) udpCounters {
	return udpCounters{ignored: rise(before.ignored, c.ignored), damaged: rise(before.damaged, c.damaged)}
}

// Read takes a Snapshot of this host. It needs no privilege. The error is
// [ErrUnavailable].
func Read() (Snapshot, error) { return Take(os.DirFS("/")) }

// Take takes a Snapshot of the host whose root directory is fsys. Files that
// are missing leave their counters zero, since a system without IPv6 lacks
// some. The error is [ErrUnavailable], if not even the interfaces are there.
func Take(fsys fs.FS) (Snapshot, error) {
	text := func(name string) string {
		b, err := fs.ReadFile(fsys, name)
		if err != nil {
			return ""
		}
		return string(b)
	}
	proc := func(name string) string { return text(path.Join("proc/self/net", name)) }

	s := Snapshot{
		devices:      parseDev(proc("dev")),
		members:      map[netip.Addr][]string{},
		drops:        map[uint16]uint64{},
		defaultRoute: parseDefaultRoute(proc("route")),
	}
	if len(s.devices) == 0 {
		return Snapshot{}, ErrUnavailable
	}
	for name, d := range s.devices {
		switch firstWord(text(path.Join("sys/class/net", name, "operstate"))) {
		case "down", "lowerlayerdown", "notpresent":
			d.down = true
		}
		d.mtu = firstWord(text(path.Join("sys/class/net", name, "mtu")))
		// The kernel applies the larger of the two.
		d.rpFilter = max(
			firstWord(text("proc/sys/net/ipv4/conf/all/rp_filter")),
			firstWord(text(path.Join("proc/sys/net/ipv4/conf", name, "rp_filter"))))
		s.devices[name] = d
	}
	addIGMP(s.members, proc("igmp"))
	addIGMP6(s.members, proc("igmp6"))
	addDrops(s.drops, proc("udp"))
	addDrops(s.drops, proc("udp6"))
	s.count(parsePairs(proc("snmp")+proc("netstat")), parseColumns(proc("snmp6")))
	return s, nil
}

// Member reports whether a program on the host is a member of a multicast group,
// on the interface of that name.
func (s Snapshot) Member(group netip.Addr, device string) bool {
	return slices.Contains(s.members[group], device)
}

// count fills in the counters of the protocols. The kernel's names are used:
// Protocol.Counter in v4, bare in v6.
func (s *Snapshot) count(v4, v6 map[string]uint64) {
	s.ip4 = ipCounters{
		received:  v4["Ip.InReceives"],
		multicast: v4["IpExt.InMcastPkts"],
		delivered: v4["Ip.InDelivers"],
		forwarded: v4["Ip.ForwDatagrams"],
	}
	s.ip6 = ipCounters{
		received:  v6["Ip6InReceives"],
		multicast: v6["Ip6InMcastPkts"],
		delivered: v6["Ip6InDelivers"],
		forwarded: v6["Ip6OutForwDatagrams"],
	}
	s.reversePath = v4["TcpExt.IPReversePathFilter"]
	s.udp4 = udpCounters{ignored: v4["Udp.IgnoredMulti"], damaged: v4["Udp.InCsumErrors"]}
	s.udp6 = udpCounters{ignored: v6["Udp6IgnoredMulti"], damaged: v6["Udp6InCsumErrors"]}
	s.mldQueries = v6["Icmp6InGroupMembQueries"]
}

// since returns s with counts since before. Counters that went back, because a
// driver was loaded again or a socket was closed, count as zero.
func (s Snapshot) since(before Snapshot) Snapshot {
	d := s
	d.devices = map[string]device{}
	for name, now := range s.devices {
		then := before.devices[name]
		now.packets = rise(then.packets, now.packets)
		now.refused = rise(then.refused, now.refused)
		now.multicast = rise(then.multicast, now.multicast)
		d.devices[name] = now
	}
	d.drops = map[uint16]uint64{}
	for port, now := range s.drops {
		d.drops[port] = rise(before.drops[port], now)
	}
	d.ip4 = s.ip4.since(before.ip4)
	d.ip6 = s.ip6.since(before.ip6)
	d.reversePath = rise(before.reversePath, s.reversePath)
	d.udp4, d.udp6 = s.udp4.since(before.udp4), s.udp6.since(before.udp6)
	d.mldQueries = rise(before.mldQueries, s.mldQueries)
	return d
}

func (c ipCounters) since(before ipCounters) ipCounters {
	return ipCounters{
		received:  rise(before.received, c.received),
		multicast: rise(before.multicast, c.multicast),
		delivered: rise(before.delivered, c.delivered),
		forwarded: rise(before.forwarded, c.forwarded),
	}
}

// lost returns how many packets IP dropped: multicast after routing, and any
// before it. Where the two cannot be distinguished, packets count as multicast.
func (c ipCounters) lost() (multicast, other uint64) {
	all := rise(c.delivered+c.forwarded, c.received)
	multicast = min(c.multicast, all)
	return multicast, all - multicast
}

func rise(from, to uint64) uint64 { return max(to, from) - from }
