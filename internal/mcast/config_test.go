// SPDX-License-Identifier: GPL-2.0-or-later

package mcast

import (
	"net/netip"
	"strings"
	"testing"

	"iotupd/proto"
)

func TestListenRefusesWhatCannotWork(t *testing.T) {
	good := ListenConfig{Groups: addrs("ff15::1", "239.255.0.1"), Port: 1}
	if err := good.validate(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		change func(*ListenConfig)
		want   string
	}{
		{func(c *ListenConfig) { c.Port = 0 }, "no UDP port"},
		{func(c *ListenConfig) { c.Groups = nil }, "no multicast group"},
		{func(c *ListenConfig) { c.Groups = addrs("10.0.0.1") }, "10.0.0.1 is not a multicast address"},
		{func(c *ListenConfig) { c.Groups = addrs("::ffff:239.255.0.1") }, "not a multicast address"},
		{func(c *ListenConfig) { c.Groups = addrs("ff02::1%eth0") }, "not a multicast address"},
		{func(c *ListenConfig) { c.Groups = []netip.Addr{{}} }, "not a multicast address"},
		{func(c *ListenConfig) { c.Sources = addrs("ff02::1") }, "ff02::1 is not the address of a host"},
		{func(c *ListenConfig) { c.Sources = addrs("0.0.0.0") }, "0.0.0.0 is not the address of a host"},
	} {
		cfg := good
		test.change(&cfg)
		l, err := Listen(cfg)
		if err == nil {
			l.Close()
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %q", err, test.want)
		}
	}
}

func TestDialRefusesWhatCannotWork(t *testing.T) {
	good := SendConfig{Group: addrs("ff15::1")[0], Port: 1, HopLimit: 255, DSCP: 63, Interface: Interface{Name: "eth0", Index: 2, IPv6: true}}
	if err := good.validate(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		change func(*SendConfig)
		want   string
	}{
		{func(c *SendConfig) { c.Port = 0 }, "no UDP port"},
		{func(c *SendConfig) { c.Group = addrs("fe80::1")[0] }, "not a multicast address"},
		{func(c *SendConfig) { c.Group = addrs("239.255.0.1")[0] }, `interface "eth0" has no IPv4 address`},
		{func(c *SendConfig) { c.Interface = Interface{Name: "lo", Loopback: true, IPv4: true} }, "use IPv4"},
		{func(c *SendConfig) { c.HopLimit = 256 }, "hop limit 256"},
		{func(c *SendConfig) { c.HopLimit = -1 }, "hop limit -1"},
		{func(c *SendConfig) { c.DSCP = 64 }, "DSCP 64"},
	} {
		cfg := good
		test.change(&cfg)
		c, err := Dial(cfg)
		if err == nil {
			c.Close()
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %q", err, test.want)
		}
	}
}

// This package knows nothing of the protocol, whose datagrams it has to carry.
func TestDatagramsOfTheProtocolAreReceivedAndNoLongerOnes(t *testing.T) {
	if MaxDatagram != proto.MaxDatagramLen {
		t.Errorf("datagrams of up to %d bytes are received, but the protocol has up to %d", MaxDatagram, proto.MaxDatagramLen)
	}
}

func TestGroupsOfTheProtocolCanBeJoinedAndNoOthers(t *testing.T) {
	for _, a := range addrs("ff02::1", "ff3e::8000:1", "224.0.0.1", "239.255.255.255", "::ffff:239.1.2.3", "fe80::1", "2001:db8::1", "::",
		"223.255.255.255", "240.0.0.0", "0.0.0.0") {
		if got, want := validateGroups([]netip.Addr{a}) == nil, proto.IsMulticastGroup(a); got != want {
			t.Errorf("%v can be joined: %v, and is a group of the protocol: %v", a, got, want)
		}
	}
}

func addrs(list ...string) []netip.Addr {
	var a []netip.Addr
	for _, s := range list {
		a = append(a, netip.MustParseAddr(s))
	}
	return a
}
