// SPDX-License-Identifier: GPL-2.0-or-later

package mcast

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"

	"iotupd/internal/netif"
)

// A Membership is one group on one interface, joined or not.
type Membership struct {
	Interface string // name
	Group     netip.Addr
	Source    netip.Addr // the only source to hear; the zero Addr: any
	Err       error      // nil: joined; otherwise why not, and it is tried again
}

// A member is a membership together with what it was joined by.
type member struct {
	Membership
	index int // of the interface; zero: it is not there
}

// same tells whether a and b are the same membership, whatever became of it.
func same(a, b member) bool {
	return a.index == b.index && a.Interface == b.Interface && a.Group == b.Group && a.Source == b.Source
}

// Memberships lists what is joined, and what should be and is not. It does not wait
// for changes that are under way: the list is that before them.
func (l *Listener) Memberships() []Membership {
	if list := l.listed.Load(); list != nil {
		return slices.Clone(*list)
	}
	return nil
}

// SetGroups replaces the groups, joining and leaving what differs. Those of a
// family that has no socket are left out. None at all leaves every group, and the
// sockets stay open.
func (l *Listener) SetGroups(groups []netip.Addr) error {
	if len(groups) > 0 {
		if err := validateGroups(groups); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.groups = slices.Clone(groups)
	return l.update()
}

// SetSources replaces the sources, as of [ListenConfig], joining and leaving
// what differs. None at all means any source.
func (l *Listener) SetSources(sources []netip.Addr) error {
	if err := validateSources(sources); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sources = slices.Clone(sources)
	return l.update()
}

// Rejoin leaves all groups and joins them again, which makes the host announce
// them anew to switches and routers that forgot.
func (l *Listener) Rejoin() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.members {
		l.leave(m)
	}
	l.members = nil
	return l.update()
}

// update joins what should be joined and is not yet, and leaves what should no
// longer be. An interface that went away and came back has another index, so
// its memberships are others.
func (l *Listener) update() error {
	wanted, err := l.wanted()
	if err != nil {
		return err
	}
	for _, m := range l.members {
		if !slices.ContainsFunc(wanted, func(w member) bool { return same(w, m) }) {
			l.leave(m)
		}
	}
	for i := range wanted {
		m := &wanted[i]
		before := slices.IndexFunc(l.members, func(o member) bool { return same(o, *m) })
		if before >= 0 && l.members[before].Err == nil {
			continue
		}
		if m.Err == nil {
			m.Err = l.sockets[familyOf(m.Group)].join(*m)
		}
		if before < 0 || m.Err == nil || m.Err.Error() != l.members[before].Err.Error() {
			l.logJoin(*m)
		}
	}
	l.members = wanted
	list := make([]Membership, len(wanted))
	for i, m := range wanted {
		list[i] = m.Membership
	}
	l.listed.Store(&list)
	for _, s := range l.Sockets() {
		s.filter.Store(newFilter(s.family, l.members))
	}
	return nil
}

func (l *Listener) logJoin(m member) {
	if m.Err != nil {
		l.cfg.Logger.Warn("group not joined", "interface", m.Interface, "group", m.Group, "error", m.Err)
		return
	}
	l.cfg.Logger.Debug("group joined", "interface", m.Interface, "group", m.Group, "source", m.Source)
}

// leave gives up m, if it was joined. That the kernel has already given it up,
// together with the interface, is no news.
func (l *Listener) leave(m member) {
	if m.Err == nil {
		l.sockets[familyOf(m.Group)].leave(m)
		l.cfg.Logger.Debug("group left", "interface", m.Interface, "group", m.Group)
	}
}

// wanted lists the memberships there should be now. One that cannot even be
// tried, for lack of its interface, says so in Err.
func (l *Listener) wanted() ([]member, error) {
	if len(l.cfg.Interfaces) == 0 {
		list, err := Suitable()
		if err != nil {
			return nil, err
		}
		var wanted []member
		for _, i := range list {
			wanted = append(wanted, l.wantedOn(i)...)
		}
		return wanted, nil
	}
	var wanted []member
	for _, name := range l.cfg.Interfaces {
		i, err := usable(name)
		if errors.Is(err, netif.ErrNotListed) {
			return nil, err // what is joined stays joined
		}
		on := l.wantedOn(i)
		if err == nil && len(on) == 0 {
			err = fmt.Errorf("interface %q has no address of the family of any group and source", name)
		}
		if err != nil {
			on = nil
			for _, g := range l.groups {
				on = append(on, member{Membership: Membership{Interface: name, Group: g, Err: err}})
			}
		}
		wanted = append(wanted, on...)
	}
	return wanted, nil
}

// wantedOn lists the memberships there should be on interface i.
func (l *Listener) wantedOn(i Interface) []member {
	var wanted []member
	for _, g := range l.groups {
		f := familyOf(g)
		if l.sockets[f] == nil || !i.has(f) {
			continue
		}
		sources := ofFamily(f, l.sources)
		if len(l.sources) == 0 {
			sources = []netip.Addr{{}} // any
		}
		for _, s := range sources {
			wanted = append(wanted, member{Membership{Interface: i.Name, Group: g, Source: s}, i.Index})
		}
	}
	return wanted
}

// startable tells why it is no use to start with these memberships, or nil.
func startable(members []member) error {
	var why []string
	for _, m := range members {
		if m.Err == nil || m.index == 0 {
			return nil // joined, or an interface to wait for
		}
		why = append(why, fmt.Sprintf("%v on %s: %v", m.Group, m.Interface, m.Err))
	}
	if why == nil {
		return fmt.Errorf("no interface has an address of the family of the groups and sources; "+
			"up and able to multicast here: %s", suitableNames())
	}
	return fmt.Errorf("no group could be joined: %s", strings.Join(why, "; "))
}

// explainJoin puts the advice to err that its number calls for.
func explainJoin(m member, err error) error {
	switch f := familyOf(m.Group); {
	case err == nil, errors.Is(err, syscall.EADDRINUSE): // is a member already
		return nil
	case errors.Is(err, syscall.ENOBUFS) && f == ipv4Family:
		return fmt.Errorf("%w: too many IPv4 groups and sources; raise the sysctls net.ipv4.igmp_max_memberships and igmp_max_msf", err)
	case errors.Is(err, syscall.ENODEV):
		return fmt.Errorf("%w: the interface has just gone, or cannot multicast", err)
	case errors.Is(err, syscall.ENOPROTOOPT) && m.Source.IsValid():
		return fmt.Errorf("%w: this system cannot choose the sources of %v groups; leave out --source, or use the other family", err, f)
	}
	return err
}

func udpAddr(a netip.Addr) *net.UDPAddr { return &net.UDPAddr{IP: a.AsSlice()} }
