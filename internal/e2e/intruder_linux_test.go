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

// An intruder is on a host of the network. It hears what all hear, and sends
// datagrams that are like those of the sender, checksum and all.
type intruder struct {
	t     *testing.T
	host  *host
	heard *net.UDPConn
	to    netip.AddrPort
}

func newIntruder(h *host) *intruder {
	h.t.Helper()
	group := proto.ChannelGroups("iotupd").IPv6
	return &intruder{t: h.t, host: h, heard: h.listen(group), to: netip.AddrPortFrom(group, proto.DefaultPort)}
}

// A known object is what anybody learns by listening.
type known struct {
	from     netip.AddrPort
	object   proto.ObjectID
	geo      proto.Geometry
	manifest []byte // payload
}

// learn listens until all is known of the object that is on the air.
func (x *intruder) learn() (k known) {
	x.t.Helper()
	x.heard.SetReadDeadline(time.Now().Add(patience()))
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
		k = known{from: from, object: h.Object, manifest: slices.Clone(payload)}
		if k.geo, err = h.Params.Geometry(); err != nil {
			x.t.Fatal(err)
		}
	}
	return k
}

// An attack is a stream of forged datagrams.
type attack struct {
	forge func(rnd *rand.Rand, n int) []byte // the datagram number n; not kept
	every int                                // one for so many that are heard; 0: as fast as it goes
	spoof netip.AddrPort                     // the source to be taken for; zero: not hidden
}

// run attacks until the test ends, or until stop, which tells how many
// datagrams were sent.
func (x *intruder) run(rnd *rand.Rand, a attack) (stop func() uint64) {
	x.t.Helper()
	send, end := x.plain()
	if a.spoof.IsValid() {
		send, end = x.spoofed(a.spoof)
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
			if send(a.forge(rnd, n)) == nil {
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

// datagram completes a header and a payload.
func datagram(h proto.Header, payload []byte) []byte {
	b := append(h.AppendTo(nil), payload...)
	proto.PutChecksum(b)
	return b
}

// junk returns n random bytes.
func junk(rnd *rand.Rand, n int) []byte {
	b := make([]byte, (n+7)/8*8)
	for i := 0; i < n; i += 8 {
		encoding.LittleEndian.PutUint64(b[i:], rnd.Uint64())
	}
	return b[:n]
}

// shard forges a shard of a kind, any of the object.
func (k known) shard(typ proto.Type) func(*rand.Rand, int) []byte {
	return func(rnd *rand.Rand, n int) []byte {
		h := proto.Header{Type: typ, Object: k.object, Params: k.geo.Params, Group: uint32(rnd.Uint64N(k.geo.Groups)), Path: proto.Path{Seq: uint32(n)}}
		if typ == proto.TypeData {
			h.Index = rnd.IntN(k.geo.RealShards(h.Group))
			h.Offset = k.geo.Offset(h.Group, h.Index)
		} else {
			h.Index = k.geo.K + rnd.IntN(k.geo.M)
		}
		return datagram(h, junk(rnd, k.geo.ShardSize))
	}
}

// digest forges a record of leaves or of parity, with the SHA-256 of the file
// and a proof of nothing.
func (k known) digest(t *testing.T) func(*rand.Rand, int) []byte {
	t.Helper()
	tree, err := k.geo.Tree()
	if err != nil {
		t.Fatal(err)
	}
	m, err := proto.ParseManifestPayload(k.manifest)
	if err != nil {
		t.Fatal(err)
	}
	return func(rnd *rand.Rand, n int) []byte {
		h := proto.Header{Type: proto.TypeDigest, Object: k.object, Params: k.geo.Params,
			Group: uint32(rnd.Uint64N(k.geo.Groups)), Index: rnd.IntN(tree.PerGroup()), Path: proto.Path{Seq: uint32(n)}}
		r := proto.DigestRecord{SHA256: m.Descriptor.SHA256, Proof: junk(rnd, tree.Depth*proto.DigestLen), Record: junk(rnd, tree.RecordLen())}
		return datagram(h, r.AppendTo(nil, k.geo.ShardSize))
	}
}

// bomb forges a header that promises too much, of another kind each time.
func (k known) bomb(rnd *rand.Rand, n int) []byte {
	h := proto.Header{Type: proto.TypeData, Object: k.object, Params: k.geo.Params, Path: proto.Path{Seq: uint32(n)}}
	other := proto.ObjectID(junk(rnd, len(h.Object)))
	payload := junk(rnd, k.geo.ShardSize)
	kind := n % 8
	if n%1000 == 0 { // reassembling takes the kernel long
		kind = 8
	}
	switch kind {
	case 0:
		h.Object, h.Size = other, 1<<63
	case 1:
		h.Object, h.Size = other, 1<<40
	case 2:
		h.Object, h.Params = other, proto.Params{Code: proto.CodeLeopard16, K: 65535, M: 1, ShardSize: k.geo.ShardSize, Size: 1 << 37}
		h.Group, h.Index = uint32(rnd.IntN(1000)), rnd.IntN(65535)
		geo, err := h.Params.Geometry()
		if err != nil {
			panic(err)
		}
		h.Offset = geo.Offset(h.Group, h.Index)
	case 3: // a million objects
		h.Object, h.Index = other, rnd.IntN(k.geo.K)
		h.Offset = k.geo.Offset(0, h.Index)
	case 4:
		h.ShardSize = 0
	case 5:
		h.Index = k.geo.K
	case 6:
		h.Offset = 1<<63 - uint64(k.geo.ShardSize)
	case 7:
		h.Group = 1<<32 - 1
	case 8: // hwords = 255, in two fragments
		b := h.AppendTo(nil)
		b[7] = 255
		b = append(b, make([]byte, 8*255-len(b)+len(payload))...)
		proto.PutChecksum(b)
		return b
	}
	return datagram(h, payload)
}
