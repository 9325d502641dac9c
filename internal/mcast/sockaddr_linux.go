// SPDX-License-Identifier: GPL-2.0-or-later

package mcast

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// A sockaddr is struct sockaddr_in6 or the shorter struct sockaddr_in, the rest
// then zero:
//
//	| family 2 | port 2 | flow label 4 | IPv6 address 16 | scope 4 |
//	| family 2 | port 2 | IPv4 address 4 | zero 8 |
//
// The family and the scope have the machine's byte order.
type sockaddr [unix.SizeofSockaddrInet6]byte

// newSockaddr returns the address and how many of its bytes count. The scope is
// the interface of a link-local address, which others ignore.
func newSockaddr(a netip.AddrPort, scope int) (s sockaddr, n uint32) {
	binary.BigEndian.PutUint16(s[2:], a.Port())
	if a.Addr().Is4() {
		binary.NativeEndian.PutUint16(s[:], unix.AF_INET)
		v4 := a.Addr().As4()
		copy(s[4:], v4[:])
		return s, unix.SizeofSockaddrInet4
	}
	binary.NativeEndian.PutUint16(s[:], unix.AF_INET6)
	v6 := a.Addr().As16()
	copy(s[8:], v6[:])
	binary.NativeEndian.PutUint32(s[24:], uint32(scope))
	return s, unix.SizeofSockaddrInet6
}

// addrPort returns the address and its scope.
func (s *sockaddr) addrPort() (a netip.AddrPort, scope int) {
	port := binary.BigEndian.Uint16(s[2:])
	if binary.NativeEndian.Uint16(s[:]) == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(s[4:])), port), 0
	}
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte(s[8:])), port), int(binary.NativeEndian.Uint32(s[24:]))
}
