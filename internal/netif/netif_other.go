// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !linux

package netif

import (
	"errors"
	"net"
	"net/netip"
)

// system lists what package net does. An interface that has just vanished has no
// addresses.
func system() (found []Interface, err error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	for _, ifi := range all {
		i := Interface{Interface: ifi}
		addrs, _ := ifi.Addrs()
		for _, a := range addrs {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil {
				i.Has = append(i.Has, Address{Addr: prefix.Addr().Unmap()})
			}
		}
		found = append(found, i)
	}
	return found, nil
}

func withoutNetlink() ([]Interface, error) {
	return nil, errors.New("nor in another way on this system")
}

// announcements returns no channel: the interfaces are looked at regularly.
func announcements() (changed <-chan struct{}, stop func(), err error) {
	return nil, func() {}, errors.ErrUnsupported
}
