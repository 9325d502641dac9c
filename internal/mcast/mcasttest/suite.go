// SPDX-License-Identifier: GPL-2.0-or-later

package mcasttest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"iotupd/internal/mcast"
)

// waitLimit bounds the wait for a datagram that is certain to arrive.
const waitLimit = 10 * time.Second

// A Receiver is the receiving end for one address family.
type Receiver interface {
	ReadBatch(*mcast.Batch) error
	SetSources([]netip.Addr) error
	Stats() mcast.Stats
	Close() error
}

// A Sender is the sending end.
type Sender interface {
	WriteSegments(b []byte, segment int) error
	Close() error
}

// A Place is where [TestPlace] sends and receives: sockets on some interface, or
// a stand-in.
type Place struct {
	Listen func(mcast.ListenConfig) (Receiver, error)
	Dial   func(mcast.SendConfig) (Sender, error)

	SendOn   mcast.Interface
	ListenOn string     // name of the interface that gets what SendOn sends
	Group    netip.Addr // a multicast address; the next one is used as well
	Source   netip.Addr // the address that SendOn sends from
	Port     uint16
	Offload  mcast.Offload // for both ends
}

// TestPlace tests that p does what package mcast promises.
func TestPlace(t *testing.T, p Place) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Place)
	}{
		{"segments arrive as datagrams, in order", testSegments},
		{"datagrams of all sizes arrive", testSizes},
		{"every listener gets every datagram", testFanOut},
		{"the source and the interface are reported", testOrigin},
		{"another group on the same port is ignored", testOtherGroup},
		{"the right source is heard", testRightSource},
		{"a wrong source is not heard", testWrongSource},
		{"the sources can be changed", testSetSources},
		{"what does not fit the interface is refused", testTooBig},
		{"what is longer than allowed is dropped and counted", testTooLong},
		{"what the receive buffer has no room for is counted", testOverflow},
		{"closing ends reads and writes", testClose},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, p) })
	}
}

func (p Place) listenConfig() mcast.ListenConfig {
	return mcast.ListenConfig{Groups: []netip.Addr{p.Group}, Port: p.Port, Interfaces: []string{p.ListenOn}, Offload: p.Offload}
}

func (p Place) sendConfig() mcast.SendConfig {
	return mcast.SendConfig{Group: p.Group, Port: p.Port, Interface: p.SendOn, Offload: p.Offload}
}

func (p Place) listen(t *testing.T, cfg mcast.ListenConfig) *reader {
	t.Helper()
	l, err := p.Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return newReader(t, l)
}

func (p Place) dial(t *testing.T, cfg mcast.SendConfig) Sender {
	t.Helper()
	c, err := p.Dial(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// A reader reads a receiver until the test ends.
type reader struct {
	Receiver
	t    *testing.T
	got  chan received
	done chan error
}

type received struct {
	payload []byte
	from    netip.AddrPort
	index   int
}

func newReader(t *testing.T, l Receiver) *reader {
	r := &reader{Receiver: l, t: t, got: make(chan received, 1<<16), done: make(chan error, 1)}
	go func() {
		b := mcast.NewBatch(8)
		for {
			if err := l.ReadBatch(b); err != nil {
				r.done <- err
				return
			}
			for i := range b.Len() {
				r.got <- received{bytes.Clone(b.Datagram(i)), b.From(i), b.Interface(i)}
			}
		}
	}()
	t.Cleanup(func() { l.Close() })
	return r
}

func (r *reader) next() received {
	r.t.Helper()
	select {
	case got := <-r.got:
		return got
	case <-time.After(waitLimit):
		r.t.Fatalf("no datagram for %v; %+v", waitLimit, r.Stats())
		panic("unreachable")
	}
}

// wantNext fails the test unless the next datagram is want.
func (r *reader) wantNext(what string, want []byte) {
	r.t.Helper()
	if got := r.next().payload; !bytes.Equal(got, want) {
		r.t.Fatalf("%s: got %s, want %s", what, brief(got), brief(want))
	}
}

func brief(b []byte) string { return fmt.Sprintf("%d bytes %x...", len(b), b[:min(len(b), 8)]) }

func write(t *testing.T, c Sender, b []byte, segment int) {
	t.Helper()
	if err := c.WriteSegments(b, segment); err != nil {
		t.Fatal(err)
	}
}

func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(b)
	return b
}

func testSegments(t *testing.T, p Place) {
	l, c := p.listen(t, p.listenConfig()), p.dial(t, p.sendConfig())
	// Across the limits of a run (64 datagrams, 64 KiB) and of a system call.
	for _, segment := range []int{1, 100, 1232, min(1400, p.SendOn.MTU-headers(p.Group))} {
		for _, count := range []int{1, 2, 45, 64, 65, 130} {
			for _, last := range []int{0, 1, segment - 1} {
				b := noise(uint64(count), count*segment+last)
				write(t, c, b, segment)
				for len(b) > 0 {
					n := min(segment, len(b))
					l.wantNext(fmt.Sprintf("segment=%d count=%d last=%d", segment, count, last), b[:n])
					b = b[n:]
				}
			}
		}
	}
}

func testSizes(t *testing.T, p Place) {
	l, c := p.listen(t, p.listenConfig()), p.dial(t, p.sendConfig())
	most := min(mcast.MaxDatagram, p.SendOn.MTU-headers(p.Group))
	for _, n := range []int{1, 2, 63, 64, 1232, most - 1, most} {
		b := noise(uint64(n), n)
		write(t, c, b, len(b))
		l.wantNext("one datagram", b)
		write(t, c, b, 1<<16)
		l.wantNext("less than a segment", b)
	}
}

func testFanOut(t *testing.T, p Place) {
	first, second := p.listen(t, p.listenConfig()), p.listen(t, p.listenConfig())
	c := p.dial(t, p.sendConfig())
	for i := range 10 {
		b := noise(uint64(i), 3*1200)
		write(t, c, b, 1200)
		for j := range 3 {
			first.wantNext("first listener", b[j*1200:][:1200])
			second.wantNext("second listener", b[j*1200:][:1200])
		}
	}
}

func testOrigin(t *testing.T, p Place) {
	l := p.listen(t, p.listenConfig())
	c, other := p.dial(t, p.sendConfig()), p.dial(t, p.sendConfig())
	write(t, c, []byte("a"), 1)
	write(t, c, []byte("b"), 1)
	a, b := l.next(), l.next()
	write(t, other, []byte("c"), 1)
	o := l.next()
	if got := a.from.Addr().WithZone(""); got != p.Source {
		t.Errorf("from %v, want %v", got, p.Source)
	}
	if a.from.Addr().IsLinkLocalUnicast() && a.from.Addr().Is6() && a.from.Addr().Zone() != p.ListenOn {
		t.Errorf("from %v, want the zone to be %s", a.from, p.ListenOn)
	}
	if a.from != b.from || a.from.Port() == o.from.Port() {
		t.Errorf("from %v, %v, and of another sender %v; want the same, the same, another port", a.from, b.from, o.from)
	}
	if a.index == 0 {
		t.Errorf("interface 0")
	}
}

// testOtherGroup has another listener join the other group, which is what makes
// it arrive on this host at all.
func testOtherGroup(t *testing.T, p Place) {
	elsewhere := p
	elsewhere.Group = p.Group.Next()
	ours, theirs := p.listen(t, p.listenConfig()), elsewhere.listen(t, elsewhere.listenConfig())
	foreign, c := elsewhere.dial(t, elsewhere.sendConfig()), p.dial(t, p.sendConfig())
	write(t, foreign, []byte("foreign"), 7)
	theirs.wantNext("their group", []byte("foreign"))
	write(t, c, []byte("ours"), 4)
	ours.wantNext("our group", []byte("ours"))
}

func testRightSource(t *testing.T, p Place) {
	cfg := p.listenConfig()
	cfg.Sources = []netip.Addr{p.Source, p.Source.Next()}
	l, c := p.listen(t, cfg), p.dial(t, p.sendConfig())
	b := noise(1, 10*1000)
	write(t, c, b, 1000)
	for i := range 10 {
		l.wantNext("from the source", b[i*1000:][:1000])
	}
}

func testWrongSource(t *testing.T, p Place) {
	cfg := p.listenConfig()
	any := p.listen(t, cfg)
	cfg.Sources = []netip.Addr{p.Source.Next()}
	picky, c := p.listen(t, cfg), p.dial(t, p.sendConfig())
	write(t, c, []byte("hello"), 5)
	any.wantNext("any source", []byte("hello"))
	// It would have arrived at both at the same time.
	select {
	case got := <-picky.got:
		t.Errorf("got %q from %v, want only %v", got.payload, got.from, cfg.Sources)
	case <-time.After(50 * time.Millisecond):
	}
}

func testSetSources(t *testing.T, p Place) {
	l, c := p.listen(t, p.listenConfig()), p.dial(t, p.sendConfig())
	right, wrong := []netip.Addr{p.Source}, []netip.Addr{p.Source.Next()}
	for i, step := range []struct {
		sources []netip.Addr
		heard   bool
	}{
		{right, true}, {wrong, false}, {nil, true}, {wrong, false}, {append(right, wrong...), true}, {right, true},
	} {
		if err := l.SetSources(step.sources); err != nil {
			t.Fatal(err)
		}
		b := noise(uint64(i), 100)
		write(t, c, b, len(b))
		if step.heard {
			l.wantNext(fmt.Sprintf("from %v", step.sources), b) // and nothing of the step before
		}
	}
}

func testTooBig(t *testing.T, p Place) {
	l, c := p.listen(t, p.listenConfig()), p.dial(t, p.sendConfig())
	most := p.SendOn.MTU - headers(p.Group)
	if most >= 1<<16-64 {
		t.Skipf("every datagram fits the MTU of %d", p.SendOn.MTU)
	}
	for _, count := range []int{1, 3} {
		err := c.WriteSegments(make([]byte, count*(most+1)), most+1)
		var tooBig *mcast.TooBigError
		if !errors.As(err, &tooBig) {
			t.Fatalf("got %v, want a TooBigError", err)
		}
		if tooBig.Max != most || tooBig.Datagram != most+1 || tooBig.MTU != p.SendOn.MTU {
			t.Errorf("got %+v, want at most %d of MTU %d", tooBig, most, p.SendOn.MTU)
		}
	}
	write(t, c, []byte("fits"), 4)
	l.wantNext("after the error", []byte("fits"))
}

func testTooLong(t *testing.T, p Place) {
	if p.SendOn.MTU < mcast.MaxDatagram+100 {
		t.Skipf("none fits the MTU of %d", p.SendOn.MTU)
	}
	l, c := p.listen(t, p.listenConfig()), p.dial(t, p.sendConfig())
	write(t, c, make([]byte, 3*(mcast.MaxDatagram+1)), mcast.MaxDatagram+1)
	write(t, c, []byte("short"), 5)
	l.wantNext("only the short one", []byte("short"))
	if got := l.Stats().Truncated; got != 3 {
		t.Errorf("%d counted, want 3", got)
	}
}

func testOverflow(t *testing.T, p Place) {
	p.Offload = mcast.OffloadNever // count datagrams, not runs of them
	cfg := p.listenConfig()
	cfg.ReceiveBuffer = 100_000
	l, err := p.Listen(cfg) // and nobody reads it yet
	if err != nil {
		t.Fatal(err)
	}
	c := p.dial(t, p.sendConfig())
	const sent, size = 1000, 1232
	for range sent / 10 {
		write(t, c, make([]byte, 10*size), size)
	}
	b := mcast.NewBatch(64)
	if err := l.ReadBatch(b); err != nil {
		t.Fatal(err)
	}
	got := uint64(b.Len())
	write(t, c, []byte("end"), 3) // there is room again, and it shows how many were lost before it
	for r := newReader(t, l); len(r.next().payload) == size; got++ {
	}
	if drops := l.Stats().KernelDrops; got+drops != sent || drops == 0 {
		t.Errorf("%d received + %d dropped, want %d sent, some of them dropped", got, drops, sent)
	}
}

func testClose(t *testing.T, p Place) {
	l, c := p.listen(t, p.listenConfig()), p.dial(t, p.sendConfig())
	write(t, c, []byte("x"), 1)
	l.next()
	if err := l.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	select {
	case err := <-l.done:
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("a read ended with %v, want net.ErrClosed", err)
		}
	case <-time.After(waitLimit):
		t.Error("a read goes on after Close")
	}
	if err := l.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	c.Close()
	if err := c.WriteSegments([]byte("x"), 1); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a write after Close gave %v, want net.ErrClosed", err)
	}
}
