// SPDX-License-Identifier: GPL-2.0-or-later

package proto

import (
	"net/netip"
	"testing"
)

func TestChannelVectors(t *testing.T) {
	forEachVector(t, "channel.txt", func(t *testing.T, v vector) {
		want := Groups{
			IPv6:       netip.MustParseAddr(v.text("ipv6")),
			IPv6Source: netip.MustParseAddr(v.text("ipv6-source")),
			IPv4:       netip.MustParseAddr(v.text("ipv4")),
			IPv4Source: netip.MustParseAddr(v.text("ipv4-source")),
		}
		if got := ChannelGroups(v.text("channel")); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestEveryChannelHasRoomForItsLayers(t *testing.T) {
	// "Layer l is sent to base address + l." spec.md 8.1
	for _, channel := range []string{"", "a", "b", "c", "fw.example.net", "iotupd"} {
		g := ChannelGroups(channel)
		for _, base := range []netip.Addr{g.IPv6, g.IPv6Source, g.IPv4, g.IPv4Source} {
			b := base.AsSlice()
			if !base.IsMulticast() || b[len(b)-1]&15 != 0 {
				t.Errorf("channel %q: %v is not the base of 16 groups", channel, base)
			}
		}
	}
}
