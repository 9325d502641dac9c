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

// A Membership is one multicast group on one interface, joined or not.
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

// A memberKey identifies a membership, whatever its state.
type memberKey struct {
	index         int
	name          string // of the interface, if it has no index; one that is renamed stays what it is
	group, source netip.Addr
}

func (m member) key() memberKey {
	k := memberKey{index: m.index, group: m.Group, source: m.Source}
	if m.index == 0 {
		k.name = m.Interface
	}
	return k
}

// Memberships lists what is joined, and what should be and is not. It does not wait
// for changes that are under way: the list is that before them.
func (l *Listener) Memberships() []Membership {
	if list := l.listed.Load(); list != nil {
		return slices.Clone(*list)
	}
	return nil
}

// SetGroups replaces the multicast groups, joining new ones and leaving others.
// Groups of a family without a socket are left out. With an empty list it leaves
// every group, and the sockets stay open.
func (l *Listener) SetGroups(groups []netip.Addr) error {
	if len(groups) > 0 {
		if err := validateGroups(groups); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.groups = slices.Clone(groups)
	return l.update(true)
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
	return l.update(true)
}

// Rejoin leaves all multicast groups and joins them again, which makes the host
// announce them again to switches and routers that forgot.
func (l *Listener) Rejoin() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.members {
		l.leave(m)
	}
	l.members = slices.DeleteFunc(l.members, func(m member) bool { return m.Err == nil })
	return l.update(true)
}

// update joins what should be joined and is not yet, and leaves what should no
// longer be. An interface that went away and came back has another index, so
// its memberships are others. What could not be joined before is tried only if retry
// is true.
func (l *Listener) update(retry bool) error {
	wanted, err := l.wanted()
	if err != nil {
		return err
	}
	before, stays := make(map[memberKey]member, len(l.members)), make(map[memberKey]bool, len(wanted))
	for _, m := range l.members {
		before[m.key()] = m
	}
	for _, m := range wanted {
		stays[m.key()] = true
	}
	for _, m := range l.members {
		if !stays[m.key()] {
			l.leave(m)
		}
	}
	var failed []member
	for i := range wanted {
		m := &wanted[i]
		was, known := before[m.key()]
		switch {
		case m.Err != nil:
		case known && (was.Err == nil || !retry):
			m.Err = was.Err
			continue
		default:
			m.Err = l.sockets[familyOf(m.Group)].join(*m)
		}
		switch {
		case errors.Is(m.Err, errNoneYet): // wantedAnywhere logs that
		case m.Err != nil && (!known || was.Err == nil || was.Err.Error() != m.Err.Error()):
			failed = append(failed, *m)
		case m.Err == nil:
			l.cfg.Logger.Debug("group joined", "interface", m.Interface, "group", m.Group, "source", m.Source)
		}
	}
	l.members = wanted
	l.logFailed(failed)
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

// logFailed logs what has just failed, one line for each reason.
func (l *Listener) logFailed(failed []member) {
	for len(failed) > 0 {
		reason := failed[0].Err
		var interfaces, groups []string
		var rest []member
		for _, m := range failed {
			if m.Err.Error() != reason.Error() {
				rest = append(rest, m)
				continue
			}
			if !slices.Contains(interfaces, m.Interface) {
				interfaces = append(interfaces, m.Interface)
			}
			if g := m.Group.String(); !slices.Contains(groups, g) {
				groups = append(groups, g)
			}
		}
		l.cfg.Logger.Warn("group not joined", "interface", strings.Join(shorten(interfaces), ", "),
			"group", strings.Join(shorten(groups), ", "), "error", reason)
		failed = rest
	}
}

// leave gives up m, if it was joined. It is not an error if the kernel has
// already given it up together with the interface.
func (l *Listener) leave(m member) {
	if m.Err == nil {
		l.sockets[familyOf(m.Group)].leave(m)
		l.cfg.Logger.Debug("group left", "interface", m.Interface, "group", m.Group)
	}
}

// wanted lists the memberships there should be now. One that cannot even be
// tried, for lack of its interface, says so in Err.
func (l *Listener) wanted() (wanted []member, err error) {
	all, err := listInterfaces()
	if err != nil {
		return nil, err // what is joined stays joined
	}
	if len(l.cfg.Interfaces) == 0 {
		return l.wantedAnywhere(all), nil
	}
	for _, name := range l.cfg.Interfaces {
		i, err := usable(all, name, l.indices[name])
		if err == nil {
			l.notice(name, i)
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

// wantedAnywhere lists the memberships on every suitable interface. If there are
// none, the reason is logged once.
func (l *Listener) wantedAnywhere(all []netif.Interface) (wanted []member) {
	fit := suitable(all)
	for _, i := range fit {
		wanted = append(wanted, l.wantedOn(i)...)
	}
	if len(wanted) > 0 || len(fit) > 0 && fit[0].Loopback {
		delete(l.logged, nothing)
		return wanted
	}
	for _, g := range l.groups { // there is something to wait for
		if l.sockets[familyOf(g)] != nil {
			wanted = append(wanted, member{Membership: Membership{Group: g, Err: errNoneYet}})
		}
	}
	if len(wanted) == 0 || l.logged[nothing] {
		return wanted
	}
	l.logged[nothing] = true
	list := Candidates(all)
	for n := range list {
		if c := &list[n]; c.Fitness == Fit {
			c.Fitness, c.Why = Later, "has no address of the family of any group and source"
		}
	}
	l.cfg.Logger.Warn("no interface can be listened on yet: " + Explain(list))
	return wanted
}

// nothing is the key in logged for a host without an interface to listen on.
const nothing = "nothing"

// errNoneYet is that of memberships that wait for any interface.
var errNoneYet = errors.New("no interface can be listened on yet")

// notice notes a named interface that was found, and logs what is odd about it.
func (l *Listener) notice(name string, i Interface) {
	l.indices[name] = i.Index
	if i.Name != name && !l.logged[name+" "+i.Name] {
		l.logged[name+" "+i.Name] = true
		l.cfg.Logger.Warn(fmt.Sprintf("interface %s is now called %s", name, i.Name))
	}
	if i.Bridge != "" && !l.logged[name+" "+i.Bridge] {
		l.logged[name+" "+i.Bridge] = true
		l.cfg.Logger.Warn(fmt.Sprintf("%s is a port of the bridge %s, which gets all that arrives there: use -i %s", i.Name, i.Bridge, i.Bridge))
	}
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

// startable returns why none of these memberships can work, or nil.
func startable(members []member) error {
	var why []string
	for _, m := range members {
		if m.Err == nil || m.index == 0 {
			return nil // joined, or an interface to wait for
		}
		why = append(why, fmt.Sprintf("%v on %s: %v", m.Group, m.Interface, m.Err))
	}
	if why == nil {
		return errors.New("no interface has an address of the family of the groups and sources, and nothing but the loopback interface is there")
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
		return fmt.Errorf("%w: the interface was just removed, or cannot multicast", err)
	case errors.Is(err, syscall.ENOPROTOOPT) && m.Source.IsValid():
		return fmt.Errorf("%w: this system cannot choose the sources of %v groups; leave out --source, or use the other family", err, f)
	}
	return err
}

func udpAddr(a netip.Addr) *net.UDPAddr { return &net.UDPAddr{IP: a.AsSlice()} }
