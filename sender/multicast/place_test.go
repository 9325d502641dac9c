// SPDX-License-Identifier: GPL-2.0-or-later

package multicast

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"iotupd/internal/netif"
	"iotupd/proto"
)

// host lists interfaces in the words of these tests, one a line: index, name, addresses,
// of which ? is tentative and ! failed, and the words down, unplugged.
func host(lines ...string) (all []netif.Interface) {
	all = append(all, netif.Interface{
		Interface: net.Interface{Index: 1, Name: "lo", MTU: 65536, Flags: net.FlagUp | net.FlagLoopback | net.FlagRunning},
		Has:       []netif.Address{{Addr: netip.MustParseAddr("127.0.0.1")}},
	})
	for _, line := range lines {
		words := strings.Fields(line)
		i := netif.Interface{Interface: net.Interface{
			Index: int(words[0][0] - '0'), Name: words[1], MTU: 1500, Flags: net.FlagUp | net.FlagMulticast | net.FlagRunning,
		}}
		for _, word := range words[2:] {
			switch word {
			case "down":
				i.Flags &^= net.FlagUp | net.FlagRunning
			case "unplugged":
				i.Flags &^= net.FlagRunning
			default:
				i.Has = append(i.Has, netif.Address{
					Addr:      netip.MustParseAddr(strings.TrimRight(word, "?!")),
					Tentative: strings.HasSuffix(word, "?"), Failed: strings.HasSuffix(word, "!"),
				})
			}
		}
		all = append(all, i)
	}
	return all
}

// A step is what a host has at a time, and where packets go then: "eth0 fe80::1" is
// the interface and the source, and anything else is in the error.
type step struct {
	seconds float64
	host    []netif.Interface
	want    string
}

func TestWherePacketsGo(t *testing.T) {
	groups := proto.ChannelAddresses("c")
	for name, test := range map[string]struct {
		cfg   Config
		name  string
		steps []step
		group netip.Addr // in the end
	}{
		"tentative, then certain": {Config{}, "", []step{
			{0, host("2 eth0 10.0.0.1 fe80::1?"), "still checked for duplicates"},
			{1, host("2 eth0 10.0.0.1 fe80::1"), "eth0 fe80::1"},
			{9, host("2 eth0 10.0.0.1 fe80::1 fd77::1"), "eth0 fd77::1"},
		}, groups.IPv6},
		"tentative for long": {Config{}, "", []step{
			{0, host("2 eth0 10.0.0.1 fe80::1?"), "still checked for duplicates"},
			{2.9, host("2 eth0 10.0.0.1 fe80::1?"), "still checked for duplicates"},
			{3, host("2 eth0 10.0.0.1 fe80::1?"), "eth0 10.0.0.1"},
			{4, host("2 eth0 10.0.0.1 fe80::1"), "eth0 10.0.0.1"}, // it stays what it is
		}, groups.IPv4},
		"tentative, and nothing else": {Config{}, "", []step{
			{0, host("2 eth0 fe80::1?"), "still checked for duplicates"},
			{9, host("2 eth0 fe80::1?"), "still checked for duplicates"},
			{10, host("2 eth0 fe80::1"), "eth0 fe80::1"},
		}, groups.IPv6},
		"another host has the address": {Config{}, "", []step{
			{0, host("2 eth0 fe80::1!"), "cannot use its address fe80::1, which another host has"},
			{1, host("2 eth0 fe80::1! 10.0.0.1"), "eth0 10.0.0.1"},
		}, groups.IPv4},
		"DHCP is late": {Config{Family: IPv4Only}, "", []step{
			{0, host("2 eth0 fe80::1"), `interface "eth0" has no usable IPv4 address`},
			{20, host("2 eth0 fe80::1 10.0.0.1"), "eth0 10.0.0.1"},
		}, groups.IPv4},
		"its address goes, and another one comes": {Config{Family: IPv4Only}, "", []step{
			{0, host("2 eth0 10.0.0.1 fe80::1"), "eth0 10.0.0.1"},
			{1, host("2 eth0 fe80::1"), `interface "eth0" has no usable IPv4 address`},
			{2, host("2 eth0 fe80::1 10.0.0.9"), "eth0 10.0.0.9"},
		}, groups.IPv4},
		"no link": {Config{}, "", []step{
			{0, host("2 eth0 unplugged 10.0.0.1"), "eth0 has no link"},
			{1, host("2 eth0 10.0.0.1"), "eth0 10.0.0.1"},
			{2, host("2 eth0 unplugged 10.0.0.1"), `interface "eth0" has no link`},
			{3, host("2 eth0 10.0.0.1"), "eth0 10.0.0.1"},
		}, groups.IPv4},
		"none, then one": {Config{}, "", []step{
			{0, host(), "lo 127.0.0.1"},
			{1, host("2 eth0 down"), "lo 127.0.0.1"},
			{2, host("2 eth0 fe80::1"), "eth0 fe80::1"},
			{3, host(), `interface "eth0" not found`}, // and not lo again
			{4, host("3 eth0 fe80::2"), "eth0 fe80::2"},
		}, groups.IPv6},
		"one, then two": {Config{}, "", []step{
			{0, host("2 eth0 fe80::1"), "eth0 fe80::1"},
			{1, host("2 eth0 fe80::1", "3 wwan0 10.0.0.1"), "eth0 fe80::1"},
			{2, host("3 wwan0 10.0.0.1"), `interface "eth0" not found`}, // nothing goes to the other network
			{3, host("2 eth0 fe80::1", "3 wwan0 10.0.0.1"), "eth0 fe80::1"},
		}, groups.IPv6},
		"two": {Config{}, "", []step{
			{0, host("2 eth0 fe80::1", "3 eth1"), "several interfaces could be sent on: eth0, eth1; choose by -i"},
		}, netip.Addr{}},
		"two, one is named": {Config{}, "eth1", []step{
			{0, host("2 eth0 fe80::1", "3 eth1 fe80::2"), "eth1 fe80::2"},
		}, groups.IPv6},
		"renamed": {Config{}, "eth0", []step{
			{0, host("2 eth0 fe80::1"), "eth0 fe80::1"},
			{1, host("2 lan0 fe80::1"), "lan0 fe80::1"},
			{2, host("2 lan1 fe80::1"), "lan1 fe80::1"},
		}, groups.IPv6},
		"renamed, not named": {Config{}, "", []step{
			{0, host("2 eth0 fe80::1"), "eth0 fe80::1"},
			{1, host("2 lan0 fe80::1", "3 eth1 fe80::3"), "lan0 fe80::1"},
		}, groups.IPv6},
		"made again, with another address": {Config{}, "eth0", []step{
			{0, host("2 eth0 fe80::1"), "eth0 fe80::1"},
			{1, host(), `interface "eth0" not found`},
			{2, host("3 eth0 fe80::2"), "eth0 fe80::2"},
		}, groups.IPv6},
		"not there yet": {Config{}, "eth7", []step{
			{0, host("2 eth0 fe80::1"), `interface "eth7" not found; up and able to multicast here: eth0`},
			{1, host("2 eth0 fe80::1", "3 eth7 down"), `interface "eth7" is down`},
			{2, host("2 eth0 fe80::1", "3 eth7 fe80::2"), "eth7 fe80::2"},
		}, groups.IPv6},
		"a source that is chosen once": {Config{SourceSpecific: true}, "", []step{
			{0, host("2 eth0 fe80::1"), "eth0 fe80::1"},
			{1, host("2 eth0 fe80::1 2001:db8::1"), "eth0 fe80::1"},
			{2, host("2 eth0 2001:db8::1"), "eth0 does not have the address fe80::1 any more, which receivers know as --source"},
			{3, host("2 eth0 fe80::1 2001:db8::1"), "eth0 fe80::1"},
		}, groups.IPv6Source},
		"a source that is certain in a moment": {Config{SourceSpecific: true}, "", []step{
			{0, host("2 eth0 fe80::1 2001:db8::1?"), "only the address fe80::1 that is checked for duplicates yet"},
			{1, host("2 eth0 fe80::1 2001:db8::1"), "eth0 2001:db8::1"},
		}, groups.IPv6Source},
		"a source that never is": {Config{SourceSpecific: true}, "", []step{
			{0, host("2 eth0 fe80::1 2001:db8::1?"), "only the address fe80::1 that is checked for duplicates yet"},
			{4, host("2 eth0 fe80::1 2001:db8::1?"), "eth0 fe80::1"},
			{5, host("2 eth0 fe80::1 2001:db8::1"), "eth0 fe80::1"},
		}, groups.IPv6Source},
		"a group that is stated": {Config{Group: netip.MustParseAddr("239.1.2.3")}, "", []step{
			{0, host("2 eth0 fe80::1"), `interface "eth0" has no usable IPv4 address`},
			{1, host("2 eth0 fe80::1 10.0.0.1"), "eth0 10.0.0.1"},
		}, netip.MustParseAddr("239.1.2.3")},
		"IPv6 on the loopback interface": {Config{Family: IPv6Only}, "lo", []step{
			{0, host(), ErrLoopbackIPv6.Error()},
		}, netip.Addr{}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := test.cfg
			cfg.Channel = "c"
			var s spot
			for n, step := range test.steps {
				s = cfg.place(step.host, test.name, s, time.Unix(1, 0).Add(time.Duration(step.seconds*float64(time.Second))))
				got := s.Interface + " " + s.Source.String()
				if s.err != nil {
					got = s.err.Error()
				}
				if !strings.Contains(got, step.want) || s.err == nil && got != step.want {
					t.Errorf("step %d: got %q, want %q", n, got, step.want)
				}
				if s.err == nil && (s.send.Interface.Index == 0 || s.send.Source != s.Source || s.send.Group != s.Group) {
					t.Errorf("step %d: the socket is for %+v", n, s.send)
				}
			}
			if s.Group != test.group {
				t.Errorf("got group %v, want %v", s.Group, test.group)
			}
		})
	}
}

func TestWhatIsWaitedForAndWhatIsNot(t *testing.T) {
	for _, test := range []struct {
		cfg   Config
		name  string
		host  []netif.Interface
		waits bool
	}{
		{Config{}, "", host("2 eth0 down"), true},
		{Config{}, "eth7", host(), true},
		{Config{}, "", host("2 eth0 fe80::1?"), true},
		{Config{}, "", host("2 eth0", "3 eth1"), false},
		{Config{Family: IPv6Only}, "lo", host(), false},
	} {
		s := test.cfg.place(test.host, test.name, spot{}, time.Unix(1, 0))
		if got := errors.As(s.err, new(*NotReadyError)); got != test.waits {
			t.Errorf("%+v: got %v, %v", test, got, s.err)
		}
	}
}

func TestAnInterfaceThatIsNamedTwiceIsSentOnOnce(t *testing.T) {
	if got := (Config{Interfaces: []string{"eth0", "eth1", "eth0"}}).names(); !slices.Equal(got, []string{"eth0", "eth1"}) {
		t.Errorf("got %q", got)
	}
}
