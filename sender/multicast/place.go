// SPDX-License-Identifier: GPL-2.0-or-later

package multicast

import (
	"fmt"
	"net/netip"
	"time"

	"iotupd/internal/mcast"
	"iotupd/internal/netif"
	"iotupd/proto"
)

// A spot is a Route, or the reason why there is none yet.
type spot struct {
	Route
	err   error     // why nothing can be sent; nil: it can
	since time.Time // when an address was first waited for; zero: it is not
}

// tentativeFor is how long to wait for a tentative address, for which the system
// still checks whether another host has it, if there is an address of the other
// family, or one of a smaller scope for source-specific sending.
const tentativeFor = 3 * time.Second

// place decides where packets go: to the interface of the given name, or to any
// if the name is empty, given all interfaces of the host and the previous
// decision. A choice stays, unless it was only a fallback. now may be zero where
// nobody waits.
func (c Config) place(all []netif.Interface, name string, was spot, now time.Time) spot {
	i, alone, err := c.pick(all, name, was)
	s := was
	if was.alone && !alone && err == nil {
		s = spot{} // another interface, and another multicast group
	}
	s.alone, s.err = alone, err
	if s.Port = c.Port; s.Port == 0 {
		s.Port = proto.DefaultPort
	}
	if i.Name == "" {
		return s
	}
	if i.Index != s.send.Interface.Index {
		s.Speed = netif.Speed(i.Name)
	}
	s.Interface, s.MTU, s.send.Interface = i.Name, i.MTU, i
	switch {
	case err != nil:
	case i.Bridge != "" && !i.IPv4 && !i.IPv6:
		s.err = &NotReadyError{name, fmt.Sprintf("%s is a port of the bridge %s and has no address: use -i %s", i.Name, i.Bridge, i.Bridge)}
	case !i.Link:
		s.err = &NotReadyError{name, fmt.Sprintf("interface %q has no link", i.Name)}
	default:
		s.source(c, i, now)
	}
	s.send.Group, s.send.Port, s.send.Source, s.send.HopLimit, s.send.DSCP = s.Group, s.Port, s.Source, c.HopLimit, c.DSCP
	return s
}

// pick chooses the interface. alone means that there is none but the loopback
// interface. If the error is not nil, the interface says as much as is known.
func (c Config) pick(all []netif.Interface, name string, was spot) (i mcast.Interface, alone bool, err error) {
	if name == "" && was.Interface != "" && !was.alone {
		name = was.Interface
	}
	if name != "" {
		i, err = mcast.Named(all, name, was.send.Interface.Index)
		if err != nil {
			err = &NotReadyError{name, err.Error()}
		}
		return i, false, err
	}
	list := mcast.Candidates(all)
	switch fit := mcast.Only(list, mcast.Fit); {
	case len(fit) == 1:
		return fit[0].Interface, fit[0].Loopback, nil
	case len(fit) > 1:
		several := &ChoiceError{}
		for _, f := range fit {
			several.Interfaces = append(several.Interfaces, f.Name)
		}
		return i, false, several
	case was.alone:
		i, err = mcast.Named(all, was.Interface, 0)
		return i, true, err
	}
	return i, false, &NotReadyError{"", "no interface can be sent on: " + mcast.Explain(list)}
}

// source chooses the multicast group, unless that is done, and the address that
// packets come from.
func (s *spot) source(c Config, i mcast.Interface, now time.Time) {
	if !s.Group.IsValid() && c.Group.IsValid() {
		s.Group = c.Group
	}
	chosen := c.SourceSpecific && s.Source.IsValid()
	var pending bool
	if s.Group.IsValid() {
		var source netip.Addr
		if source, pending = i.Source(s.Group, s.Source, chosen); chosen && source != s.Source {
			s.err = &NotReadyError{i.Name, fmt.Sprintf("%s does not have the address %v any more, which receivers know as --source; "+
				"it is waited for, and another one is for another start", i.Name, s.Source)}
			return
		}
		s.Source = source
	} else {
		pending = s.chooseFamily(c, i, now)
	}
	switch {
	case s.err != nil:
	case s.Source.IsValid():
		if wide := !s.Source.IsLinkLocalUnicast(); !c.SourceSpecific || chosen || wide || !s.waits(pending, now) {
			s.since = time.Time{}
			return
		}
		s.err = &NotReadyError{i.Name, fmt.Sprintf("interface %q has only the address %v that is checked for duplicates yet", i.Name, s.Source)}
		s.Source = netip.Addr{}
	default:
		s.err = &NotReadyError{i.Name, c.lacks(i, s.Group, pending)}
		s.waits(pending, now)
	}
}

// chooseFamily chooses the multicast group of the channel that the interface can
// send to: the IPv6 group if it has, or will soon have, an IPv6 address.
func (s *spot) chooseFamily(c Config, i mcast.Interface, now time.Time) (pending bool) {
	groups := proto.ChannelAddresses(c.Channel)
	v6, v4 := groups.IPv6, groups.IPv4
	if c.SourceSpecific {
		v6, v4 = groups.IPv6Source, groups.IPv4Source
	}
	if i.Loopback && c.Family == IPv6Only {
		s.err = ErrLoopbackIPv6
		return false
	}
	var source6, source4 netip.Addr
	var pending6, pending4 bool
	if c.Family != IPv4Only && !i.Loopback {
		source6, pending6 = i.Source(v6, netip.Addr{}, false)
	}
	if c.Family != IPv6Only {
		source4, pending4 = i.Source(v4, netip.Addr{}, false)
	}
	switch {
	case source6.IsValid():
		s.Group, s.Source = v6, source6
		return pending6
	case source4.IsValid() && !s.waits(pending6, now):
		s.Group, s.Source = v4, source4
		return pending4
	}
	return pending6 || pending4
}

// waits reports whether an address that is pending is still waited for.
func (s *spot) waits(pending bool, now time.Time) bool {
	switch {
	case !pending || now.IsZero():
		return false
	case s.since.IsZero():
		s.since = now
	}
	return now.Before(s.since.Add(tentativeFor))
}

// lacks says that an interface has no address for the multicast group, or, if the
// address family is not decided, for the group of either family.
func (c Config) lacks(i mcast.Interface, group netip.Addr, pending bool) string {
	family, like := "", []netip.Addr{netip.IPv6Unspecified(), netip.IPv4Unspecified()}
	switch {
	case group.Is4() || !group.IsValid() && c.Family == IPv4Only:
		family, like = "IPv4 ", like[1:]
	case group.Is6() || c.Family == IPv6Only:
		family, like = "IPv6 ", like[:1]
	}
	for _, l := range like {
		if failed := i.Failed(l); failed.IsValid() {
			return fmt.Sprintf("interface %q cannot use its address %v, which another host has", i.Name, failed)
		}
	}
	if pending {
		return fmt.Sprintf("interface %q has an %saddress that is still checked for duplicates", i.Name, family)
	}
	return fmt.Sprintf("interface %q has no usable %saddress", i.Name, family)
}

// wake returns when the wait for an address ends; zero if there is no such wait.
func (s *spot) wake() time.Time {
	if s.since.IsZero() || s.err == nil {
		return time.Time{}
	}
	return s.since.Add(tentativeFor)
}
