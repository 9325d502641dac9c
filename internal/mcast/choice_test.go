// SPDX-License-Identifier: GPL-2.0-or-later

package mcast

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"iotupd/internal/netif"
)

// lan are the flags of an interface that works.
const lan = net.FlagUp | net.FlagBroadcast | net.FlagMulticast | net.FlagRunning

// host makes the interfaces of a host, one a line:
//
//	eth0 lan-running 10.0.0.1 fe80::1?      tentative; fe80::1! failed
//	eth1 lan bridge:br0                     a port of br0
func host(lines ...string) (all []netif.Interface) {
	for n, line := range lines {
		words := strings.Fields(line)
		i := netif.Interface{Interface: net.Interface{Index: n + 1, MTU: 1500, Name: words[0]}}
		for _, word := range words[1:] {
			kind, master, part := strings.Cut(word, ":")
			flags, without, _ := strings.Cut(word, "-")
			switch {
			case flags == "lan":
				i.Flags = lan &^ map[string]net.Flags{"running": net.FlagRunning, "up": net.FlagUp | net.FlagRunning, "multicast": net.FlagMulticast}[without]
			case word == "loopback":
				i.Flags = net.FlagUp | net.FlagLoopback | net.FlagRunning
			case word == "p2p":
				i.Flags = lan | net.FlagPointToPoint
			case part && slices.Contains([]string{"bridge", "bond", "vrf", "team", ""}, kind):
				i.Master, i.MasterKind = master, kind
			default:
				a := netif.Address{Addr: netip.MustParseAddr(strings.TrimRight(word, "?!~"))}
				a.Tentative, a.Failed, a.Deprecated = strings.HasSuffix(word, "?"), strings.HasSuffix(word, "!"), strings.HasSuffix(word, "~")
				i.Has = append(i.Has, a)
			}
		}
		all = append(all, i)
	}
	return all
}

func TestWhichInterface(t *testing.T) {
	const lo = "lo loopback 127.0.0.1 ::1"
	for name, test := range map[string]struct {
		host []netif.Interface
		fit  string
		why  string // why it is not fit
	}{
		"one":                                   {host(lo, "eth0 lan 10.0.0.1 fe80::1"), "eth0", "lo reaches this host alone"},
		"one without an address":                {host(lo, "eth0 lan"), "eth0", "lo reaches this host alone"},
		"one whose address is tentative":        {host(lo, "eth0 lan fe80::1?"), "eth0", "lo reaches this host alone"},
		"two, one without an address":           {host(lo, "eth0 lan", "wlan0 lan 10.0.0.1"), "eth0, wlan0", "lo reaches this host alone"},
		"two, one without a link":               {host(lo, "eth0 lan-running 10.0.0.1", "eth1 lan"), "eth1", "eth0 has no link; lo reaches this host alone"},
		"two, one is down":                      {host(lo, "eth0 lan-up 10.0.0.1", "eth1 lan"), "eth1", "eth0 is down; lo reaches this host alone"},
		"nothing but loopback":                  {host(lo), "lo", ""},
		"nothing but loopback and idle tunnels": {host(lo, "tunl0 lan-up", "sit0 lan-up"), "lo", "tunl0 looks by its name like a tunnel or a container bridge; sit0 is down"},
		"no cable":                              {host(lo, "eth0 lan-running"), "none", "eth0 has no link; lo reaches this host alone"},
		"none up yet":                           {host(lo, "eth0 lan-up"), "none", "eth0 is down; lo reaches this host alone"},
		"a host of containers":                  {host(lo, "docker0 lan 172.17.0.1", "veth12 lan bridge:docker0"), "none", "docker0 looks by its name like a tunnel or a container bridge; veth12 is a port of the bridge docker0; lo reaches this host alone"},
		"a host of containers, with a network":  {host(lo, "eth0 lan", "docker0 lan 172.17.0.1"), "eth0", "docker0 looks by its name like a tunnel or a container bridge; lo reaches this host alone"},
		"an interface that cannot multicast":    {host(lo, "can0 lan-multicast"), "none", "can0 cannot multicast; lo reaches this host alone"},
		"a tunnel":                              {host(lo, "ppp0 p2p 10.0.0.1"), "none", "ppp0 is a point-to-point link; lo reaches this host alone"},
		"a bridge and its port":                 {host(lo, "eth0 lan fe80::1 bridge:br-lan", "br-lan lan"), "br-lan", "eth0 is a port of the bridge br-lan; lo reaches this host alone"},
		"a bond and its parts":                  {host(lo, "eth0 lan bond:bond0", "eth1 lan bond:bond0", "bond0 lan 10.0.0.1"), "bond0", "eth0 is a part of the bond bond0; eth1 is a part of the bond bond0; lo reaches this host alone"},
		"a team and its part":                   {host(lo, "eth0 lan team:team0", "team0 lan"), "team0", "eth0 is a part of the team team0; lo reaches this host alone"},
		"a part of something unknown":           {host(lo, "eth0 lan :x0", "x0 lan"), "x0", "eth0 is a part of x0; lo reaches this host alone"},
		"an interface and a VLAN on it":         {host(lo, "eth0 lan", "eth0.7 lan 10.0.7.1"), "eth0, eth0.7", "lo reaches this host alone"},
		"a VLAN whose cable is out":             {host(lo, "eth0 lan-running", "eth0.7 lan-running 10.0.7.1"), "none", "eth0 has no link; eth0.7 has no link; lo reaches this host alone"},
		"a VLAN in a bridge":                    {host(lo, "eth0 lan bridge:br0", "br0 lan", "br0.7 lan"), "br0, br0.7", "eth0 is a port of the bridge br0; lo reaches this host alone"},
		"a VRF, which is another network":       {host(lo, "eth0 lan 10.0.0.1", "eth1 lan 10.0.0.1 vrf:red", "red lan-multicast"), "eth0", "eth1 is in the VRF red; red cannot multicast; lo reaches this host alone"},
		"nothing but a VRF":                     {host(lo, "eth1 lan 10.0.0.1 vrf:red", "red lan-multicast"), "none", "eth1 is in the VRF red; red cannot multicast; lo reaches this host alone"},
		"Apple's devices nearby":                {host(lo, "en0 lan 10.0.0.1", "awdl0 lan fe80::1", "llw0 lan fe80::1"), "en0", "awdl0 looks by its name like a tunnel or a container bridge; llw0 looks by its name like a tunnel or a container bridge; lo reaches this host alone"},
		"nothing at all":                        {nil, "none", ""},
		"a loopback interface that is down":     {[]netif.Interface{{Interface: net.Interface{Name: "lo", Flags: net.FlagLoopback}}}, "none", "lo is down"},
	} {
		t.Run(name, func(t *testing.T) {
			list := Candidates(test.host)
			if got := names(Only(list, Fit)); got != test.fit {
				t.Errorf("fit are %s, want %s", got, test.fit)
			}
			if got := Explain(list); got != test.why {
				t.Errorf("got %q, want %q", got, test.why)
			}
		})
	}
}

func TestNamesOfTunnelsAndContainers(t *testing.T) {
	for names, want := range map[string]Fitness{
		"eth0 wlan0 enp3s0 en0 br0 br-lan bond0 eth0.7 vmbr0 wwan0 usb0":                        Fit,
		"docker0 docker_gwbridge br-0123456789ab virbr0 cni0 cni-podman0 podman1 lxcbr0 lxdbr0": Unfit,
		"cali123 flannel.1 veth12ab vnet0 tun0 tap0 wg0 tailscale0 ztabc":                       Unfit,
	} {
		for name := range strings.FieldsSeq(names) {
			if got := Candidates(host(name + " lan"))[0]; got.Fitness != want {
				t.Errorf("%s: got %v %s, want %v", name, got.Fitness, got.Why, want)
			}
		}
	}
}

func TestReceiversNeedAnAddressAndNoLink(t *testing.T) {
	got := suitable(host("lo loopback 127.0.0.1", "eth0 lan", "eth1 lan-running 10.0.0.1", "eth2 lan fe80::1?", "eth3 lan-up 10.0.0.3", "wg0 lan 10.0.0.2"))
	if len(got) != 2 || got[0].Name != "eth1" || got[1].Name != "eth2" {
		t.Errorf("got %+v, want eth1 and eth2", got)
	}
}

func TestMessagesNameAFewOfManyInterfaces(t *testing.T) {
	var lines []string
	for n := range 400 {
		lines = append(lines, fmt.Sprintf("lan%d lan-up", n))
	}
	if got := Explain(Candidates(host(lines...))); len(got) > 400 || !strings.HasSuffix(got, "lan9 is down; and 390 more") {
		t.Errorf("got %q", got)
	}
}

func TestANamedInterface(t *testing.T) {
	all := host("lo loopback 127.0.0.1", "eth0 lan 10.0.0.1", "eth1 lan-up", "can0 lan-multicast", "eth2 lan-running")
	for _, test := range []struct {
		name    string
		index   int // that it had before
		want    string
		wantErr string
	}{
		{"eth0", 0, "eth0", ""},
		{"lo", 0, "lo", ""},
		{"eth2", 0, "eth2", ""},
		{"eth1", 0, "eth1", `interface "eth1" is down`},
		{"can0", 0, "can0", `interface "can0" cannot multicast`},
		{"eth9", 0, "", `interface "eth9" not found; up and able to multicast here: eth0`},
		{"lan0", 2, "eth0", ""},       // renamed
		{"eth2", 2, "eth2", ""},       // its name counts, if there is one of that name
		{"lan0", 17, "", `not found`}, // gone
	} {
		got, err := Named(all, test.name, test.index)
		if got.Name != test.want || (err == nil) != (test.wantErr == "") || err != nil && !strings.Contains(err.Error(), test.wantErr) {
			t.Errorf("%s, which had index %d: got %q, %v; want %q, %q", test.name, test.index, got.Name, err, test.want, test.wantErr)
		}
		if IsMissing(err) != (test.want == "") {
			t.Errorf("%s: got IsMissing %v", test.name, IsMissing(err))
		}
	}
}

func TestTheSourceOfPackets(t *testing.T) {
	for _, test := range []struct {
		addresses string
		like, was string
		keep      bool
		want      string
		pending   bool
	}{
		{"fe80::1 fd77::1", "ff15::1", "", false, "fd77::1", false},
		{"fe80::1 fd77::1?", "ff15::1", "", false, "fe80::1", true},
		{"fe80::1?", "ff15::1", "", false, "", true},
		{"fe80::1!", "ff15::1", "", false, "", false},
		{"10.0.0.1 fe80::1", "239.0.0.1", "", false, "10.0.0.1", false},
		{"fe80::1", "239.0.0.1", "", false, "", false},
		{"169.254.1.1 10.0.0.1", "239.0.0.1", "", false, "10.0.0.1", false},
		{"2001:db8::1~ 2001:db8::2", "ff15::1", "", false, "2001:db8::2", false},
		{"fd77::1 fd77::2", "ff15::1", "fd77::2", false, "fd77::2", false}, // none is better
		{"fe80::1 fd77::1", "ff15::1", "fe80::1", false, "fd77::1", false}, // one is
		{"fe80::1 fd77::1", "ff15::1", "fe80::1", true, "fe80::1", false},  // chosen once
	} {
		was, _ := netip.ParseAddr(test.was)
		i := describe(host("eth0 lan " + test.addresses)[0])
		got, pending := i.Source(netip.MustParseAddr(test.like), was, test.keep)
		want, _ := netip.ParseAddr(test.want)
		if got != want || pending != test.pending {
			t.Errorf("%+v: got %v, %v", test, got, pending)
		}
	}
}
