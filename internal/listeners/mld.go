// SPDX-License-Identifier: GPL-2.0-or-later

package listeners

import (
	"encoding/binary"
	"time"
)

const (
	hopByHop       = 0
	protocolICMPv6 = 58
	headerIPv6     = 40

	mldQuery    = 130
	mldReportV1 = 131
	mldDone     = 132
	mldReportV2 = 143

	mldHeader  = 8  // before the records of a report of version 2
	mldLen     = 24 // of messages of version 1
	mldQueryV2 = 28 // of a query of version 2, before its sources
	unitMLD    = time.Millisecond

	optionPad1        = 0
	optionRouterAlert = 5
)

// parseIPv6 reads an IPv6 packet. What is not a valid MLD message says nothing:
// a node discards those without a link-local source, hop limit 1, and router
// alert (RFC 3810 6.2 and 7.4).
func (s stream) parseIPv6(p []byte) message {
	if len(p) < headerIPv6 || p[0]>>4 != 6 {
		return message{}
	}
	from, payload := addr(p[8:24]), p[headerIPv6:]
	length := int(binary.BigEndian.Uint16(p[4:]))
	if length > len(payload) || p[6] != hopByHop || p[7] != 1 || !from.IsLinkLocalUnicast() {
		return message{}
	}
	payload = payload[:length]
	if len(payload) < 8 || payload[0] != protocolICMPv6 {
		return message{}
	}
	options := 8 + 8*int(payload[1])
	if options > len(payload) || !hasRouterAlert(payload[2:options]) {
		return message{}
	}
	b := payload[options:]
	if sum(sum(uint32(len(b))+protocolICMPv6, p[8:40]), b) != 0xffff {
		return message{}
	}
	m := s.parseMLD(b)
	m.from = from
	return m
}

// hasRouterAlert looks for the option that every MLD message has.
func hasRouterAlert(options []byte) bool {
	for len(options) > 0 {
		if options[0] == optionPad1 {
			options = options[1:]
			continue
		}
		if len(options) < 2 || len(options) < 2+int(options[1]) {
			return false
		}
		if options[0] == optionRouterAlert {
			return options[1] == 2 && options[2] == 0 && options[3] == 0 // it contains MLD
		}
		options = options[2+int(options[1]):]
	}
	return false
}

// parseMLD reads an ICMPv6 message.
//
//	 0                   1                   2                   3
//	+---------------+---------------+-------------------------------+
//	|     type      |       0       |           checksum            |
//	+---------------+---------------+-------------------------------+
//	|         response time         |    v2 report: records         |
//	+-------------------------------+-------------------------------+
//	|                             group                             |
func (s stream) parseMLD(b []byte) message {
	if len(b) >= mldHeader && b[0] == mldReportV2 {
		return message{kind: s.records(b[mldHeader:], int(binary.BigEndian.Uint16(b[6:])), 16)}
	}
	if len(b) < mldLen {
		return message{}
	}
	group := addr(b[8:24])
	switch b[0] {
	case mldQuery:
		return s.queryMLD(b)
	case mldReportV1:
		return message{kind: s.about(group, joined)}
	case mldDone:
		return message{kind: s.about(group, left)}
	}
	return message{}
}

// queryMLD reads a query, which is of version 2 if it has sources.
//
//	+-------+-+-----+---------------+-------------------------------+
//	|       |S| QRV |   interval    |       number of sources       |
//	+-------+-+-----+---------------+-------------------------------+
func (s stream) queryMLD(b []byte) message {
	code := binary.BigEndian.Uint16(b[4:])
	m := message{within: unitMLD * time.Duration(code)}
	var sources []byte
	if len(b) >= mldQueryV2 {
		if code >= 1<<15 {
			m.within = unitMLD * time.Duration(int(code&0xfff|0x1000)<<(code>>12&7+3))
		}
		sources = b[mldQueryV2:]
		n := 16 * int(binary.BigEndian.Uint16(b[26:]))
		if n > len(sources) || b[24]&suppress != 0 {
			return message{}
		}
		sources = sources[:n]
	}
	m.kind = s.asked(addr(b[8:24]), sources)
	return m
}
