// SPDX-License-Identifier: GPL-2.0-or-later

// Package discover finds the senders of a channel by DNS (spec.md 8.3), and
// writes the records by which they are found.
//
// [Resolver] asks name servers by package net and makes a [Plan] of their
// answers. [Follower] decides when to ask again and which of the senders to
// listen to. [Resolver.Follow] runs the two together. [Zone] is the inverse: the
// records to publish for a sender.
//
// DNS answers are untrusted: they say where to listen, never what to trust.
package discover

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Limits of a plan. What is beyond them is left out, and said so.
const (
	maxServices = 32 // SRV records
	maxHosts    = 16 // targets whose addresses are asked for
	maxSources  = 32 // of one priority; Linux has room for 10 IPv4 ones by default
	maxRefused  = 16 // reasons kept
)

const (
	// refreshEvery is the time after which the servers are asked again. They
	// honour the TTL of records, so that nothing here does.
	refreshEvery = 5 * time.Minute
	// retryHost is that time if the addresses of some host could not be looked up.
	retryHost = time.Minute
)

// A Plan says where a channel can be heard. It is not changed once made.
type Plan struct {
	Name string // of the channel

	// Group6 and Group4 are the multicast groups of layer 0, each of its family.
	Group6, Group4 netip.Addr

	Layers int    // 1 to 16
	KeyID  string // 16 hexadecimal digits to show to the user; empty: not stated

	Levels []Level // best first; at least one

	Refresh time.Duration // until the servers should be asked again
	Refused []string      // what was ignored of the answers, and why; at most 16
}

// A Level is all senders of one priority, to be heard together.
type Level struct {
	Priority uint16   // lower is better
	Sources  []Source // at least one, in order, none twice
}

// A Source is one address of a sender, with the UDP port that it sends to.
type Source struct {
	Host string // the name that had the address
	Addr netip.Addr
	Port uint16
}

// String returns what to call s for a person.
func (s Source) String() string { return fmt.Sprintf("%s (%v)", s.Host, s.Addr) }

func (s Source) compare(o Source) int {
	return cmp.Or(cmp.Compare(s.Port, o.Port), strings.Compare(s.Host, o.Host), s.Addr.Compare(o.Addr))
}

// Ports returns the ports of l, in order.
func (l Level) Ports() (ports []uint16) {
	for _, s := range l.Sources {
		ports = append(ports, s.Port)
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// Sent returns the addresses that send to a port, in order, none twice.
func (l Level) Sent(port uint16) (addrs []netip.Addr) {
	for _, s := range l.Sources {
		if s.Port == port {
			addrs = append(addrs, s.Addr)
		}
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs)
}

// String lists the senders of l.
func (l Level) String() string {
	var s []string
	for _, source := range l.Sources {
		s = append(s, source.String())
	}
	return fmt.Sprintf("priority %d: %s", l.Priority, strings.Join(s, ", "))
}

// isSameUpTo reports whether the first n levels, and the multicast groups, are
// the same in both plans.
func (p *Plan) isSameUpTo(o *Plan, n int) bool {
	return p.Group6 == o.Group6 && p.Group4 == o.Group4 && p.Layers == o.Layers &&
		len(p.Levels) >= n && len(o.Levels) >= n &&
		slices.EqualFunc(p.Levels[:n], o.Levels[:n], func(a, b Level) bool {
			return a.Priority == b.Priority && slices.Equal(a.Sources, b.Sources)
		})
}

// refuse notes that something is ignored.
func (p *Plan) refuse(format string, args ...any) {
	if len(p.Refused) < maxRefused {
		p.Refused = append(p.Refused, fmt.Sprintf(format, args...))
	}
}

// service is what the records of a channel stand at, before its name.
const service = "_iotupd._udp."

// maxName is the length of the longest name of DNS, as text without final dot.
const maxName = 253

// ParseName checks the name of a channel that is to be found by DNS, and returns
// it as the multicast groups are derived from it: in lower case and without a
// final dot.
func ParseName(s string) (string, error) {
	name := strings.ToLower(strings.TrimSuffix(s, "."))
	if err := checkName(name); err != nil {
		return "", fmt.Errorf("%.300q is not a DNS name: %w", s, err)
	}
	if most := maxName - len(service); len(name) > most {
		return "", fmt.Errorf("%.300q has %d bytes; at most %d leave room for %s", s, len(name), most, service)
	}
	return name, nil
}

// checkName reports whether s is the name of a host: labels of ASCII letters,
// digits, hyphens and underscores, so that it can be shown as it is.
func checkName(s string) error {
	if len(s) > maxName {
		return fmt.Errorf("it has %d bytes; at most %d", len(s), maxName)
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 {
			return errors.New("a label must have 1 to 63 characters")
		}
		if i := strings.IndexFunc(label, notOfHost); i >= 0 {
			return errors.New("it consists of the ASCII letters, digits, hyphens, underscores and dots; others are spelt xn--")
		}
		if strings.Trim(label, "-") != label {
			return errors.New("a label must not begin or end with a hyphen")
		}
	}
	return nil
}

func notOfHost(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
		return false
	}
	return true
}
