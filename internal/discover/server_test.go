// SPDX-License-Identifier: GPL-2.0-or-later

package discover

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const channel = "fw.example.net"

// ednsSize is the longest message over UDP that package net has room for.
const ednsSize = 1232

// A zone is a name server in memory, which answers at once.
type zone struct {
	t       *testing.T
	records []dnsmessage.Resource
	broken  map[string]bool // names, or types and names, of which it says nothing
	asked   atomic.Int64    // questions, each at first over UDP

	// change, if not nil, changes every answer.
	change func(*dnsmessage.Message)
	// send, if not nil, returns the messages that answer a query, instead of one.
	send func(query, answer []byte) [][]byte
	// silent, if not nil, is called when somebody waits for an answer that will
	// not come. Otherwise their time is over at once.
	silent func()
	// cut, if not nil, returns what is sent of an answer over TCP, with its length.
	cut func(framed []byte) []byte
}

func newZone(t *testing.T) *zone { return &zone{t: t, broken: make(map[string]bool)} }

// oneSender is a zone with a sender at 192.0.2.1.
func oneSender(t *testing.T) *zone {
	return newZone(t).add(service+channel, srv(1, 1, "a")).add("a", address("192.0.2.1"))
}

func (z *zone) add(name string, body dnsmessage.ResourceBody) *zone {
	z.records = append(z.records, resource(name, body))
	return z
}

func resource(name string, body dnsmessage.ResourceBody) dnsmessage.Resource {
	return dnsmessage.Resource{
		Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name + "."), Class: dnsmessage.ClassINET, TTL: 60},
		Body:   body,
	}
}

func address(s string) dnsmessage.ResourceBody {
	a := netip.MustParseAddr(s)
	if a.Is4() {
		return &dnsmessage.AResource{A: a.As4()}
	}
	return &dnsmessage.AAAAResource{AAAA: a.As16()}
}

func aliasOf(name string) dnsmessage.ResourceBody {
	return &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(name + ".")}
}

func srv(priority, port uint16, target string) dnsmessage.ResourceBody {
	return &dnsmessage.SRVResource{Priority: priority, Port: port, Target: dnsmessage.MustNewName(target + ".")}
}

func txt(pairs ...string) dnsmessage.ResourceBody { return &dnsmessage.TXTResource{TXT: pairs} }

// resolver asks the zone, as the only server.
func (z *zone) resolver() Resolver {
	return Resolver{Servers: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.53:53")}, dial: z.dial}
}

func (z *zone) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	c := &memoryConn{zone: z, stream: network == "tcp", over: make(chan struct{})}
	if c.stream {
		return c, nil
	}
	return packets{c}, nil
}

// answer answers a query.
func (z *zone) answer(query []byte, stream bool) [][]byte {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil {
		z.t.Error(err)
	}
	if !m.RecursionDesired || len(m.Questions) != 1 || len(m.Additionals) != 1 || m.Additionals[0].Header.Class != ednsSize {
		z.t.Errorf("a query of %+v", m)
	}
	if !stream {
		z.asked.Add(1)
	}
	typ, owner := m.Questions[0].Type, m.Questions[0].Name
	name := strings.TrimSuffix(owner.String(), ".")
	if z.broken[name] || z.broken[typ.String()+" "+name] {
		return nil
	}
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	m.RCode = dnsmessage.RCodeNameError
	for _, r := range z.records { // aliases stand before what they lead to
		if !strings.EqualFold(r.Header.Name.String(), owner.String()) {
			continue
		}
		m.RCode = dnsmessage.RCodeSuccess
		c, isAlias := r.Body.(*dnsmessage.CNAMEResource)
		if isAlias {
			owner = c.CNAME
		}
		if isAlias || typeOf(r.Body) == typ {
			m.Answers = append(m.Answers, r)
		}
	}
	if z.change != nil {
		z.change(&m)
	}
	b, err := m.Pack()
	if err == nil && len(b) > ednsSize && !stream {
		m.Answers, m.Truncated = nil, true
		b, err = m.Pack()
	}
	if err != nil {
		z.t.Error(err)
	}
	if z.send != nil {
		return z.send(query, b)
	}
	return [][]byte{b}
}

func typeOf(body dnsmessage.ResourceBody) dnsmessage.Type {
	switch body.(type) {
	case *dnsmessage.SRVResource:
		return dnsmessage.TypeSRV
	case *dnsmessage.TXTResource:
		return dnsmessage.TypeTXT
	case *dnsmessage.AAAAResource:
		return dnsmessage.TypeAAAA
	}
	return dnsmessage.TypeA
}

// A memoryConn is a connection to a zone.
type memoryConn struct {
	*zone
	stream  bool // TCP
	answers [][]byte
	over    chan struct{} // closed: there is no more time to read
	once    sync.Once
}

func (c *memoryConn) Write(b []byte) (int, error) {
	if !c.stream {
		c.answers = c.answer(b, false)
		return len(b), nil
	}
	for _, a := range c.answer(b[2:], true) {
		a = append(binary.BigEndian.AppendUint16(nil, uint16(len(a))), a...)
		if c.cut != nil {
			a = c.cut(a)
		}
		c.answers = append(c.answers, a)
	}
	return len(b), nil
}

func (c *memoryConn) Read(b []byte) (int, error) {
	if len(c.answers) == 0 {
		if c.stream && c.cut != nil {
			return 0, io.EOF
		}
		if c.silent != nil {
			c.silent()
			<-c.over
		}
		return 0, os.ErrDeadlineExceeded
	}
	n := copy(b, c.answers[0])
	if c.answers[0] = c.answers[0][n:]; !c.stream || len(c.answers[0]) == 0 {
		c.answers = c.answers[1:]
	}
	return n, nil
}

func (c *memoryConn) Close() error                     { return nil }
func (c *memoryConn) LocalAddr() net.Addr              { return nil }
func (c *memoryConn) RemoteAddr() net.Addr             { return nil }
func (c *memoryConn) SetReadDeadline(time.Time) error  { return nil }
func (c *memoryConn) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline leaves it to the end of the context, unless that has come.
func (c *memoryConn) SetDeadline(t time.Time) error {
	if t.Before(time.Now()) {
		c.once.Do(func() { close(c.over) })
	}
	return nil
}

// packets are what package net takes for UDP.
type packets struct{ *memoryConn }

func (packets) ReadFrom([]byte) (int, net.Addr, error) { panic("not used") }
func (packets) WriteTo([]byte, net.Addr) (int, error)  { panic("not used") }

// plan resolves the channel.
func (z *zone) plan(old *Plan) *Plan {
	z.t.Helper()
	p, err := z.resolver().Resolve(z.t.Context(), channel, old)
	if err != nil {
		z.t.Fatal(err)
	}
	wantSound(z.t, p)
	return p
}

// wantError resolves the channel, which has to fail.
func (z *zone) wantError(want string) error {
	z.t.Helper()
	p, err := z.resolver().Resolve(z.t.Context(), channel, nil)
	if err == nil || !strings.Contains(err.Error(), want) {
		z.t.Errorf("got %v, %v; want %q", p, err, want)
	}
	return err
}

// wantLevels compares the levels of p, written as priority host addr port.
func wantLevels(t *testing.T, p *Plan, want ...string) {
	t.Helper()
	var got []string
	for _, l := range p.Levels {
		for _, s := range l.Sources {
			got = append(got, fmt.Sprintf("%d %s %v %d", l.Priority, s.Host, s.Addr, s.Port))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// wantRefused fails the test unless exactly these things were ignored.
func wantRefused(t *testing.T, p *Plan, want ...string) {
	t.Helper()
	for i, w := range want {
		if i >= len(p.Refused) || !strings.Contains(p.Refused[i], w) {
			t.Fatalf("refused %q, want %q", p.Refused, want)
		}
	}
	if len(p.Refused) > len(want) {
		t.Errorf("refused %q, want %q", p.Refused, want)
	}
}

// wantSound fails the test if the multicast groups of a plan cannot be joined.
func wantSound(t *testing.T, p *Plan) {
	t.Helper()
	if !p.Group6.IsMulticast() || !p.Group6.Is6() || !p.Group4.IsMulticast() || !p.Group4.Is4() || p.Layers < 1 || p.Layers > 16 {
		t.Errorf("not sound: %+v", p)
	}
}
