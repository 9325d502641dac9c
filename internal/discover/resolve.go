// SPDX-License-Identifier: GPL-2.0-or-later

package discover

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"iotupd/proto"
)

// An askFunc asks for the records of one type at a name. The error is that no
// server answers; that there is no record is an answer.
type askFunc func(ctx context.Context, name string, typ dnsmessage.Type) (answer, error)

// A NotFoundError tells that DNS knows no sender of a channel.
type NotFoundError struct {
	Record string // that was looked for, and its name
	Why    string
}

func (e *NotFoundError) Error() string { return fmt.Sprintf("%s: %s", e.Record, e.Why) }

// retryHost is how long a plan holds for which not all hosts could be asked for.
const retryHost = time.Minute

// A resolution is one call of resolve.
type resolution struct {
	ask  askFunc
	plan *Plan
	old  *Plan // nil: none
}

// resolve asks for all that makes up a plan. A host whose addresses nobody can
// tell just now keeps those that it has in the old plan, which may be nil.
func resolve(ctx context.Context, ask askFunc, name string, old *Plan) (*Plan, error) {
	g := proto.ChannelGroups(name)
	r := resolution{ask: ask, old: old, plan: &Plan{
		Name: name, Group6: g.IPv6Source, Group4: g.IPv4Source, Layers: 1, TTL: maxTTL,
	}}
	services, err := r.services(ctx, service+name)
	if err != nil {
		return nil, err
	}
	texts, err := r.query(ctx, service+name, dnsmessage.TypeTXT)
	if err != nil {
		return nil, err
	}
	if err := r.plan.readTexts(texts.texts); err != nil {
		return nil, fmt.Errorf("%s: %w", service+name, err)
	}
	if err := r.addSources(ctx, services); err != nil {
		return nil, err
	}
	r.plan.TTL = max(minTTL, r.plan.TTL)
	return r.plan, nil
}

// query asks one question, whose answer the plan may not outlive.
func (r *resolution) query(ctx context.Context, name string, typ dnsmessage.Type) (answer, error) {
	a, err := r.ask(ctx, name, typ)
	if err == nil {
		r.plan.TTL = min(r.plan.TTL, a.ttl)
	}
	return a, err
}

// services returns the usable SRV records at name, best priority first, and in
// an order that does not depend on that of the answer.
func (r *resolution) services(ctx context.Context, name string) ([]dnsmessage.SRVResource, error) {
	a, err := r.query(ctx, name, dnsmessage.TypeSRV)
	if err != nil {
		return nil, err
	}
	record := "no SRV record at " + name
	switch {
	case a.noName:
		return nil, &NotFoundError{record, "there is no such name (NXDOMAIN)"}
	case a.empty():
		return nil, &NotFoundError{record, "there is none of this type"}
	}
	slices.SortFunc(a.services, func(x, y dnsmessage.SRVResource) int {
		return cmp.Or(cmp.Compare(x.Priority, y.Priority), cmp.Compare(canonical(x.Target), canonical(y.Target)),
			cmp.Compare(x.Port, y.Port))
	})
	var usable []dnsmessage.SRVResource
	for _, s := range a.services {
		switch host := canonical(s.Target); {
		case host == "":
			r.plan.refuse("SRV record with target .: the service is not offered there")
		case checkName(host) != nil:
			r.plan.refuse("SRV record with target %.80q, which is not the name of a host", host)
		case s.Port == 0:
			r.plan.refuse("SRV record of %s with port 0", host)
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
func (r *resolution) addSources(ctx context.Context, services []dnsmessage.SRVResource) error {
	hosts := make(map[string][]netip.Addr)
	var failed error
	for _, s := range services {
		host := canonical(s.Target)
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
	for _, typ := range []dnsmessage.Type{dnsmessage.TypeAAAA, dnsmessage.TypeA} {
		a, err := r.query(ctx, host, typ)
		if err != nil {
			failed = err
			r.plan.refuse("%v", err)
			r.plan.TTL = min(r.plan.TTL, retryHost)
			a.addresses = r.old.known(host, typ)
		}
		slices.SortFunc(a.addresses, netip.Addr.Compare)
		for _, addr := range a.addresses {
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

// known returns the addresses of a host in p, of the type that holds them.
func (p *Plan) known(host string, typ dnsmessage.Type) (addrs []netip.Addr) {
	if p == nil {
		return nil
	}
	for _, l := range p.Levels {
		for _, s := range l.Sources {
			if s.Host == host && s.Addr.Is4() == (typ == dnsmessage.TypeA) {
				addrs = append(addrs, s.Addr)
			}
		}
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs)
}

// isHost reports whether packets of another host can come from a: not if it is
// of a group, of this host or of none.
func isHost(a netip.Addr) bool {
	if a.Is4() {
		if b := a.As4(); b[0] == 0 || b[0] >= 240 {
			return false
		}
	}
	return a.IsValid() && !a.Is4In6() && !a.IsMulticast() && !a.IsUnspecified() && !a.IsLoopback()
}
