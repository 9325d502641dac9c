// SPDX-License-Identifier: GPL-2.0-or-later

// Package netif lists the network interfaces of this host and their addresses. On
// Linux it does so without netlink where netlink fails: some sandboxes forbid it,
// and some emulators garble its answers.
package netif

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// An Interface is a snapshot of a network interface.
type Interface struct {
	net.Interface
	addresses []netip.Addr // of an interface that was listed without netlink; else nil
}

// ErrNotListed is wrapped by errors that mean that this host did not report its
// interfaces.
var ErrNotListed = errors.New("cannot list the network interfaces")

// List returns all interfaces. Its errors wrap [ErrNotListed].
func List() ([]Interface, error) { return list(net.Interfaces) }

// list prefers the answer of the system to that of files and ioctls. A host has a
// loopback interface at least, so an empty list is a wrong answer.
func list(system func() ([]net.Interface, error)) ([]Interface, error) {
	all, err := system()
	if err == nil && len(all) == 0 {
		err = errors.New("the system reports none")
	}
	if err != nil {
		found, without := withoutNetlink()
		if without != nil {
			return nil, fmt.Errorf("%w: %w; %w", ErrNotListed, err, without)
		}
		return found, nil
	}
	found := make([]Interface, len(all))
	for i := range all {
		found[i].Interface = all[i]
	}
	return found, nil
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

// Addresses returns the addresses of the interface, of either family.
func (i Interface) Addresses() (found []netip.Addr, err error) {
	if i.addresses != nil {
		return i.addresses, nil
	}
	all, err := i.Addrs()
	if err != nil {
		return addressesWithoutNetlink(i.Index, err)
	}
	for _, a := range all {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			found = append(found, prefix.Addr().Unmap())
		}
	}
	return found, nil
}

// addressesWithoutNetlink is for the interface of that index, whose addresses the
// system did not report because of err.
func addressesWithoutNetlink(index int, err error) ([]netip.Addr, error) {
	all, without := withoutNetlink()
	for _, i := range all {
		if i.Index == index {
			return i.addresses, nil
		}
	}
	if without == nil {
		without = errNotFound
	}
	return nil, fmt.Errorf("cannot list the addresses of a network interface: %w; %w", err, without)
}
