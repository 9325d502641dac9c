// SPDX-License-Identifier: GPL-2.0-or-later

package mcasttest_test

import (
	"net/netip"
	"testing"

	"iotupd/internal/mcast"
	"iotupd/internal/mcast/mcasttest"
)

func TestTheStandInIsAPlace(t *testing.T) {
	for name, group := range map[string]string{"IPv6": "ff15::8:0", "IPv4": "239.255.8.0"} {
		for _, mtu := range []int{1500, 65536} {
			t.Run(name, func(t *testing.T) {
				var n mcasttest.Network
				g := netip.MustParseAddr(group)
				mcasttest.TestPlace(t, mcasttest.Place{
					Listen:   func(cfg mcast.ListenConfig) (mcasttest.Receiver, error) { return n.Listen(cfg) },
					Dial:     func(cfg mcast.SendConfig) (mcasttest.Sender, error) { return n.Dial(cfg) },
					SendOn:   mcast.Interface{Name: "eth0", Index: 2, MTU: mtu, IPv6: true, IPv4: true},
					ListenOn: "eth0",
					Group:    g,
					Source:   mcasttest.Source(g, 2),
					Port:     18868,
				})
			})
		}
	}
}
