// SPDX-License-Identifier: GPL-2.0-or-later

package listeners

import (
	"encoding/binary"
	"time"
)

const (
	protocolIGMP = 2
	headerIPv4   = 20

	igmpQuery    = 0x11
	igmpReportV1 = 0x12
	igmpReportV2 = 0x16
	igmpLeave    = 0x17
	igmpReportV3 = 0x22

	igmpLen     = 8  // of all but those of version 3
	igmpQueryV3 = 12 // of a query of version 3, before its sources
	unitIGMP    = 100 * time.Millisecond
)

// parseIPv4 reads an IPv4 packet. What is not a valid IGMP message, or was not
// sent on this link, says nothing. Options are not looked at: IGMPv1 has no
// router alert, and some who speak IGMPv2 forget it.
func (s stream) parseIPv4(p []byte) message {
	if len(p) < headerIPv4 || p[0]>>4 != 4 {
		return message{}
	}
	header, total := 4*int(p[0]&0xf), int(binary.BigEndian.Uint16(p[2:]))
	fragment := binary.BigEndian.Uint16(p[6:]) & 0x3fff // more of them, or an offset
	switch {
	case header < headerIPv4 || total < header || total > len(p):
		return message{}
	case fragment != 0 || p[8] != 1 || p[9] != protocolIGMP || sum(0, p[:header]) != 0xffff:
		return message{}
	}
	m := s.parseIGMP(p[header:total])
	m.from = addr(p[12:16])
	return m
}

// parseIGMP reads an IGMP message.
//
//	 0                   1                   2                   3
//	+---------------+---------------+-------------------------------+
//	|     type      | response time |           checksum            |
//	+---------------+---------------+-------------------------------+
//	|              group; version 3: number of records              |
//	+---------------------------------------------------------------+
func (s stream) parseIGMP(b []byte) message {
	if len(b) < igmpLen || sum(0, b) != 0xffff {
		return message{}
	}
	group := addr(b[4:8])
	switch b[0] {
	case igmpQuery:
		return s.queryIGMP(b)
	case igmpReportV1, igmpReportV2:
		return message{kind: s.about(group, joined)}
	case igmpLeave:
		return message{kind: s.about(group, left)}
	case igmpReportV3:
		return message{kind: s.records(b[8:], int(binary.BigEndian.Uint16(b[6:])), 4)}
	}
	return message{}
}

// queryIGMP reads a query, which is of version 3 if it has sources.
//
//	+-------+-+-----+---------------+-------------------------------+
//	|       |S| QRV |   interval    |       number of sources       |
//	+-------+-+-----+---------------+-------------------------------+
func (s stream) queryIGMP(b []byte) message {
	m := message{within: unitIGMP * time.Duration(b[1])}
	if b[1] == 0 { // version 1 knows no other
		m.within = 10 * time.Second
	}
	var sources []byte
	if len(b) >= igmpQueryV3 {
		if b[1] >= 1<<7 {
			m.within = unitIGMP * time.Duration(int(b[1]&0xf|0x10)<<(b[1]>>4&7+3))
		}
		sources = b[igmpQueryV3:]
		n := 4 * int(binary.BigEndian.Uint16(b[10:]))
		if n > len(sources) || b[8]&suppress != 0 {
			return message{}
		}
		sources = sources[:n]
	}
	m.kind = s.asked(addr(b[4:8]), sources)
	return m
}

// suppress is set in a query that is repeated although it has been answered.
const suppress = 1 << 3

// sum adds b to a sum of the Internet checksum, which is 0xffff over a message
// with a right one.
func sum(start uint32, b []byte) uint32 {
	for ; len(b) >= 2; b = b[2:] {
		start += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) > 0 {
		start += uint32(b[0]) << 8
	}
	for start > 0xffff {
		start = start>>16 + start&0xffff
	}
	return start
}
