// SPDX-License-Identifier: GPL-2.0-or-later

package discover

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// maxRecords limits the records of an answer over TCP. Over UDP there is no room
// for more.
const maxRecords = 256

// A tap dials one name server for a [net.Resolver] and keeps its answer. The
// answer is needed because package net joins the strings of a TXT record, and
// reports a missing name and a missing record by the same error.
type tap struct {
	server string
	dialer dialFunc

	mu   sync.Mutex // guards last: a cancelled query may still be reading
	last message
}

// dial connects to the server of t instead of one from /etc/resolv.conf. It is
// the Dial function of a net.Resolver.
func (t *tap) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	c, err := t.dialer(ctx, network, t.server)
	if err != nil {
		return nil, err
	}
	// Package net does not watch ctx while it reads: end the read when ctx ends.
	context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	if p, ok := c.(packetConn); ok {
		return tappedPackets{p, t}, nil
	}
	return &tappedStream{Conn: c, tap: t}, nil
}

func (t *tap) keep(m message) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = bytes.Clone(m)
}

// message returns the last message that was read, nil if there is none. If the
// query succeeded, it is the answer.
func (t *tap) message() message {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}

// A packetConn is a connection over UDP. Package net recognizes UDP by these
// methods.
type packetConn interface {
	net.Conn
	ReadFrom(b []byte) (int, net.Addr, error)
	WriteTo(b []byte, to net.Addr) (int, error)
}

// tappedPackets is a connection over UDP. Each Read returns one message.
type tappedPackets struct {
	packetConn
	tap *tap
}

func (c tappedPackets) Read(b []byte) (int, error) {
	n, err := c.packetConn.Read(b)
	c.tap.keep(b[:n])
	return n, err
}

// A tappedStream is a connection over TCP. It carries one answer, after its length
// in two bytes.
type tappedStream struct {
	net.Conn
	tap    *tap
	framed []byte // bytes read so far
}

func (c *tappedStream) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.framed = append(c.framed, b[:n]...)
	m := message(c.framed[min(2, len(c.framed)):])
	if m.records() > maxRecords {
		return 0, fmt.Errorf("more than %d records", maxRecords)
	}
	c.tap.keep(m)
	return n, err
}

// A message is an unchecked DNS message. It may be nil.
type message []byte

// records returns the number of records that the header announces for the answer
// section.
func (m message) records() int {
	if len(m) < 8 {
		return 0
	}
	return int(binary.BigEndian.Uint16(m[6:])) // RFC 1035, 4.1.1
}

// code returns the response code.
func (m message) code() dnsmessage.RCode {
	var p dnsmessage.Parser
	h, _ := p.Start(m) // the zero header if m is malformed
	return h.RCode
}

// texts returns the strings of each TXT record in the answer section, up to the
// first malformed record.
func (m message) texts() (records [][]string) {
	var p dnsmessage.Parser
	p.Start(m)
	err := p.SkipAllQuestions()
	for err == nil {
		var h dnsmessage.ResourceHeader
		if h, err = p.AnswerHeader(); err != nil {
			break
		}
		if h.Type != dnsmessage.TypeTXT {
			err = p.SkipAnswer()
			continue
		}
		var r dnsmessage.TXTResource
		if r, err = p.TXTResource(); err == nil {
			records = append(records, r.TXT)
		}
	}
	return records
}
