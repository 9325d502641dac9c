// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	encoding "encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"iotupd/proto"
)

// An intruder is on a host of the network. It receives the same packets as
// everybody, and sends datagrams that look like the sender's, including the
// checksum.
type intruder struct {
	t     *testing.T
	host  *host
	heard *net.UDPConn
	to    netip.AddrPort
}

func newIntruder(h *host) *intruder {
	h.t.Helper()
	group := proto.ChannelAddresses("iotupd").IPv6
	return &intruder{t: h.t, host: h, heard: h.listen(group), to: netip.AddrPortFrom(group, proto.DefaultPort)}
}

// A known object is what anybody learns by listening.
type known struct {
	t        *testing.T
	from     netip.AddrPort
	object   proto.ObjectID
	geo      proto.Geometry
	manifest []byte // payload
}

// learn listens until all is known of the object that is being sent.
func (x *intruder) learn() (k known) {
	x.t.Helper()
	x.heard.SetReadDeadline(time.Now().Add(waitLimit()))
	b := make([]byte, 2000)
	for k.manifest == nil {
		n, from, err := x.heard.ReadFromUDPAddrPort(b)
		if err != nil {
			x.t.Fatal(err)
		}
		h, payload, err := proto.Parse(b[:n])
		if err != nil || h.Type != proto.TypeManifest {
			continue
		}
		k = known{t: x.t, from: from, object: h.Object, manifest: slices.Clone(payload)}
		if k.geo, err = h.Params.Geometry(); err != nil {
			x.t.Fatal(err)
		}
	}
	return k
}

// A forger makes datagram number n.
type forger func(rnd *rand.Rand, n int) []byte

// An attack is a stream of forged datagrams.
type attack struct {
	forge func(known) forger
	every int  // one for so many that are heard; 0: as fast as it goes
	spoof bool // they seem to come from the sender
}

// begin attacks until the test ends, or until stop, which returns how many
// datagrams were sent.
func (a attack) begin(x *intruder) (stop func() uint64) {
	x.t.Helper()
	rnd, k := newRand(x.t), x.learn()
	forge := a.forge(k)
	send, end := x.plain()
	if a.spoof {
		send, end = x.spoofed(k.from)
	}
	var ended atomic.Bool
	var sent uint64
	var wg sync.WaitGroup
	wg.Go(func() {
		defer end()
		b := make([]byte, 2000)
		for n := 0; !ended.Load(); n++ {
			if a.every > 0 && !x.hear(b, a.every, &ended) {
				return
			}
			if send(forge(rnd, n)) == nil {
				sent++
			}
		}
	})
	stop = func() uint64 { ended.Store(true); wg.Wait(); return sent }
	x.t.Cleanup(func() { stop() })
	return stop
}

// hear waits for so many datagrams.
func (x *intruder) hear(b []byte, n int, ended *atomic.Bool) bool {
	for n > 0 && !ended.Load() {
		x.heard.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if _, err := x.heard.Read(b); err == nil {
			n--
		}
	}
	return n == 0
}

// plain sends from the intruder's own address. It does not hear itself.
func (x *intruder) plain() (send func([]byte) error, end func()) {
	conn := x.host.dial()
	if err := ipv6.NewPacketConn(conn).SetMulticastLoopback(false); err != nil {
		x.t.Fatal(err)
	}
	return func(b []byte) error {
		_, err := conn.WriteToUDPAddrPort(b, x.to)
		return err
	}, func() { conn.Close() }
}

// spoofed sends packets that seem to come from another host: Ethernet frames
// that it makes itself.
func (x *intruder) spoofed(from netip.AddrPort) (send func([]byte) error, end func()) {
	var fd, index int
	x.host.within(func() error {
		ifi, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		index = ifi.Index
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		return err
	})
	return func(b []byte) error {
		return unix.Sendto(fd, frame(from, x.to, b), 0, &unix.SockaddrLinklayer{Ifindex: index})
	}, func() { unix.Close(fd) }
}

// frame returns a datagram to an IPv6 group as it crosses the cable.
func frame(from, to netip.AddrPort, payload []byte) []byte {
	source, group := from.Addr().As16(), to.Addr().As16()
	b := append([]byte{0x33, 0x33}, group[12:]...) // Ethernet: the group's address
	b = append(b, 2, 0, 0, 0, 0, 1, 0x86, 0xdd)    // any sender; IPv6
	b = append(b, 0x60, 0, 0, 0)                   // IPv6
	b = encoding.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	b = append(b, unix.IPPROTO_UDP, 1) // hop limit
	addresses := len(b)
	b = append(append(b, source[:]...), group[:]...)
	b = encoding.BigEndian.AppendUint16(b, from.Port())
	b = encoding.BigEndian.AppendUint16(b, to.Port())
	b = encoding.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	checksum := len(b)
	b = append(append(b, 0, 0), payload...)
	sum := uint32(unix.IPPROTO_UDP + 8 + len(payload)) // of the pseudo header too
	for i := addresses; i < len(b); i += 2 {           // shards have an even length
		sum += uint32(encoding.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	encoding.BigEndian.PutUint16(b[checksum:], ^uint16(sum))
	return b
}
