// SPDX-License-Identifier: GPL-2.0-or-later

package listeners

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
	"time"
)

var (
	stream4 = stream{netip.MustParseAddr("232.1.1.16"), []netip.Addr{netip.MustParseAddr("10.77.0.1")}}
	stream6 = stream{netip.MustParseAddr("ff3e::8000:10"), []netip.Addr{netip.MustParseAddr("fe80::1"), netip.MustParseAddr("fd77::1")}}
)

// ipv4 is a packet around an IGMP message, with right checksums.
func ipv4(message []byte) []byte {
	p := []byte{0x46, 0xc0, 0, 0, 0, 0, 0x40, 0, 1, 2, 0, 0, 10, 77, 0, 2, 224, 0, 0, 22, 0x94, 4, 0, 0}
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)+len(message)))
	fix(p, 10, 0)
	message = bytes.Clone(message)
	fix(message, 2, 0)
	return append(p, message...)
}

// ipv6 is a packet around an MLD message, with a right checksum.
func ipv6(message []byte) []byte {
	p := make([]byte, headerIPv6, headerIPv6+8+len(message))
	p[0], p[6], p[7] = 0x60, hopByHop, 1
	binary.BigEndian.PutUint16(p[4:], uint16(8+len(message)))
	copy(p[8:], stream6.sources[0].AsSlice())
	p[23] = 2
	copy(p[24:], netip.MustParseAddr("ff02::16").AsSlice())
	p = append(p, protocolICMPv6, 0, optionRouterAlert, 2, 0, 0, 1, 0)
	message = bytes.Clone(message)
	fix(message, 2, sum(uint32(len(message))+protocolICMPv6, p[8:40]))
	return append(p, message...)
}

// fix puts the checksum of b into b at an offset, if there is room.
func fix(b []byte, at int, start uint32) {
	if len(b) >= at+2 {
		b[at], b[at+1] = 0, 0
		binary.BigEndian.PutUint16(b[at:], ^uint16(sum(start, b)))
	}
}

// unhex reads hexadecimal digits, in which G stands for the multicast group of
// the stream, S for a source of its sender, and X for that of another.
func unhex(t *testing.T, s stream, digits string) []byte {
	t.Helper()
	stranger := s.sources[0].Next()
	for letter, a := range map[string]netip.Addr{"G": s.group, "S": s.sources[len(s.sources)-1], "X": stranger} {
		digits = strings.ReplaceAll(digits, letter, hex.EncodeToString(a.AsSlice()))
	}
	b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Packets of a Linux host, the first one with another multicast group.
func TestParsesPacketsFromTheWire(t *testing.T) {
	const v4, v6 = "0a4d0002", "fe800000000000000000000000000002"
	tests := []struct {
		name, packet string
		want         kind
	}{
		{"IGMPv2 report", "46c00020000040000102f0b7" + v4 + "e801011094040000160000eee8010110", joined},
		{"IGMPv3 allow", "46c0002c000040000102f9a6" + v4 + "e0000016940400002200e59d0000000105000001e80101100a4d0001", joined},
		{"IGMPv3 block", "46c0002c000040000102f9a6" + v4 + "e0000016940400002200e49d0000000106000001e80101100a4d0001", left},
		{"MLDv2 allow, and another group", "6000000000480001" + v6 + "ff0200000000000000000000000000163a000502000001008f00ee0d0000000205000001ff3e0000000000000000000080000010fe80000000000000000000000000000104000000ff0200000000000000000001ff000002", joined},
		{"MLDv2 block", "6000000000340001" + v6 + "ff0200000000000000000000000000163a000502000001008f00ef290000000106000001ff3e0000000000000000000080000010fe800000000000000000000000000001", left},
		{"MLDv2 about others", "6000000000240001" + v6 + "ff0200000000000000000000000000163a000502000001008f0071050000000104000000ff0200000000000000000001ff000002", other},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, from := stream6, "fe80::2"
			if strings.Contains(test.packet, v4) {
				s, from = stream4, "10.77.0.2"
			}
			want := message{kind: test.want, from: netip.MustParseAddr(from)}
			if got := s.parse(unhex(t, s, test.packet)); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestUnderstandsMessages(t *testing.T) {
	const ms, s = time.Millisecond, time.Second
	tests := []struct {
		name    string
		message string
		want    kind
		within  time.Duration
	}{
		{"IGMPv1 report", "1200 0000 G", joined, 0},
		{"IGMPv1 report of another group", "1200 0000 X", other, 0},
		{"IGMPv2 leave", "1700 0000 G", left, 0},
		{"IGMPv1 query", "1100 0000 00000000", askedAll, 10 * s},
		{"IGMPv2 query", "1164 0000 00000000", askedAll, 10 * s},
		{"IGMPv2 query of the group", "110a 0000 G", askedUs, s},
		{"IGMPv2 query of another group", "110a 0000 X", nothing, s},
		{"IGMPv3 query", "1164 0000 00000000 027d0000", askedAll, 10 * s},
		{"IGMPv3 query, long time to answer", "119a 0000 00000000 027d0000", askedAll, (0x1a << 4) * 100 * ms},
		{"IGMPv3 query of the source", "110a 0000 G 027d0002 X S", askedUs, s},
		{"IGMPv3 query of another source", "110a 0000 G 027d0001 X", nothing, s},
		{"IGMPv3 query, already answered", "110a 0000 G 0a7d0000", nothing, 0},
		{"IGMPv3 query, cut off", "110a 0000 G 027d0002 S", nothing, 0},

		{"IGMPv3 is all", "2200 0000 00000001 02000000 G", joined, 0},
		{"IGMPv3 is all but others", "2200 0000 00000001 02000001 G X", joined, 0},
		{"IGMPv3 is all but us", "2200 0000 00000001 02000001 G S", left, 0},
		{"IGMPv3 is us", "2200 0000 00000001 01000002 G X S", joined, 0},
		{"IGMPv3 is others", "2200 0000 00000001 01000001 G X", left, 0},
		{"IGMPv3 to all", "2200 0000 00000001 04000000 G", joined, 0},
		{"IGMPv3 to all but us", "2200 0000 00000001 04000001 G S", left, 0},
		{"IGMPv3 to none", "2200 0000 00000001 03000000 G", left, 0},
		{"IGMPv3 to us", "2200 0000 00000001 03000001 G S", joined, 0},
		{"IGMPv3 allow others", "2200 0000 00000001 05000001 G X", other, 0},
		{"IGMPv3 block others", "2200 0000 00000001 06000001 G X", other, 0},
		{"IGMPv3 allow us, block others", "2200 0000 00000002 05000001 G S 06000001 G X", joined, 0},
		{"IGMPv3 block us, allow others", "2200 0000 00000002 06000001 G S 05000001 G X", left, 0},
		{"IGMPv3 of an unknown type", "2200 0000 00000001 07000001 G S", other, 0},
		{"IGMPv3 after another with auxiliary data", "2200 0000 00000002 04010001 X S ffffffff 04000000 G", joined, 0},
		{"IGMPv3 without records", "2200 0000 00000000", other, 0},
		{"IGMPv3 cut off in a later record", "2200 0000 00000002 04000000 G 04000000 ffff", nothing, 0},
		{"IGMPv3 with fewer sources than it says", "2200 0000 00000001 0500ffff G S", nothing, 0},
		{"IGMPv3 with less auxiliary data than it says", "2200 0000 00000001 04ff0000 G", nothing, 0},
		{"IGMP, too short", "1600 0000", nothing, 0},
		{"PIM", "2000 0000 00000000", nothing, 0},

		{"MLDv1 report", "83000000 00000000 G", joined, 0},
		{"MLDv1 report of another group", "83000000 00000000 X", other, 0},
		{"MLDv1 done", "84000000 00000000 G", left, 0},
		{"MLDv1 query", "82000000 27100000 00000000000000000000000000000000", askedAll, 10 * s},
		{"MLDv1 query of the group", "82000000 03e80000 G", askedUs, s},
		{"MLDv2 query", "82000000 27100000 00000000000000000000000000000000 027d0000", askedAll, 10 * s},
		{"MLDv2 query, long time to answer", "82000000 92340000 00000000000000000000000000000000 027d0000", askedAll, (0x1234 << 4) * ms},
		{"MLDv2 query of the source", "82000000 03e80000 G 027d0001 S", askedUs, s},
		{"MLDv2 query of another source", "82000000 03e80000 G 027d0001 X", nothing, s},
		{"MLDv2 query, already answered", "82000000 03e80000 G 0a7d0001 S", nothing, 0},
		{"MLDv2 query, cut off", "82000000 03e80000 G 027d0002 S", nothing, 0},
		{"MLDv2 to all", "8f000000 00000001 04000000 G", joined, 0},
		{"MLDv2 to none", "8f000000 00000001 03000000 G", left, 0},
		{"MLDv2 block us", "8f000000 00000001 06000001 G S", left, 0},
		{"MLDv2 is us", "8f000000 00000001 01000001 G S", joined, 0},
		{"MLDv2, cut off", "8f000000 00000001 04000000 ff3e", nothing, 0},
		{"MLD, too short", "83000000 00000000", nothing, 0},
		{"neighbour solicitation", "87000000 00000000 G", nothing, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, wrap, from := stream4, ipv4, "10.77.0.2"
			if test.message[0] == '8' {
				s, wrap, from = stream6, ipv6, "fe80::2"
			}
			want := message{kind: test.want, from: netip.MustParseAddr(from), within: test.within}
			if got := s.parse(wrap(unhex(t, s, test.message))); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestIgnoresPacketsThatAreNotOfThisLinkOrDamaged(t *testing.T) {
	join4 := ipv4(unhex(t, stream4, "1600 0000 G"))
	join6 := ipv6(unhex(t, stream6, "83000000 00000000 G"))
	if stream4.parse(join4).kind != joined || stream6.parse(join6).kind != joined {
		t.Fatal("the packets to corrupt are not understood")
	}
	tests := []struct {
		name   string
		stream stream
		packet []byte
		at     int // this byte is changed
		to     byte
	}{
		{"IPv4: another version", stream4, join4, 0, 0x66},
		{"IPv4: header shorter than one", stream4, join4, 0, 0x44},
		{"IPv4: shorter than its header", stream4, join4, 3, 22},
		{"IPv4: longer than the packet", stream4, join4, 2, 1},
		{"IPv4: more fragments", stream4, join4, 6, 0x20},
		{"IPv4: a later fragment", stream4, join4, 7, 1},
		{"IPv4: came from afar", stream4, join4, 8, 64},
		{"IPv4: UDP", stream4, join4, 9, 17},
		{"IPv4: damaged message", stream4, join4, 25, 1},
		{"IPv6: another version", stream6, join6, 0, 0x40},
		{"IPv6: longer than the packet", stream6, join6, 4, 1},
		{"IPv6: no hop-by-hop options", stream6, join6, 6, protocolICMPv6},
		{"IPv6: came from afar", stream6, join6, 7, 64},
		{"IPv6: source is not link-local", stream6, join6, 8, 0x20},
		{"IPv6: UDP", stream6, join6, 40, 17},
		{"IPv6: longer options than there are", stream6, join6, 41, 9},
		{"IPv6: no router alert", stream6, join6, 42, 1},
		{"IPv6: alert is not for MLD", stream6, join6, 45, 2},
		{"IPv6: option is cut off", stream6, join6, 43, 9},
		{"IPv6: damaged message", stream6, join6, 49, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := bytes.Clone(test.packet)
			p[test.at] = test.to
			if test.stream.group.Is4() && test.at < 20 { // or its header would be damaged
				fix(p[:24], 10, 0)
			}
			if got := test.stream.parse(p); got.kind != nothing {
				t.Errorf("got %+v, want nothing", got)
			}
		})
	}
	t.Run("IPv4: damaged header", func(t *testing.T) {
		p := bytes.Clone(join4)
		p[12]++
		if got := stream4.parse(p); got.kind != nothing {
			t.Errorf("got %+v, want nothing", got)
		}
	})
	t.Run("cut off", func(t *testing.T) {
		for n := range join4 {
			if got := stream4.parse(join4[:n]); got.kind != nothing {
				t.Errorf("IPv4, %d bytes: got %+v, want nothing", n, got)
			}
		}
		for n := range join6 {
			if got := stream6.parse(join6[:n]); got.kind != nothing {
				t.Errorf("IPv6, %d bytes: got %+v, want nothing", n, got)
			}
		}
	})
}

// Whatever arrives, only a host that names the multicast group counts as a
// listener.
func FuzzReport(f *testing.F) {
	f.Add([]byte("\x22\x00\x00\x00\x00\x00\x00\x01\x05\x00\x00\x01\xe8\x01\x01\x10\x0a\x4d\x00\x01"))
	f.Add([]byte("\x11\x0a\x00\x00\xe8\x01\x01\x10\x02\x7d\x00\x00"))
	f.Add([]byte("\x8f\x00\x00\x00\x00\x00\x00\x01\x04\x00\x00\x00\xff\x3e\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x00\x00\x10"))
	f.Add(ipv6([]byte("\x83\x00\x00\x00\x00\x00\x00\x00\xff\x3e\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x00\x00\x10")))
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 60000 {
			return
		}
		for _, c := range []struct {
			stream stream
			packet []byte
		}{{stream4, in}, {stream6, in}, {stream4, ipv4(in)}, {stream6, ipv6(in)}} {
			m := c.stream.parse(c.packet)
			named := bytes.Contains(c.packet, c.stream.group.AsSlice())
			if !named && (m.kind == joined || m.kind == left || m.kind == askedUs) {
				t.Errorf("% x: got %+v without the group", c.packet, m)
			}
			if m.within < 0 || m.within > 3*time.Hour {
				t.Errorf("% x: %v to answer", c.packet, m.within)
			}
		}
	})
}
