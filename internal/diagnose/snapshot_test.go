// SPDX-License-Identifier: GPL-2.0-or-later

package diagnose

import (
	"errors"
	"maps"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
)

func TestTakeReadsAHost(t *testing.T) {
	got := newHost(t).take()
	wantDevices := map[string]device{
		"lo":              {rpFilter: "0"},
		"eth0":            {packets: 46, refused: 1, rpFilter: "0"},
		"eth0.10":         {packets: 6, rpFilter: "0"},
		"abcdefghij12345": {packets: 6, rpFilter: "0"},
	}
	if !reflect.DeepEqual(got.devices, wantDevices) {
		t.Errorf("devices: got %v, want %v", got.devices, wantDevices)
	}
	for group, want := range map[string][]string{
		"239.255.163.64":                         {"eth0"},
		"224.0.0.1":                              {"lo", "eth0", "eth0.10", "abcdefghij12345"},
		"ff15:77a:ccf7:13b3:e59b:300b:e215:b3a0": {"eth0"},
		"ff02::1":                                {"lo", "eth0", "eth0.10", "abcdefghij12345"},
		"ff05::1":                                nil,
	} {
		if got := got.members[netip.MustParseAddr(group)]; !reflect.DeepEqual(got, want) {
			t.Errorf("members of %s: got %q, want %q", group, got, want)
		}
	}
	if drops, ok := got.drops[18868]; !ok || drops != 0 {
		t.Errorf("drops: got %v, want none at 18868", got.drops)
	}
	if want := (ipCounters{received: 58, multicast: 54, delivered: 40}); got.ip6 != want {
		t.Errorf("IPv6: got %+v, want %+v", got.ip6, want)
	}
	if got.defaultRoute {
		t.Error("got a default route, want none")
	}
}

func TestTakeReadsEveryCounter(t *testing.T) {
	h := newHost(t)
	before := h.take()
	h.device("eth0", 1)
	h.receive4(2)
	h.multicast4(3)
	h.deliver4(4)
	h.add4("snmp", "Ip.ForwDatagrams", 5)
	h.receive6(6)
	h.multicast6(7)
	h.deliver6(8)
	h.add6("Ip6OutForwDatagrams", 9)
	h.add4("netstat", "TcpExt.IPReversePathFilter", 10)
	h.add4("snmp", "Udp.IgnoredMulti", 11)
	h.add6("Udp6IgnoredMulti", 100)
	h.add4("snmp", "Udp.InCsumErrors", 12)
	h.add6("Udp6InCsumErrors", 100)
	h.add6("Icmp6InGroupMembQueries", 13)
	h.addField("udp", 12, 14, "3569:")
	h.addField("udp6", 12, 100, "3569:")
	h.set("proc/self/net/route", "Iface\tDestination\neth0\t00000000\t0100090A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n")
	h.set("proc/sys/net/ipv4/conf/all/rp_filter", "1\n")
	h.set("proc/sys/net/ipv4/conf/eth0.10/rp_filter", "2\n")
	h.set("sys/class/net/eth0/operstate", "lowerlayerdown\n")

	got := h.take().since(before)
	want := Snapshot{
		devices: map[string]device{
			"lo":              {rpFilter: "1"},
			"eth0":            {packets: 9, multicast: 1, rpFilter: "1", down: true},
			"eth0.10":         {rpFilter: "2"},
			"abcdefghij12345": {rpFilter: "1"},
		},
		members:      before.members,
		drops:        map[uint16]uint64{18868: 114},
		ip4:          ipCounters{received: 2, multicast: 3, delivered: 4, forwarded: 5},
		ip6:          ipCounters{received: 6, multicast: 7, delivered: 8, forwarded: 9},
		reversePath:  10,
		udp4:         udpCounters{ignored: 11, damaged: 12},
		udp6:         udpCounters{ignored: 100, damaged: 100},
		mldQueries:   13,
		defaultRoute: true,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestCountersThatGoBackCountAsZero(t *testing.T) {
	h := newHost(t)
	fresh := h.take()
	h.device("eth0", 5)
	h.receive4(5)
	h.addField("udp", 12, 5, "3569:")
	got := fresh.since(h.take())
	if got.devices["eth0"].packets != 0 || got.ip4.received != 0 || got.drops[18868] != 0 {
		t.Errorf("got %+v, want zero counts", got)
	}
}

func TestTakeWithoutCounters(t *testing.T) {
	if _, err := Take(fstest.MapFS{}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
	h := newHost(t) // a system without IPv6 or sysctl
	for name := range h.MapFS {
		if strings.HasSuffix(name, "6") || strings.HasSuffix(name, "rp_filter") {
			delete(h.MapFS, name)
		}
	}
	if got := h.take(); got.devices["eth0"].packets != 46 || got.ip6.received != 0 {
		t.Errorf("got %+v, want what IPv4 shows", got)
	}
}

func TestReadThisHost(t *testing.T) {
	s, err := Read()
	if errors.Is(err, ErrUnavailable) {
		t.Skip(err)
	}
	if err != nil || len(s.devices) == 0 {
		t.Errorf("got %+v, %v, want interfaces", s, err)
	}
}

func BenchmarkRead(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Read()
	}
}

// FuzzTake: whatever the files hold, nothing panics, and something is found.
func FuzzTake(f *testing.F) {
	h := newHost(f)
	for name, file := range h.MapFS {
		f.Add(strings.TrimPrefix(name, "proc/self/net/"), string(file.Data))
	}
	before := h.take()
	f.Fuzz(func(t *testing.T, name, text string) {
		changed := host{t, maps.Clone(h.MapFS)}
		changed.set("proc/self/net/"+name, text)
		after, err := Take(changed)
		if err != nil && !errors.Is(err, ErrUnavailable) {
			t.Fatal(err)
		}
		if len(Explain(before, after, listening())) == 0 {
			t.Error("no finding")
		}
	})
}
