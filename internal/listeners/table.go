// SPDX-License-Identifier: GPL-2.0-or-later

package listeners

import (
	"net/netip"
	"time"
)

const (
	// robustness is how often everything is said and asked, so that one packet may
	// be lost (RFC 3376 8.1).
	robustness = 2
	// leaveTime is how long it takes the querier to ask for others after somebody
	// left (RFC 3376 8.8).
	leaveTime = 2 * time.Second
	// minWithin is the least time that hosts are given to answer a query.
	minWithin = leaveTime / robustness
	// answerTime is what an answer may be later than it should.
	answerTime = time.Second
	// maxHosts bounds the hosts that are distinguished. All further hosts
	// together count as one, which leaves only by not answering.
	maxHosts = 256
)

// others stands for all hosts beyond maxHosts. No host has this address.
var others = netip.IPv6Unspecified()

// A table is a membership table: the hosts that listen to a stream. It reads no
// clock. The zero table is empty.
//
// By the newer versions of IGMP and MLD every host reports for itself. By the
// older ones one host answers for all, so that the others time out; they report
// when the querier asks after that one has left.
type table struct {
	hosts map[netip.Addr]member
	asked time.Time // when everybody was asked last
}

// A member is a host that joined and has not left yet.
type member struct {
	missed int       // queries since its last report
	until  time.Time // when it has left, if nothing is heard before; zero: not in sight
}

// update applies a report or a query that arrived at now.
func (a *table) update(now time.Time, m message) {
	a.expire(now)
	m.within = max(m.within, minWithin)
	switch m.kind {
	case joined:
		a.join(m.from)
	case left:
		if h, ok := a.hosts[m.from]; ok {
			a.hosts[m.from] = h.leavesBy(now.Add(leaveTime))
		}
	case askedAll:
		if !a.asked.IsZero() && now.Sub(a.asked) < m.within {
			return // the same answer serves both
		}
		a.asked = now
		for from, h := range a.hosts {
			if h.missed++; h.missed >= robustness {
				h = h.leavesBy(now.Add(m.within + answerTime))
			}
			a.hosts[from] = h
		}
	case askedUs:
		for from, h := range a.hosts {
			a.hosts[from] = h.leavesBy(now.Add(robustness * m.within))
		}
	}
}

func (a *table) join(from netip.Addr) {
	if a.hosts == nil {
		a.hosts = map[netip.Addr]member{}
	}
	if _, known := a.hosts[from]; !known && len(a.hosts) >= maxHosts {
		from = others
	}
	a.hosts[from] = member{}
}

// leavesBy returns h with an end no later than at.
func (h member) leavesBy(at time.Time) member {
	if h.until.IsZero() || at.Before(h.until) {
		h.until = at
	}
	return h
}

func (a *table) expire(now time.Time) {
	for from, h := range a.hosts {
		if !h.until.IsZero() && !now.Before(h.until) {
			delete(a.hosts, from)
		}
	}
}

// listens reports whether anybody listens.
func (a *table) listens(now time.Time) bool {
	a.expire(now)
	return len(a.hosts) > 0
}

// wake returns when somebody will have left if nothing is heard before; the zero
// time: nobody will.
func (a *table) wake() (at time.Time) {
	for _, h := range a.hosts {
		if !h.until.IsZero() && (at.IsZero() || h.until.Before(at)) {
			at = h.until
		}
	}
	return at
}
