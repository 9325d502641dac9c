// SPDX-License-Identifier: GPL-2.0-or-later

package proto

import (
	"net/netip"
	"slices"
	"testing"
)

func TestChannelVectors(t *testing.T) {
	forEachVector(t, "channel.txt", func(t *testing.T, v vector) {
		want := Addresses{
			IPv6:       netip.MustParseAddr(v.text("ipv6")),
			IPv6Source: netip.MustParseAddr(v.text("ipv6-source")),
			IPv4:       netip.MustParseAddr(v.text("ipv4")),
			IPv4Source: netip.MustParseAddr(v.text("ipv4-source")),
		}
		if got := ChannelAddresses(v.text("channel")); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestEveryChannelHasRoomForItsLayers(t *testing.T) {
	// "Layer l is sent to base address + l." spec.md 8.1
	for _, channel := range []string{"", "a", "b", "c", "fw.example.net", "iotupd"} {
		g := ChannelAddresses(channel)
		for _, base := range []netip.Addr{g.IPv6, g.IPv6Source, g.IPv4, g.IPv4Source} {
			b := base.AsSlice()
			if !IsMulticastGroup(base) || !LayersFit(base, MaxLayers) || b[len(b)-1]&15 != 0 {
				t.Errorf("channel %q: %v is not the base of 16 groups", channel, base)
			}
		}
	}
}

func TestOnlyMulticastAddressesHaveRoomForLayers(t *testing.T) {
	for _, test := range []struct {
		base   string
		layers int
		want   bool
	}{
		{"ff15::1", 16, true}, {"239.255.255.255", 1, true}, {"239.255.255.255", 2, false}, {"239.255.255.240", 16, true},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1, true}, {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 2, false},
		{"2001:db8::1", 1, false}, {"192.0.2.1", 1, false}, {"::ffff:239.1.2.3", 1, false},
	} {
		if got := LayersFit(netip.MustParseAddr(test.base), test.layers); got != test.want {
			t.Errorf("%s, %d layers: got %v, want %v", test.base, test.layers, got, test.want)
		}
	}
}

func TestTheGroupsThatAreHeardAreOfTheFamiliesOfTheSources(t *testing.T) {
	g := ChannelAddresses("iotupd")
	host4, host6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	tests := []struct{ sources, want []netip.Addr }{
		{nil, []netip.Addr{g.IPv6, g.IPv4}},
		{[]netip.Addr{host4}, []netip.Addr{g.IPv4Source}},
		{[]netip.Addr{host6}, []netip.Addr{g.IPv6Source}},
		{[]netip.Addr{host4, host6}, []netip.Addr{g.IPv6Source, g.IPv4Source}},
	}
	for _, test := range tests {
		if got := g.ForSources(test.sources); !slices.Equal(got, test.want) {
			t.Errorf("of %v: got %v, want %v", test.sources, got, test.want)
		}
	}
}
