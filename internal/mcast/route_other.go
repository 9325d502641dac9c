// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !linux

package mcast

import (
	"net"
	"net/netip"
	"slices"

	"iotupd/internal/netif"
)

// defaultRoutes names the interfaces of the default routes, IPv4 before IPv6.
// It asks which local address would be used towards an address that is far away
// by definition (RFC 5737, RFC 3849): connecting a UDP socket sends nothing.
func defaultRoutes() []string {
	var list []string
	for _, far := range []string{"192.0.2.1:9", "[2001:db8::1]:9"} {
		conn, err := net.Dial("udp", far)
		if err != nil {
			continue
		}
		local := conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr()
		conn.Close()
		if name, ok := ownerOf(local); ok {
			list = append(list, name)
		}
	}
	return list
}

// ownerOf names the interface that has the address.
func ownerOf(local netip.Addr) (string, bool) {
	all, _ := netif.List()
	for _, ifi := range all {
		addrs, _ := ifi.Addresses()
		if slices.Contains(addrs, local.Unmap()) {
			return ifi.Name, true
		}
	}
	return "", false
}
