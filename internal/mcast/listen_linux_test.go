// SPDX-License-Identifier: GPL-2.0-or-later

package mcast_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"iotupd/internal/mcast"
	"iotupd/internal/mcast/mcasttest"
	"iotupd/internal/netif"
)

var (
	group6 = netip.MustParseAddr("ff15::8:0")
	group4 = netip.MustParseAddr("239.255.8.0")
)

// waitLimit bounds the waits for events that have to happen, so that a failing
// test does not hang.
const waitLimit = 2 * time.Minute

// eventually waits until something is so.
func eventually(so func() bool) bool {
	for end := time.Now().Add(waitLimit); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// An ear is a listener and the payloads that arrive on all its sockets.
type ear struct {
	t *testing.T
	*mcast.Listener
	heard chan string // payloads
}

// hear listens to group6 and group4 until the test ends, if cfg does not say
// otherwise.
func hear(t *testing.T, cfg mcast.ListenConfig) ear {
	t.Helper()
	if cfg.Groups == nil {
		cfg.Groups = []netip.Addr{group6, group4}
	}
	cfg.Port = 18868
	l, err := mcast.Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	h := ear{t, l, make(chan string, 1000)}
	for _, s := range l.Sockets() {
		go func() {
			for b := mcast.NewBatch(8); s.ReadBatch(b) == nil; {
				for i := range b.Len() {
					h.heard <- string(b.Datagram(i))
				}
			}
		}()
	}
	t.Cleanup(func() { l.Close() })
	return h
}

func (h ear) want(payload string) {
	h.t.Helper()
	select {
	case got := <-h.heard:
		if got != payload {
			h.t.Fatalf("heard %q, want %q", got, payload)
		}
	case <-time.After(waitLimit):
		h.t.Fatalf("%q not heard; joined:\n%s", payload, h)
	}
}

// wantAll wants count payloads in any order, each once.
func (h ear) wantAll(count int, payload func(i int) string) {
	h.t.Helper()
	missing := make(map[string]bool, count)
	for i := range count {
		missing[payload(i)] = true
	}
	for len(missing) > 0 {
		select {
		case got := <-h.heard:
			if !missing[got] {
				h.t.Fatalf("heard %q twice, or never sent", strings.TrimSpace(got))
			}
			delete(missing, got)
		case <-time.After(waitLimit):
			h.t.Fatalf("%d datagrams of %d not heard", len(missing), count)
		}
	}
}

// String lists the memberships.
func (h ear) String() string {
	var b strings.Builder
	for _, m := range h.Memberships() {
		fmt.Fprintf(&b, "%s %v", m.Interface, m.Group)
		if m.Source.IsValid() {
			fmt.Fprintf(&b, " from %v", m.Source)
		}
		if m.Err != nil {
			fmt.Fprintf(&b, ": %v", m.Err)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// wantMembers waits until the memberships are these.
func (h ear) wantMembers(want ...string) {
	h.t.Helper()
	all := ""
	for _, w := range want {
		all += w + "\n"
	}
	if !eventually(func() bool { return h.String() == all }) {
		h.t.Fatalf("memberships:\n%swant:\n%s", h, all)
	}
}

// say sends one datagram from the peer, or fails the test.
func (l lan) say(group netip.Addr, payload string) {
	l.t.Helper()
	c, err := l.dial(mcast.SendConfig{Group: group, Port: l.port, Interface: l.sendInterface()})
	if err != nil {
		l.t.Fatal(err)
	}
	defer c.Close()
	if err := c.WriteSegments([]byte(payload), 1<<10); err != nil {
		l.t.Fatal(err)
	}
}

// setSysctl changes a setting of the namespace until the test ends.
func setSysctl(t *testing.T, name, value string) {
	t.Helper()
	file := "/proc/sys/net/" + name
	before, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(file, []byte(value), 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.WriteFile(file, before, 0) })
}

// onlyFit returns the one interface that is used where none is named.
func onlyFit(t *testing.T) mcast.Interface {
	t.Helper()
	all, err := netif.List()
	if err != nil {
		t.Fatal(err)
	}
	fit := mcast.Only(mcast.Candidates(all), mcast.Fit)
	if len(fit) != 1 {
		t.Fatalf("fit are %+v, want one", fit)
	}
	return fit[0].Interface
}

func TestAHostWithLinkLocalIPv6Alone(t *testing.T) {
	lan := newLAN(t)
	h := hear(t, mcast.ListenConfig{})
	h.wantMembers("rx0 ff15::8:0")
	lan.say(group6, "hello")
	h.want("hello")
	if i := onlyFit(t); i.Name != "rx0" || !i.IPv6 || i.IPv4 {
		t.Errorf("got %+v, want rx0 with IPv6 alone", i)
	}
}

func TestAHostWithIPv4Alone(t *testing.T) {
	lan := newLAN(t).withIPv4()
	setSysctl(t, "ipv6/conf/all/disable_ipv6", "1")
	h := hear(t, mcast.ListenConfig{})
	h.wantMembers("rx0 239.255.8.0")
	lan.say(group4, "hello")
	h.want("hello")
	if i := onlyFit(t); i.Name != "rx0" || i.IPv6 || !i.IPv4 {
		t.Errorf("got %+v, want rx0 with IPv4 alone", i)
	}
}

func TestAHostWithNothingButLoopback(t *testing.T) {
	mcasttest.NeedNamespace(t)
	h := hear(t, mcast.ListenConfig{})
	h.wantMembers("lo 239.255.8.0")
	lo := onlyFit(t)
	if lo.Name != "lo" || lo.IPv6 || !lo.IPv4 {
		t.Fatalf("got %+v, want lo with IPv4 alone", lo)
	}
	c, err := mcast.Dial(mcast.SendConfig{Group: group4, Port: 18868, Interface: lo})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	write(t, c, "hello")
	h.want("hello")
	_, err = mcast.Listen(mcast.ListenConfig{Groups: []netip.Addr{group6}, Port: 18868})
	if err == nil || !strings.Contains(err.Error(), "no interface has an address of the family") {
		t.Errorf("IPv6 alone: got %v", err)
	}
}

func write(t *testing.T, c mcasttest.Sender, payload string) {
	t.Helper()
	if err := c.WriteSegments([]byte(payload), 1<<10); err != nil {
		t.Fatal(err)
	}
}

func TestSenderAndReceiverOnOneHost(t *testing.T) {
	newLAN(t).withIPv4()
	h := hear(t, mcast.ListenConfig{})
	i := onlyFit(t)
	for _, g := range []netip.Addr{group6, group4} {
		c, err := mcast.Dial(mcast.SendConfig{Group: g, Port: 18868, Interface: i})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		write(t, c, g.String())
		h.want(g.String())
	}
}

func TestAnInterfaceThatAppearsIsJoined(t *testing.T) {
	mcasttest.NeedNamespace(t)
	h := hear(t, mcast.ListenConfig{})
	h.wantMembers("lo 239.255.8.0")
	lan := newLAN(t)
	h.wantMembers("rx0 ff15::8:0") // and loopback no longer
	lan.withIPv4()
	h.wantMembers("rx0 ff15::8:0", "rx0 239.255.8.0")
	for _, g := range []netip.Addr{group6, group4} {
		lan.say(g, g.String())
		h.want(g.String())
	}
	lan.Unplug()
	h.wantMembers("lo 239.255.8.0")
}

func TestChangesOfInterfacesAreAnnounced(t *testing.T) {
	mcasttest.NeedNamespace(t)
	t.Cleanup(mcast.OnlyAnnounced())
	h := hear(t, mcast.ListenConfig{})
	h.wantMembers("lo 239.255.8.0")
	lan := newLAN(t)
	lan.withIPv4()
	h.wantMembers("rx0 ff15::8:0", "rx0 239.255.8.0")
	lan.say(group4, "announced")
	h.want("announced")
	lan.Unplug()
	h.wantMembers("lo 239.255.8.0")
}

func TestANamedInterfaceIsJoinedAgainWhenItComesBack(t *testing.T) {
	lan := newLAN(t)
	h := hear(t, mcast.ListenConfig{Interfaces: []string{"rx0"}})
	h.wantMembers("rx0 ff15::8:0")

	mcasttest.Command(t, "ip link set rx0 down")
	h.wantMembers(`rx0 ff15::8:0: interface "rx0" is down`, `rx0 239.255.8.0: interface "rx0" is down`)
	mcasttest.Command(t, "ip link set rx0 up")
	mcasttest.Command(t, "ip addr replace fe80::1/64 dev rx0 nodad")
	h.wantMembers("rx0 ff15::8:0")
	lan.say(group6, "up again")
	h.want("up again")

	lan.Unplug()
	h.wantMembers(`rx0 ff15::8:0: interface "rx0" not found; up and able to multicast here: lo`,
		`rx0 239.255.8.0: interface "rx0" not found; up and able to multicast here: lo`)
	lan.Plug("rx0")
	h.wantMembers("rx0 ff15::8:0")
	lan.say(group6, "another device of that name")
	h.want("another device of that name")
}

func TestANamedInterfaceThatIsDownIsWaitedFor(t *testing.T) {
	lan := newLAN(t)
	mcasttest.Command(t, "ip link set rx0 down")
	h := hear(t, mcast.ListenConfig{Interfaces: []string{"rx0"}, Groups: []netip.Addr{group6}})
	h.wantMembers(`rx0 ff15::8:0: interface "rx0" is down`)
	mcasttest.Command(t, "ip link set rx0 up")
	mcasttest.Command(t, "ip addr replace fe80::1/64 dev rx0 nodad")
	h.wantMembers("rx0 ff15::8:0")
	lan.say(group6, "hello")
	h.want("hello")
}

func TestOnlyNamedInterfacesAreHeard(t *testing.T) {
	first := newLAN(t).withIPv4()
	second := lan{t, mcasttest.NewPeer(t, "rx1", "tx0"), 18868}
	mcasttest.Command(t, "ip addr add 10.78.0.1/24 dev rx1")
	second.Command("ip addr add 10.78.0.2/24 dev tx0")
	both := hear(t, mcast.ListenConfig{})
	one := hear(t, mcast.ListenConfig{Interfaces: []string{"rx0"}})
	for _, g := range []netip.Addr{group6, group4} {
		second.say(g, "second")
		both.want("second")
		first.say(g, "first")
		both.want("first")
		one.want("first") // and not what the second one said before
	}
	// IPv4 is sorted out by the kernel, IPv6 is not.
	if got := one.Stats().ForeignDestination; got > 1 {
		t.Errorf("%d datagrams of foreign destination, want at most 1", got)
	}
}

func TestUnicastIsNotHeard(t *testing.T) {
	lan := newLAN(t).withIPv4()
	h := hear(t, mcast.ListenConfig{})
	lan.Do(func() {
		for _, to := range []string{"10.77.0.1:18868", "[fe80::1%tx0]:18868"} {
			c, err := net.Dial("udp", to)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			fmt.Fprint(c, "unicast")
		}
	})
	// What was said before may still wait for its neighbour's address, and is
	// counted when something else is heard.
	if !eventually(func() bool {
		for _, g := range []netip.Addr{group6, group4} {
			lan.say(g, "multicast")
			h.want("multicast")
		}
		return h.Stats().ForeignDestination == 2
	}) {
		t.Errorf("%d datagrams of foreign destination, want 2", h.Stats().ForeignDestination)
	}
}

func TestSourcesAreJoinedWithTheGroupsOfTheirFamily(t *testing.T) {
	newLAN(t).withIPv4()
	h := hear(t, mcast.ListenConfig{Sources: []netip.Addr{
		netip.MustParseAddr("fe80::2"), netip.MustParseAddr("10.77.0.2"), netip.MustParseAddr("10.77.0.3")}})
	h.wantMembers("rx0 ff15::8:0 from fe80::2", "rx0 239.255.8.0 from 10.77.0.2", "rx0 239.255.8.0 from 10.77.0.3")
	only4 := hear(t, mcast.ListenConfig{Sources: []netip.Addr{netip.MustParseAddr("10.77.0.2")}})
	only4.wantMembers("rx0 239.255.8.0 from 10.77.0.2")
	if err := only4.SetSources([]netip.Addr{netip.MustParseAddr("10.77.0.3"), netip.MustParseAddr("fe80::2")}); err != nil {
		t.Fatal(err)
	}
	only4.wantMembers("rx0 ff15::8:0 from fe80::2", "rx0 239.255.8.0 from 10.77.0.3")
	if err := only4.SetSources([]netip.Addr{group4}); err == nil {
		t.Error("a group is accepted as a source")
	}
	only4.wantMembers("rx0 ff15::8:0 from fe80::2", "rx0 239.255.8.0 from 10.77.0.3")
}

func TestGroupsCanBeChangedAndJoinedAgain(t *testing.T) {
	lan := newLAN(t).withIPv4()
	h := hear(t, mcast.ListenConfig{Groups: []netip.Addr{group6}})
	layers := []netip.Addr{group6, group6.Next()}
	if err := h.SetGroups(layers); err != nil {
		t.Fatal(err)
	}
	h.wantMembers("rx0 ff15::8:0", "rx0 ff15::8:1")
	lan.say(group6.Next(), "layer 1")
	h.want("layer 1")
	if err := h.SetGroups(layers[:1]); err != nil {
		t.Fatal(err)
	}
	lan.say(group6.Next(), "layer 1")
	lan.say(group6, "layer 0")
	h.want("layer 0")
	if err := h.Rejoin(); err != nil {
		t.Fatal(err)
	}
	h.wantMembers("rx0 ff15::8:0")
	lan.say(group6, "still there")
	h.want("still there")
	if err := h.SetGroups([]netip.Addr{netip.MustParseAddr("fe80::1")}); err == nil {
		t.Error("a host is accepted as a group")
	}
	h.wantMembers("rx0 ff15::8:0")
	if err := h.SetGroups([]netip.Addr{group4}); err != nil { // of a family without a socket
		t.Fatal(err)
	}
	h.wantMembers()
	if err := h.SetGroups(nil); err != nil {
		t.Fatal(err)
	}
	h.wantMembers()
	if err := h.SetGroups(layers); err != nil {
		t.Fatal(err)
	}
	lan.say(group6.Next(), "back")
	h.want("back")
}

func TestTooManyIPv4GroupsAreExplained(t *testing.T) {
	newLAN(t).withIPv4()
	setSysctl(t, "ipv4/igmp_max_memberships", "2")
	h := hear(t, mcast.ListenConfig{Groups: []netip.Addr{group4, group4.Next(), group4.Next().Next()}})
	m := h.Memberships()
	if m[0].Err != nil || m[1].Err != nil || m[2].Err == nil || !strings.Contains(m[2].Err.Error(), "igmp_max_memberships") {
		t.Errorf("memberships:\n%v", h)
	}
}

func TestAPortThatIsNotSharedIsExplained(t *testing.T) {
	newLAN(t)
	c, err := net.ListenPacket("udp6", ":18868")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = mcast.Listen(mcast.ListenConfig{Groups: []netip.Addr{group6}, Port: 18868})
	if err == nil || !strings.Contains(err.Error(), "taken by a program that does not share it") {
		t.Errorf("got %v", err)
	}
}

func TestSuitableLeavesContainersAndTunnelsOut(t *testing.T) {
	newLAN(t)
	for _, name := range []string{"docker0", "veth12ab", "eth7", "noaddress"} {
		mcasttest.Command(t, "ip link add "+name+" type bridge")
		mcasttest.Command(t, "ip link set "+name+" addrgenmode none")
		mcasttest.Command(t, "ip link set "+name+" up")
		t.Cleanup(func() { mcasttest.Command(t, "ip link del "+name) })
		if name != "noaddress" {
			mcasttest.Command(t, "ip addr add 10.79.0.1/24 dev "+name)
		}
	}
	list, err := mcast.Suitable()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, i := range list {
		names = append(names, i.Name)
	}
	slices.Sort(names)
	if want := []string{"eth7", "rx0"}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
	if i, err := mcast.InterfaceByName("docker0"); err != nil || !i.IPv4 {
		t.Errorf("InterfaceByName(docker0) = %+v, %v", i, err)
	}
	if _, err := mcast.InterfaceByName("noaddress"); err == nil || !strings.Contains(err.Error(), "no usable address") {
		t.Errorf("InterfaceByName(noaddress): %v", err)
	}
}
