// SPDX-License-Identifier: GPL-2.0-or-later

// Package netif lists the network interfaces of this host and their addresses, and
// follows their changes. On Linux it does so without netlink where netlink fails:
// some sandboxes forbid it, and some emulators garble its answers.
package netif

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
)

// An Interface is a snapshot of a network interface. It has a link, as of a cable or
// an access point, if [net.FlagRunning] is among its flags.
type Interface struct {
	net.Interface

	Master     string // name of the interface that this one is a part of; empty: none
	MasterKind string // what that is, such as bridge, bond or vrf; empty: not known

	Has []Address // of either family
}

// An Address is one of an interface.
type Address struct {
	netip.Addr
	Tentative  bool // whether another host has it is still being found out: it cannot be used yet
	Failed     bool // another host has it: it cannot be used
	Deprecated bool // not for anything new
	Secondary  bool // not the first of its network (IPv4), or for a short time only (IPv6)
}

// Usable reports whether packets can come from the address.
func (a Address) Usable() bool { return !a.Tentative && !a.Failed }

// ErrNotListed is wrapped by errors that mean that this host did not report its
// interfaces.
var ErrNotListed = errors.New("cannot list the network interfaces")

// List returns all interfaces. Its errors wrap [ErrNotListed].
func List() ([]Interface, error) { return list(system) }

// list prefers the answer of the system to that of files and ioctls. A host has a
// loopback interface at least, and each has a name, so anything else is a wrong answer.
func list(system func() ([]Interface, error)) ([]Interface, error) {
	all, err := system()
	if err == nil && len(all) == 0 {
		err = errors.New("the system reports none")
	}
	if slices.ContainsFunc(all, func(i Interface) bool { return i.Name == "" }) {
		err = errors.New("the system reports interfaces without names")
	}
	if err != nil {
		found, without := withoutNetlink()
		if without != nil {
			return nil, fmt.Errorf("%w: %w; %w", ErrNotListed, err, without)
		}
		return found, nil
	}
	return all, nil
}

// ByName returns the interface of that name.
func ByName(name string) (Interface, error) {
	return only(func(i Interface) bool { return i.Name == name })
}

// ByIndex returns the interface of that index.
func ByIndex(index int) (Interface, error) {
	return only(func(i Interface) bool { return i.Index == index })
}

var errNotFound = errors.New("no such network interface")

func only(wanted func(Interface) bool) (Interface, error) {
	all, err := List()
	if err != nil {
		return Interface{}, err
	}
	for _, i := range all {
		if wanted(i) {
			return i, nil
		}
	}
	return Interface{}, errNotFound
}

// Addresses returns the addresses of the interface, of either family, those that
// cannot be used among them.
func (i Interface) Addresses() (found []netip.Addr) {
	for _, a := range i.Has {
		found = append(found, a.Addr)
	}
	return found
}
