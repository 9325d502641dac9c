// SPDX-License-Identifier: GPL-2.0-or-later

package multicast

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"iotupd/internal/mcast"
	"iotupd/proto"
)

func TestShardsThatDoNotFitTheInterfaceAreRefused(t *testing.T) {
	tests := []struct {
		mtu   int
		group string
		shard int
		max   int // shard that would fit; 0: this one does
	}{
		{1500, "ff02::1", 1344, 0},
		{1456, "ff02::1", 1344, 0},
		{1455, "ff02::1", 1344, 1280},
		{1436, "239.1.2.3", 1344, 0},
		{1280, "ff02::1", 1152, 0},
		{1280, "ff02::1", 1344, 1152},
		{0, "ff02::1", 1344, 0}, // unknown
	}
	for _, test := range tests {
		r := Route{Interface: "eth9", MTU: test.mtu, Group: netip.MustParseAddr(test.group)}
		err := r.Fits(proto.HeaderLen + test.shard)
		switch {
		case test.max == 0 && err != nil:
			t.Errorf("%+v: got %v, want that it fits", test, err)
		case test.max != 0 && (!errors.As(err, new(*mcast.TooBigError)) || !errors.As(err, new(*Error)) || !strings.Contains(err.Error(), fmt.Sprintf(": use shards of at most %d bytes", test.max))):
			t.Errorf("%+v: got %v, want that it does not fit", test, err)
		}
	}
}
