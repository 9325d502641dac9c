// SPDX-License-Identifier: GPL-2.0-or-later

package mcast

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"iotupd/internal/netif"
)

// changeByOldOption joins or leaves by the options that were there before those of
// RFC 3678, which emulators of other processors do not know. Of these options, only
// one of IPv4 chooses a source: for IPv6, the answer is the error that the new
// option got.
func (s *Socket) changeByOldOption(m member, to change, unknown error) error {
	if m.Source.Is6() {
		return unknown
	}
	var interfaceAddress netip.Addr
	if m.Source.IsValid() {
		var err error
		if interfaceAddress, err = addressOf(m.index); err != nil {
			return fmt.Errorf("%w: %w", unknown, err)
		}
	}
	var failed error
	err := s.sys.raw.Control(func(fd uintptr) {
		failed = setOldOption(int(fd), m, to, interfaceAddress)
	})
	return errors.Join(err, os.NewSyscallError("setsockopt", failed))
}

func setOldOption(fd int, m member, to change, interfaceAddress netip.Addr) error {
	switch {
	case m.Group.Is6():
		option := [...]int{joining: unix.IPV6_JOIN_GROUP, leaving: unix.IPV6_LEAVE_GROUP}[to]
		return unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, option,
			&unix.IPv6Mreq{Multiaddr: m.Group.As16(), Interface: uint32(m.index)})
	case !m.Source.IsValid():
		option := [...]int{joining: unix.IP_ADD_MEMBERSHIP, leaving: unix.IP_DROP_MEMBERSHIP}[to]
		return unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, option,
			&unix.IPMreqn{Multiaddr: m.Group.As4(), Ifindex: int32(m.index)})
	}
	option := [...]int{joining: unix.IP_ADD_SOURCE_MEMBERSHIP, leaving: unix.IP_DROP_SOURCE_MEMBERSHIP}[to]
	mreq := slices.Concat(m.Group.AsSlice(), interfaceAddress.AsSlice(), m.Source.AsSlice()) // struct ip_mreq_source
	return unix.SetsockoptString(fd, unix.IPPROTO_IP, option, string(mreq))
}

// addressOf returns an IPv4 address that no other interface has, which is how the
// old option for sources names an interface.
func addressOf(index int) (netip.Addr, error) {
	all, err := netif.List()
	if err != nil {
		return netip.Addr{}, err
	}
	owners := make(map[netip.Addr]int) // index of the interface; zero: several have it
	for _, i := range all {
		addresses, err := i.Addresses()
		if err != nil {
			return netip.Addr{}, err
		}
		for _, a := range addresses {
			if owner, taken := owners[a]; taken && owner != i.Index {
				owners[a] = 0
			} else {
				owners[a] = i.Index
			}
		}
	}
	for a, owner := range owners {
		if owner == index && a.Is4() {
			return a, nil
		}
	}
	return netip.Addr{}, errors.New("the interface has no IPv4 address of its own")
}
