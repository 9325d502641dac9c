// SPDX-License-Identifier: GPL-2.0-or-later

package proto

import (
	"net/netip"
	"testing"
)

func TestChannelGroups(t *testing.T) {
	// spec.md 8.1, check vectors.
	addr := netip.MustParseAddr
	for _, tt := range []struct {
		channel string
		want    Groups
	}{
		{"fw.example.net", Groups{
			IPv6:       addr("ff15:7ed9:6251:a9b0:edae:1153:dfa4:97a0"),
			IPv6Source: addr("ff3e::dfa4:97a0"),
			IPv4:       addr("239.255.128.128"),
			IPv4Source: addr("232.170.128.128"),
		}},
		{"iotupd", Groups{
			IPv6:       addr("ff15:77a:ccf7:13b3:e59b:300b:e215:b3a0"),
			IPv6Source: addr("ff3e::e215:b3a0"),
			IPv4:       addr("239.255.163.64"),
			IPv4Source: addr("232.167.163.64"),
		}},
	} {
		if got := ChannelGroups(tt.channel); got != tt.want {
			t.Errorf("ChannelGroups(%q) = %v, want %v", tt.channel, got, tt.want)
		}
	}
}

func TestEveryChannelHasRoomForItsLayers(t *testing.T) {
	// "layer l is sent to base address + l, l = 0..15." spec.md 8.1
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
