// SPDX-License-Identifier: GPL-2.0-or-later

package encode

import (
	"net/netip"
	"testing"

	"iotupd/proto"
)

// "1152 fits any network, 1344 an MTU of 1500, 1408 that over IPv4 without --group-key":
// help of --shard-size.
func TestShardSizesOfTheHelpFitTheirMTU(t *testing.T) {
	ip4, ip6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	for _, test := range []struct {
		shard, mtu int
		from       netip.Addr
		sealed     bool
		fits       bool
	}{
		{1152, 1280, ip6, true, true}, // the least MTU of IPv6
		{1344, 1500, ip6, true, true},
		{1344, 1500, ip4, true, true},
		{1408, 1500, ip4, false, true},
		{1408, 1500, ip4, true, false},
		{1408, 1500, ip6, false, false},
		{1472, 1500, ip4, false, false},
	} {
		h := proto.Header{Params: proto.Params{ShardSize: test.shard}, Sealed: test.sealed}
		if n := h.DatagramLen() + proto.Overhead(test.from); (n <= test.mtu) != test.fits {
			t.Errorf("%+v: packets have %d bytes", test, n)
		}
	}
}
