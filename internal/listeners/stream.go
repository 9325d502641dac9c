// SPDX-License-Identifier: GPL-2.0-or-later

package listeners

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"
)

// A stream is what hosts listen to: a multicast group, and the addresses that its sender
// may use as the source.
type stream struct {
	group   netip.Addr
	sources []netip.Addr
}

// A message is what a packet says about a stream.
type message struct {
	kind   kind
	from   netip.Addr    // who says it; the zero Addr: this host
	within time.Duration // of a query: the longest time until an answer
}

// parse reads an IP packet. One that is not valid, or is about other things, says
// nothing.
func (s stream) parse(p []byte) message {
	if s.group.Is4() {
		return s.parseIPv4(p)
	}
	return s.parseIPv6(p)
}

type kind int

const (
	nothing  kind = iota // not a message
	other                // a report that is not about the stream
	joined               // the host listens
	left                 // the host listens no longer
	askedAll             // a querier asks for the listeners of all multicast groups
	askedUs              // a querier asks for the listeners of the stream, since somebody left
)

// Types of the records of IGMPv3 and MLDv2 reports, RFC 3376 4.2.12, RFC 3810
// 5.2.12.
const (
	isInclude = iota + 1
	isExclude
	toInclude
	toExclude
	allow
	block
)

// recordHeader is the length of a record before its addresses.
const recordHeader = 4

// records reads the records of a report, count of them with addresses of so many
// bytes. That some are cut off makes all of them worth nothing.
//
//	 0                   1                   2                   3
//	+---------------+---------------+-------------------------------+
//	|     type      | aux words     |       number of sources       |
//	+---------------+---------------+-------------------------------+
//	| group | sources ... | auxiliary data ...
func (s stream) records(b []byte, count, address int) kind {
	said := other
	for range count {
		if len(b) < recordHeader+address {
			return nothing
		}
		sources := int(binary.BigEndian.Uint16(b[2:])) * address
		length := recordHeader + address + sources + 4*int(b[1])
		if len(b) < length {
			return nothing
		}
		if group := b[recordHeader:][:address]; addr(group) == s.group {
			// A host that joins and leaves in one report has joined.
			if k := s.parseRecord(b[0], b[recordHeader+address:][:sources]); said != joined && k != other {
				said = k
			}
		}
		b = b[length:]
	}
	return said
}

// parseRecord returns what a record about the group says about its sender.
func (s stream) parseRecord(typ byte, sources []byte) kind {
	named := s.names(sources)
	switch typ {
	case isInclude, toInclude:
		if named {
			return joined
		}
		return left
	case isExclude, toExclude:
		if named {
			return left
		}
		return joined
	case allow:
		if named {
			return joined
		}
	case block:
		if named {
			return left
		}
	}
	return other
}

// names reports whether a list of addresses contains one of the sender.
func (s stream) names(list []byte) bool {
	size := s.group.BitLen() / 8
	for a := range slices.Chunk(list, size) {
		if slices.Contains(s.sources, addr(a)) {
			return true
		}
	}
	return false
}

// asked returns the subject of a query: a multicast group, zero if it is for all,
// and a list of sources, empty if it is for all.
func (s stream) asked(group netip.Addr, sources []byte) kind {
	switch {
	case group.IsUnspecified():
		return askedAll
	case group == s.group && (len(sources) == 0 || s.names(sources)):
		return askedUs
	}
	return nothing
}

// about is k if that was said about the group of the stream.
func (s stream) about(group netip.Addr, k kind) kind {
	if group != s.group {
		return other
	}
	return k
}

// addr is the address of 4 or 16 bytes.
func addr(b []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(b)
	return a
}
