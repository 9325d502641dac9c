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
	var address netip.Addr
	if m.Group.Is4() {
		var err error
		if address, err = s.interfaceAddress(m, to); err != nil {
			return fmt.Errorf("%w: %w", unknown, err)
		}
	}
	var failed error
	err := s.sys.raw.Control(func(fd uintptr) { failed = setOldOption(int(fd), m, to, address) })
	return errors.Join(err, os.NewSyscallError("setsockopt", failed))
}

// setOldOption names the interface by its index for IPv6, and by one of its
// addresses for IPv4. There, struct ip_mreqn has an index, too, but emulators of
// 64-bit processors garble it.
func setOldOption(fd int, m member, to change, address netip.Addr) error {
	if m.Group.Is6() {
		option := [...]int{joining: unix.IPV6_JOIN_GROUP, leaving: unix.IPV6_LEAVE_GROUP}[to]
		return unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, option,
			&unix.IPv6Mreq{Multiaddr: m.Group.As16(), Interface: uint32(m.index)})
	}
	option := [...]int{joining: unix.IP_ADD_MEMBERSHIP, leaving: unix.IP_DROP_MEMBERSHIP}[to]
	if m.Source.IsValid() {
		option = [...]int{joining: unix.IP_ADD_SOURCE_MEMBERSHIP, leaving: unix.IP_DROP_SOURCE_MEMBERSHIP}[to]
	}
	mreq := slices.Concat(m.Group.AsSlice(), address.AsSlice(), m.Source.AsSlice()) // struct ip_mreq or ip_mreq_source
	return unix.SetsockoptString(fd, unix.IPPROTO_IP, option, string(mreq))
}

// interfaceAddress returns the address that names the interface of m. A multicast
// group is left by the address that it was joined by, whatever has become of
// that.
func (s *Socket) interfaceAddress(m member, to change) (netip.Addr, error) {
	at := arrival{m.Group, m.index}
	if a, ok := s.sys.joinedBy[at]; ok && to == leaving {
		return a, nil
	}
	a, err := addressOf(m.index)
	if err == nil && to == joining {
		if s.sys.joinedBy == nil {
			s.sys.joinedBy = make(map[arrival]netip.Addr)
		}
		s.sys.joinedBy[at] = a
	}
	return a, err
}

// bindToInterface chooses the interface to send on where no option for multicast
// does: emulators of other processors do not know any, for either family. Binding
// it again, to the same interface with another index, takes privileges.
func (c *Conn) bindToInterface(unknown error) error {
	var failed error
	err := c.sys.raw.Control(func(fd uintptr) { failed = unix.BindToDevice(int(fd), c.cfg.Interface.Name) })
	if failed != nil {
		failed = fmt.Errorf("%w; nor by SO_BINDTODEVICE: %w", unknown, failed)
	}
	return errors.Join(err, failed)
}

// addressOf returns an IPv4 address of the interface with that index which no other
// interface has.
func addressOf(index int) (netip.Addr, error) {
	all, err := netif.List()
	if err != nil {
		return netip.Addr{}, err
	}
	var own, others []netip.Addr
	for _, i := range all {
		if i.Index == index {
			own = i.Addresses()
		} else {
			others = append(others, i.Addresses()...)
		}
	}
	for _, a := range own {
		if a.Is4() && !slices.Contains(others, a) {
			return a, nil
		}
	}
	return netip.Addr{}, errors.New("the interface has no IPv4 address of its own")
}
