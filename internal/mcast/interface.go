// SPDX-License-Identifier: GPL-2.0-or-later

package mcast

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"iotupd/internal/netif"
)

// An Interface is a network interface as multicast sees it. It is a snapshot.
type Interface struct {
	Name  string
	Index int // the kernel's number, new each time the device appears
	MTU   int // bytes of the largest IP packet

	// IPv6 and IPv4 say whether it has an address of the family, perhaps one that
	// cannot be used yet. For IPv6 a link-local one is enough. A loopback
	// interface never counts for IPv6, because Linux does not deliver IPv6
	// multicast there.
	IPv6, IPv4 bool

	Loopback bool
	Link     bool   // there is a cable, or an access point
	Bridge   string // that it is a port of: packets come by that, not by this one

	addresses []netif.Address
}

// listInterfaces is a variable so that tests can make it fail.
var listInterfaces = netif.List

// has reports whether i has an address of family f.
func (i Interface) has(f family) bool {
	if f == ipv6Family {
		return i.IPv6
	}
	return i.IPv4
}

// Source returns the address that packets to a multicast group of the family of
// like come from: one that is not the address of another host, for good, and with
// the widest scope. was is kept if it is usable and keep is true, or if there is
// no better one. If there is none, pending reports whether there may be one in a
// moment.
func (i Interface) Source(like, was netip.Addr, keep bool) (source netip.Addr, pending bool) {
	best := -1
	for _, a := range i.addresses {
		if familyOf(a.Addr) != familyOf(like) {
			continue
		}
		pending = pending || a.Tentative
		if !a.Usable() {
			continue
		}
		rank := rankOf(a)
		if a.Addr == was {
			if keep {
				return was, false
			}
			rank++
		}
		if rank > best {
			best, source = rank, a.Addr
		}
	}
	return source, pending
}

// rankOf orders addresses by how good a source they are, by even numbers.
func rankOf(a netif.Address) (rank int) {
	if !a.IsLinkLocalUnicast() {
		rank += 8
	}
	if !a.Deprecated {
		rank += 4
	}
	if !a.Secondary {
		rank += 2
	}
	return rank
}

// Failed returns an address of the family that another host has, if there is one.
func (i Interface) Failed(like netip.Addr) (failed netip.Addr) {
	for _, a := range i.addresses {
		if a.Failed && familyOf(a.Addr) == familyOf(like) {
			return a.Addr
		}
	}
	return failed
}

// Suitable lists the interfaces to listen on where none is named: those that are up,
// with or without a link, and else are fit as [Candidates] says, if they have an
// address.
func Suitable() ([]Interface, error) {
	all, err := listInterfaces()
	if err != nil {
		return nil, err
	}
	return suitable(all), nil
}

func suitable(all []netif.Interface) (found []Interface) {
	for n, c := range Candidates(all) {
		up := all[n].Flags&net.FlagUp != 0
		if up && (c.Fitness == Fit || c.Fitness == Later) && (c.IPv6 || c.IPv4) {
			found = append(found, c.Interface)
		}
	}
	return found
}

// errNoSuchName is wrapped by the error of Named for a name that no interface has.
var errNoSuchName = errors.New("not found")

// IsMissing reports whether an error says that there is no interface of a name.
func IsMissing(err error) bool { return errors.Is(err, errNoSuchName) }

// InterfaceByName returns the interface of that name, suitable or not, as long
// as it is up and able to multicast. The error lists those that could be used.
func InterfaceByName(name string) (Interface, error) {
	all, err := listInterfaces()
	if err != nil {
		return Interface{}, err
	}
	return usable(all, name, 0)
}

// usable is Named for interfaces that have an address.
func usable(all []netif.Interface, name string, index int) (Interface, error) {
	i, err := Named(all, name, index)
	switch {
	case err != nil || i.IPv6 || i.IPv4:
		return i, err
	case i.Bridge != "":
		return i, fmt.Errorf("interface %q has no address, and is a port of the bridge %s, which gets all that arrives there: use -i %[2]s", i.Name, i.Bridge)
	}
	return i, fmt.Errorf("interface %q has no usable address", i.Name)
}

// describe returns what multicast needs to know of ifi.
func describe(ifi netif.Interface) Interface {
	d := Interface{
		Name: ifi.Name, Index: ifi.Index, MTU: ifi.MTU, addresses: ifi.Has,
		Loopback: ifi.Flags&net.FlagLoopback != 0, Link: ifi.Flags&net.FlagRunning != 0,
	}
	if ifi.MasterKind == "bridge" {
		d.Bridge = ifi.Master
	}
	for _, a := range ifi.Has {
		switch familyOf(a.Addr) {
		case ipv4Family:
			d.IPv4 = true
		case ipv6Family:
			d.IPv6 = !d.Loopback
		}
	}
	return d
}
