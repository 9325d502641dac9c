// SPDX-License-Identifier: GPL-2.0-or-later

package discover

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"iotupd/proto"
)

// A NotFoundError says that DNS knows no sender of a channel.
type NotFoundError struct {
	Record string // that was looked for, and its name
	Why    string
}

func (e *NotFoundError) Error() string { return fmt.Sprintf("%s: %s", e.Record, e.Why) }

// A resolution is one call of resolve.
type resolution struct {
	Resolver
	plan *Plan
	old  *Plan // nil: none
}

// resolve asks for all records of a plan. A host whose addresses cannot be
// resolved just now keeps its addresses in the old plan, which may be nil.
func resolve(ctx context.Context, ask Resolver, name string, old *Plan) (*Plan, error) {
	g := proto.ChannelAddresses(name)
	r := resolution{Resolver: ask, old: old, plan: &Plan{
		Name: name, Group6: g.IPv6Source, Group4: g.IPv4Source, Layers: 1, Refresh: refreshEvery,
	}}
	services, err := r.services(ctx, service+name)
	if err != nil {
		return nil, err
	}
	texts, err := r.lookupTXT(ctx, service+name)
	if err != nil {
		return nil, err
	}
	if err := r.plan.readTexts(texts); err != nil {
		return nil, fmt.Errorf("%s: %w", service+name, err)
	}
	if err := r.addSources(ctx, services); err != nil {
		return nil, err
	}
	return r.plan, nil
}

// services returns the usable SRV records at name, best priority first, and in an
// order that does not depend on the order of the answer.
func (r *resolution) services(ctx context.Context, name string) ([]*net.SRV, error) {
	found, invalid, err := r.lookupSRV(ctx, name)
	if err != nil {
		return nil, err
	}
	if invalid {
		r.plan.refuse("SRV records with targets that are not names of hosts")
	}
	for _, s := range found {
		s.Target = canonical(s.Target)
	}
	slices.SortFunc(found, func(x, y *net.SRV) int {
		return cmp.Or(cmp.Compare(x.Priority, y.Priority), cmp.Compare(x.Target, y.Target), cmp.Compare(x.Port, y.Port))
	})
	var usable []*net.SRV
	for _, s := range found {
		switch {
		case s.Target == "":
			r.plan.refuse("SRV record with target .: the service is not offered there")
		case s.Port == 0:
			r.plan.refuse("SRV record of %s with port 0", s.Target)
		case len(usable) == maxServices:
			r.plan.refuse("SRV records beyond the first %d", maxServices)
			return usable, nil
		default:
			usable = append(usable, s)
		}
	}
	if usable == nil {
		return nil, &NotFoundError{"no usable SRV record at " + name, r.plan.Refused[0]}
	}
	return usable, nil
}

// addSources looks up the hosts and sorts their addresses into levels.
func (r *resolution) addSources(ctx context.Context, services []*net.SRV) error {
	hosts := make(map[string][]netip.Addr)
	var failed error
	for _, s := range services {
		host := s.Target
		if _, known := hosts[host]; !known {
			if len(hosts) == maxHosts {
				r.plan.refuse("%s and further hosts; only %d are asked for", host, maxHosts)
				continue
			}
			addrs, err := r.addresses(ctx, host)
			if err != nil {
				failed = cmp.Or(failed, err)
			}
			hosts[host] = addrs
		}
		for _, a := range hosts[host] {
			r.add(s.Priority, Source{Host: host, Addr: a, Port: s.Port})
		}
	}
	if len(r.plan.Levels) > 0 {
		return nil
	}
	if failed != nil {
		return failed
	}
	return &NotFoundError{"no address of a sender of " + r.plan.Name, r.plan.Refused[0]}
}

// add adds a source to the level of its priority, which is the last one or new.
func (r *resolution) add(priority uint16, s Source) {
	p := r.plan
	if n := len(p.Levels); n == 0 || p.Levels[n-1].Priority != priority {
		p.Levels = append(p.Levels, Level{Priority: priority})
	}
	l := &p.Levels[len(p.Levels)-1]
	i, twice := slices.BinarySearchFunc(l.Sources, s, Source.compare)
	switch {
	case twice:
	case len(l.Sources) == maxSources:
		p.refuse("%v: priority %d has %d sources already", s, priority, maxSources)
	default:
		l.Sources = slices.Insert(l.Sources, i, s)
	}
}

// addresses returns the addresses of a host, of both families.
func (r *resolution) addresses(ctx context.Context, host string) (addrs []netip.Addr, failed error) {
	for _, f := range []family{ipv6, ipv4} {
		found, err := r.lookupAddr(ctx, host, f)
		if err != nil {
			failed = err
			r.plan.refuse("%v", err)
			r.plan.Refresh = retryHost
			found = r.old.known(host, f)
		}
		for _, addr := range found {
			if !isHost(addr) {
				r.plan.refuse("%s has the address %v, which no sender can have", host, addr)
				continue
			}
			addrs = append(addrs, addr)
		}
	}
	if len(addrs) == 0 && failed == nil {
		r.plan.refuse("%s has no address", host)
	}
	return addrs, failed
}

// known returns the addresses of a host in p that are of one family.
func (p *Plan) known(host string, f family) (addrs []netip.Addr) {
	if p == nil {
		return nil
	}
	for _, l := range p.Levels {
		for _, s := range l.Sources {
			if s.Host == host && s.Addr.Is4() == (f == ipv4) {
				addrs = append(addrs, s.Addr)
			}
		}
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs)
}

// isHost reports whether packets of another host can come from a: not if it is of
// a multicast group, of this host or of none.
func isHost(a netip.Addr) bool {
	if a.Is4() {
		if b := a.As4(); b[0] == 0 || b[0] >= 240 {
			return false
		}
	}
	return a.IsValid() && !a.Is4In6() && !a.IsMulticast() && !a.IsUnspecified() && !a.IsLoopback()
}

// canonical returns a name as names are compared: in lower case, and without
// the final dot.
func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }
