// SPDX-License-Identifier: GPL-2.0-or-later

package mcast

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"iotupd/internal/netif"
)

func TestMmsghdrHasTheSizeThatTheKernelExpects(t *testing.T) {
	// struct mmsghdr is struct msghdr, an int, and padding to the alignment of a pointer.
	want := unsafe.Sizeof(unix.Msghdr{}) + unsafe.Sizeof(uintptr(0))
	if got := unsafe.Sizeof(mmsghdr{}); got != want {
		t.Errorf("%d bytes, want %d", got, want)
	}
	if got, want := int(unsafe.Sizeof(sendControl{}.messages)), unix.CmsgSpace(unix.SizeofInet6Pktinfo)+unix.CmsgSpace(2); got < want {
		t.Errorf("control messages have %d bytes, want at least %d", got, want)
	}
}

func TestControlMessagesAreReadAsWritten(t *testing.T) {
	for _, source := range addrs("10.0.0.1", "fd77::1") {
		var c sendControl
		c.setSource(source, 7)
		c.setSegment(1232)
		b := unsafe.Slice((*byte)(unsafe.Pointer(&c.messages)), unsafe.Sizeof(c.messages))
		for _, run := range []bool{false, true} {
			messages, err := unix.ParseSocketControlMessage(b[:c.bytes(run)])
			if err != nil || len(messages) != map[bool]int{false: 1, true: 2}[run] || !bytes.Contains(messages[0].Data, source.AsSlice()) {
				t.Errorf("%v, a run: %v: got %+v, %v", source, run, messages, err)
			}
		}
	}
}

func TestSockaddrsAreReadAsWritten(t *testing.T) {
	for _, test := range []struct {
		addr  string
		scope int
		want  string // after the family
	}{
		{"[fe80::1]:18868", 3, "49b4 00000000 fe800000000000000000000000000001"},
		{"239.255.1.2:18868", 0, "49b4 efff0102"},
	} {
		a := netip.MustParseAddrPort(test.addr)
		s, n := newSockaddr(a, test.scope)
		want := strings.ReplaceAll(test.want, " ", "")
		if got := hex.EncodeToString(s[2:n]); !strings.HasPrefix(got, want) {
			t.Errorf("%v: got %s, want %s", a, got, want)
		}
		if got, scope := s.addrPort(); got != a || scope != test.scope {
			t.Errorf("got %v scope %d, want %v scope %d", got, scope, a, test.scope)
		}
	}
}

// cmsg lays out a control message.
func cmsg(level, typ int32, data ...byte) []byte {
	b := make([]byte, unix.CmsgSpace(len(data)))
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
	h.Level, h.Type = level, typ
	h.SetLen(unix.CmsgLen(len(data)))
	copy(b[unix.CmsgLen(0):], data)
	return b
}

func native32(v uint32) []byte {
	b := make([]byte, 4)
	*(*uint32)(unsafe.Pointer(&b[0])) = v
	return b
}

func TestControlMessagesCutAnywhereAreNobodys(t *testing.T) {
	group := netip.MustParseAddr("ff15::8:0")
	g := group.As16()
	info := cmsg(unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, append(g[:], native32(3)...)...)
	all := append(append(cmsg(unix.SOL_SOCKET, unix.SO_RXQ_OVFL, native32(7)...), info...),
		cmsg(unix.SOL_UDP, unix.UDP_GRO, native32(1232)...)...)
	want := control{arrival{group, 3}, 1232, 7, true}
	if got := parseControl(all); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for n := range len(all) {
		got := parseControl(all[:n])
		if got.group != (netip.Addr{}) && got.arrival != want.arrival {
			t.Errorf("of %d bytes: got %+v", n, got)
		}
	}
}

func TestSegments(t *testing.T) {
	for _, test := range []struct{ n, segment, want int }{
		{0, 0, 1}, {1, 1, 1}, {10, 10, 1}, {11, 10, 2}, {20, 10, 2},
	} {
		if got := segments(test.n, test.segment); got != uint64(test.want) {
			t.Errorf("segments(%d, %d) = %d, want %d", test.n, test.segment, got, test.want)
		}
	}
}

// freePort returns a UDP port that nobody uses, below those that the kernel draws
// for other programs.
func freePort(t testing.TB) uint16 {
	t.Helper()
	for {
		port := 20000 + rand.IntN(10000)
		if c, err := net.ListenUDP("udp", &net.UDPAddr{Port: port}); err == nil {
			c.Close()
			return uint16(port)
		} else if !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatal(err)
		}
	}
}

// open returns both ends on the loopback interface.
func open(t testing.TB, offload Offload) (*Conn, *Socket) {
	t.Helper()
	lo, err := InterfaceByName("lo")
	if err != nil {
		t.Skip(err)
	}
	usual := follow
	follow = netif.Follower{Every: time.Hour, Unannounced: true} // a look allocates
	t.Cleanup(func() { follow = usual })
	group, port := netip.MustParseAddr("239.255.8.32"), freePort(t)
	l, err := Listen(ListenConfig{Groups: []netip.Addr{group}, Port: port, Interfaces: []string{"lo"}, Offload: offload})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	c, err := Dial(SendConfig{Group: group, Port: port, Interface: lo, Offload: offload})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, l.Sockets()[0]
}

// exchange sends buf as datagrams of 1232 bytes and receives them.
func exchange(t testing.TB, c *Conn, s *Socket, buf []byte, b *Batch) {
	if err := c.WriteSegments(buf, 1232); err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(buf); {
		if err := s.ReadBatch(b); err != nil {
			t.Fatal(err)
		}
		for i := range b.Len() {
			n += len(b.Datagram(i))
		}
	}
}

func TestDatagramsCostNoAllocation(t *testing.T) {
	for name, offload := range map[string]Offload{"offload": OffloadAuto, "plain": OffloadNever} {
		t.Run(name, func(t *testing.T) {
			c, s := open(t, offload)
			b, buf := NewBatch(16), make([]byte, 64*1232)
			exchange(t, c, s, buf, b) // grows b
			if got := testing.AllocsPerRun(20, func() { exchange(t, c, s, buf, b) }); got != 0 {
				t.Errorf("%v allocations for 64 datagrams, want 0", got)
			}
		})
	}
}

func TestWhatCannotCrossInOnePieceIsSentAlone(t *testing.T) {
	c, s := open(t, OffloadAuto)
	if !c.sys.offload {
		t.Skip("this kernel has no UDP_SEGMENT")
	}
	// A socket without checksums has to cut runs itself, and refuses to.
	c.sys.raw.Control(func(fd uintptr) {
		if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_NO_CHECK, 1); err != nil {
			t.Error(err)
		}
	})
	exchange(t, c, s, make([]byte, 30*1232), NewBatch(8))
	if c.sys.offload {
		t.Error("runs are still sent")
	}
}

func BenchmarkExchange(b *testing.B) {
	for name, offload := range map[string]Offload{"offload": OffloadAuto, "plain": OffloadNever} {
		for _, datagrams := range []int{1, 8, 45} {
			b.Run(fmt.Sprintf("%s/datagrams=%d", name, datagrams), func(b *testing.B) {
				c, s := open(b, offload)
				batch, buf := NewBatch(16), make([]byte, datagrams*1232)
				b.SetBytes(int64(len(buf)))
				b.ReportAllocs()
				for b.Loop() {
					exchange(b, c, s, buf, batch)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*datagrams), "ns/datagram")
			})
		}
	}
}

// A host that does not list its interfaces for a while goes on to receive.
func TestMembershipsOutliveAListThatFails(t *testing.T) {
	usual, list := follow, listInterfaces
	follow = netif.Follower{Every: time.Hour, Unannounced: true} // this test looks at the interfaces itself
	t.Cleanup(func() { follow, listInterfaces = usual, list })
	cfg := ListenConfig{Groups: []netip.Addr{netip.MustParseAddr("239.255.8.32")}, Port: freePort(t), Interfaces: []string{"lo"}}
	l, err := Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	listInterfaces = func() ([]netif.Interface, error) { return nil, fmt.Errorf("%w: torn", netif.ErrNotListed) }
	if err := l.SetGroups(cfg.Groups); !errors.Is(err, netif.ErrNotListed) {
		t.Errorf("got %v, want that the list failed", err)
	}
	if m := l.Memberships(); len(m) != 1 || m[0].Err != nil || len(l.members) != 1 || l.members[0].index == 0 {
		t.Errorf("memberships are %+v, want the one from before", m)
	}
	for _, cfg.Interfaces = range [][]string{{"lo"}, nil} {
		if other, err := Listen(cfg); !errors.Is(err, netif.ErrNotListed) || strings.Contains(err.Error(), "here:") {
			t.Errorf("on %q: got %v, %v, want the error of the list alone", cfg.Interfaces, other, err)
		}
	}
}
