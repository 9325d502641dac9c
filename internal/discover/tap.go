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

// maxRecords is the number of records of an answer. One that comes over UDP has
// no room for more.
const maxRecords = 256

// A tap is what a [net.Resolver] dials one server by. It keeps the answer as it
// was sent, since package net joins the strings of a TXT record, and tells a name
// that does not exist from one without such a record only by its own means.
type tap struct {
	server string
	dialer dialFunc

	mu   sync.Mutex // a look-up that ends early leaves goroutines for a moment
	last message
}

// dial connects to the server, whichever package net has read of.
func (t *tap) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	c, err := t.dialer(ctx, network, t.server)
	if err != nil {
		return nil, err
	}
	// Package net sets a deadline, and does not look at ctx again.
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

// message returns the last message that was read, which is the one that was
// accepted, if any was. It is nil if there is none.
func (t *tap) message() message {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}

// A packetConn is a connection over UDP: package net goes by its methods.
type packetConn interface {
	net.Conn
	ReadFrom(b []byte) (int, net.Addr, error)
	WriteTo(b []byte, to net.Addr) (int, error)
}

// tappedPackets are a connection over UDP, which reads a message at a time.
type tappedPackets struct {
	packetConn
	tap *tap
}

func (c tappedPackets) Read(b []byte) (int, error) {
	n, err := c.packetConn.Read(b)
	c.tap.keep(b[:n])
	return n, err
}

// A tappedStream is a connection over TCP, which has one message and its length.
type tappedStream struct {
	net.Conn
	tap    *tap
	framed []byte // what was read
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

// A message is what a name server sends. It may be anything, also nil.
type message []byte

// records returns how many records the answer section claims to have.
func (m message) records() int {
	if len(m) < 8 {
		return 0
	}
	return int(binary.BigEndian.Uint16(m[6:])) // RFC 1035, 4.1.1
}

// code returns the response code.
func (m message) code() dnsmessage.RCode {
	var p dnsmessage.Parser
	h, _ := p.Start(m) // zero, if it is none
	return h.RCode
}

// texts returns the strings of each TXT record, as far as there are any.
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
