// SPDX-License-Identifier: GPL-2.0-or-later

package proto

import (
	"crypto/sha256"
	"net/netip"
	"slices"
)

// DefaultPort is the UDP destination port unless the user chooses another
// (spec.md 8.2).
const DefaultPort = 18868

// DefaultChannel is the name of the channel unless the user chooses another
// (spec.md 8.1).
const DefaultChannel = "iotupd"

// MaxLayers is the number of consecutive multicast group addresses of a channel.
const MaxLayers = 16

// ValidLayers reports whether a sender can have so many layers (spec.md 2.5): 1 to
// [MaxLayers].
func ValidLayers(n int) bool { return n >= 1 && n <= MaxLayers }

// IPv6Overhead and IPv4Overhead are the bytes that the headers of IP and UDP add
// to a datagram (spec.md 6.3).
const (
	IPv6Overhead = 40 + 8
	IPv4Overhead = 20 + 8
)

// Overhead returns what IP and UDP add to a datagram from or to an address.
func Overhead(a netip.Addr) int {
	if a.Unmap().Is4() {
		return IPv4Overhead
	}
	return IPv6Overhead
}

// Addresses are the base addresses of a channel, one for each kind of multicast;
// layer l is sent to base + l.
type Addresses struct {
	IPv6, IPv6Source netip.Addr // any source; source-specific
	IPv4, IPv4Source netip.Addr
}

// IsMulticastGroup reports whether datagrams can be sent to a as a multicast
// group: ff00::/8 or 224.0.0.0/4, but not an IPv4-mapped IPv6 address. Zones,
// which name an interface of one host, are not checked.
func IsMulticastGroup(a netip.Addr) bool { return a.IsMulticast() && !a.Is4In6() }

// LayersFit reports whether there are multicast groups for so many layers from
// base on (spec.md 8.1).
func LayersFit(base netip.Addr, layers int) bool {
	return IsMulticastGroup(LayerAddress(base, layers-1))
}

// LayerAddress returns the multicast group of a layer, 0 to MaxLayers-1, where
// base is the multicast group of layer 0 (spec.md 8.1). It is not a multicast
// group ([IsMulticastGroup]) if base is too high.
func LayerAddress(base netip.Addr, layer int) netip.Addr {
	for range layer {
		base = base.Next()
	}
	return base
}

// ChannelAddresses derives the multicast group addresses of a channel from its
// name (spec.md 8.1), so that a name is all that two sides must share.
func ChannelAddresses(channel string) Addresses {
	h := sha256.Sum256([]byte("iotupd group v1\x00" + channel))

	v6 := [16]byte{0xff, 0x15}
	copy(v6[2:], h[:14])
	v6[12] |= 0x80 // RFC 4607: group ids of this half are for hosts to choose
	v6[15] &^= MaxLayers - 1

	v6s := [16]byte{0xff, 0x3e}
	copy(v6s[12:], v6[12:])

	low := h[15] &^ (MaxLayers - 1)
	v4s := [4]byte{232, h[13], h[14], low}
	if h[13]&0x7f == 0 && h[14] == 0 {
		v4s[2] = 1 // 232.0.0.0/24 is reserved; 232.128.0.0/24 shares its MAC addresses
	}
	return Addresses{
		IPv6:       netip.AddrFrom16(v6),
		IPv6Source: netip.AddrFrom16(v6s),
		IPv4:       netip.AddrFrom4([4]byte{239, 255, min(h[14], 254), low}),
		IPv4Source: netip.AddrFrom4(v4s),
	}
}

// ForSources returns the multicast groups to join for packets from the given sources,
// in the address families of these sources. Without sources, it returns the
// any-source groups of both families.
func (g Addresses) ForSources(sources []netip.Addr) (groups []netip.Addr) {
	if len(sources) == 0 {
		return []netip.Addr{g.IPv6, g.IPv4}
	}
	if slices.ContainsFunc(sources, func(a netip.Addr) bool { return !a.Is4() }) {
		groups = append(groups, g.IPv6Source)
	}
	if slices.ContainsFunc(sources, netip.Addr.Is4) {
		groups = append(groups, g.IPv4Source)
	}
	return groups
}
