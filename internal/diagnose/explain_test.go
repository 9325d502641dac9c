// SPDX-License-Identifier: GPL-2.0-or-later

package diagnose

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"iotupd/proto"
)

// listening is what the host of the fixture listens to.
func listening() Listening {
	return Listening{
		Interfaces: []string{"eth0"},
		Groups:     []netip.Addr{group4, group6},
		Port:       18868,
		Interval:   5 * time.Second,
		Joined:     5 * time.Second,
	}
}

func TestExplain(t *testing.T) {
	tests := []struct {
		name    string
		happens func(h host, l *Listening)
		want    []string // codes
		text    string   // part of the first finding's Text
		fix     string   // beginning of its Fix
	}{
		{
			name:    "nothing is sent",
			happens: func(h host, l *Listening) { h.addField("dev", 2, 3, "eth0:") },
			want:    []string{NothingOnTheWire},
			text:    "in 5 s eth0 received 3 packets, 0 of them multicast:",
			fix:     "tcpdump -c 1 -ni eth0 udp port 18868",
		},
		{
			name: "neighbours chat",
			happens: func(h host, l *Listening) {
				h.device("eth0", 10)
				h.receive6(10)
				h.multicast6(10)
				h.receive4(5)
				h.add4("netstat", "TcpExt.IPReversePathFilter", 5)
				h.add4("snmp", "Udp.IgnoredMulti", 5)
			},
			want: []string{NothingOnTheWire},
			text: "eth0 received 25 packets, 10 of them multicast",
			fix:  "tcpdump",
		},
		{
			name:    "no interface",
			happens: func(h host, l *Listening) { l.Interfaces = nil },
			want:    []string{NoInterface},
			text:    "no network interface is up",
			fix:     "ip -brief address",
		},
		{
			name:    "no interface that was named",
			happens: func(h host, l *Listening) { l.Interfaces, l.Named = nil, []string{"wlan0", "eth0.10"} },
			want:    []string{NoInterface},
			text:    "eth0.10, wlan0 is not up, or has no address",
			fix:     "ip link set wlan0 up   # and give it an address: ip -brief address", // not to name it by -i
		},
		{
			name: "too many files are open",
			happens: func(h host, l *Listening) {
				l.Interfaces = nil
				l.Failed = fmt.Errorf("listen udp4 :18868: socket: %w", syscall.EMFILE)
			},
			want: []string{JoinFailed},
			text: "no group could be joined: listen udp4 :18868: socket: too many open files",
			fix:  "ulimit -n",
		},
		{
			name:    "the interface is pulled out",
			happens: func(h host, l *Listening) { l.Interfaces = []string{"usb0"} },
			want:    []string{NoInterface},
			text:    "usb0 disappeared",
			fix:     "ip -brief address",
		},
		{
			name:    "the cable is out",
			happens: func(h host, l *Listening) { h.set("sys/class/net/eth0/operstate", "down\n") },
			want:    []string{LinkDown},
			text:    "eth0 has no link",
			fix:     "ip link set eth0 up",
		},
		{
			name: "one of two cables is out",
			happens: func(h host, l *Listening) {
				h.set("sys/class/net/eth0.10/operstate", "lowerlayerdown\n")
				l.Interfaces = []string{"eth0", "eth0.10", "usb0"}
			},
			want: []string{NothingOnTheWire},
			text: "eth0 received 0 packets, 0 of them multicast, eth0.10 has no link, usb0 shows no counters:",
			fix:  "tcpdump -c 1 -ni eth0 ",
		},
		{
			name:    "the groups are joined on another interface",
			happens: func(h host, l *Listening) { l.Interfaces = []string{"eth0.10"} },
			want:    []string{JoinedElsewhere},
			text:    "a member of 239.255.163.64, ff15:77a:ccf7:13b3:e59b:300b:e215:b3a0 on eth0, not on eth0.10",
			fix:     "ip maddress show dev eth0.10   # iotupd joins again by itself",
		},
		{
			name: "a membership is gone",
			happens: func(h host, l *Listening) {
				h.edit("igmp6", func(line string) string {
					return strings.Replace(line, "ff15077accf713b3e59b300be215b3a0", "ff150000000000000000000000000001", 1)
				})
			},
			want: []string{NotJoined, NothingOnTheWire},
			text: "not a member of ff15:77a:ccf7:13b3:e59b:300b:e215:b3a0 any more",
			fix:  "ip maddress show dev eth0   # iotupd joins again by itself",
		},
		{
			name:    "memberships cannot be read",
			happens: func(h host, l *Listening) { delete(h.MapFS, "proc/self/net/igmp6") },
			want:    []string{NothingOnTheWire},
		},
		{
			name: "packets of others",
			happens: func(h host, l *Listening) {
				l.Rejected = map[proto.Reason]uint64{"version": 40, "sealed": 200, "magic": 30, "length": 10, "seal": 2, "geometry": 1, "checksum": 0}
			},
			want: []string{ForeignPackets},
			text: "283 packets refused on arrival: 200 sealed, and there is no key to open them, 40 of another program, 40 of another version, " +
				"2 sealed with another key, 1 that contradict themselves or their object",
			fix: "iotupd recv --group-key FILE",
		},
		{
			name: "packets that are too short",
			happens: func(h host, l *Listening) {
				l.Rejected = map[proto.Reason]uint64{"length": 60}
			},
			want: []string{ForeignPackets},
			text: "60 packets refused on arrival: 60 of another program",
			fix:  "iotupd recv --port PORT",
		},
		{
			name: "packets that contradict themselves",
			happens: func(h host, l *Listening) {
				l.Rejected = map[proto.Reason]uint64{"geometry": 60}
			},
			want: []string{ForeignPackets},
			text: "60 that contradict themselves",
			fix:  "iotupd inspect ",
		},
		{
			name:    "a stray packet",
			happens: func(h host, l *Listening) { l.Rejected = map[proto.Reason]uint64{"magic": 1} },
			want:    []string{ForeignPackets, NothingOnTheWire},
			text:    "1 packet refused on arrival: 1 of another program",
			fix:     "iotupd recv --port PORT",
		},
		{
			name: "the socket overflows",
			happens: func(h host, l *Listening) {
				h.addField("udp6", 12, 812, "3569:")
				l.Buffer, l.BufferWanted = 208<<10, 4<<20
			},
			want: []string{OwnBuffer},
			text: "the kernel dropped 812 packets for port 18868 because the receive buffer of 208.0 KiB was full",
			fix:  "sysctl -w net.core.rmem_max=4194304",
		},
		{
			name:    "the socket overflows and says so itself",
			happens: func(h host, l *Listening) { l.Drops = 812 },
			want:    []string{OwnBuffer},
			text:    "the receive buffer was full",
			fix:     "sysctl -w net.core.rmem_max=8388608",
		},
		{
			name: "a socket with all it asked for overflows",
			happens: func(h host, l *Listening) {
				l.Drops, l.Buffer, l.BufferWanted = 812, 32<<20, 32<<20
			},
			want: []string{OwnBuffer},
			text: "the receive buffer of 32.0 MiB was full",
			fix:  "iotupd send --rate",
		},
		{
			name: "a socket that asked for little overflows",
			happens: func(h host, l *Listening) {
				l.Drops, l.Buffer, l.BufferWanted = 812, 4<<10, 4<<10
			},
			want: []string{OwnBuffer},
			text: "the receive buffer of 4.0 KiB was full",
			fix:  "iotupd recv --receive-buffer 32M ",
		},
		{
			name: "the reverse path is not there",
			happens: func(h host, l *Listening) {
				h.receive4(300)
				h.add4("netstat", "TcpExt.IPReversePathFilter", 300)
				h.set("proc/sys/net/ipv4/conf/eth0/rp_filter", "1\n")
			},
			want: []string{ReversePathFilter},
			text: "300 packets were dropped by the reverse-path filter",
			fix:  "sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0 ",
		},
		{
			name: "the reverse path is the default route",
			happens: func(h host, l *Listening) {
				h.receive4(300)
				h.add4("netstat", "TcpExt.IPReversePathFilter", 300)
				h.set("proc/sys/net/ipv4/conf/eth0.10/rp_filter", "1\n")
				h.set("proc/self/net/route", "eth0\t00000000\t0100090A\t0003\t0\t0\t0\t00000000\n")
				l.Interfaces = []string{"eth0", "eth0.10"}
			},
			want: []string{ReversePathFilter},
			text: "300 packets were dropped by the reverse-path filter",
			fix:  "sysctl -w net/ipv4/conf/eth0.10/rp_filter=2",
		},
		{
			name: "the sender uses another port",
			happens: func(h host, l *Listening) {
				h.receive6(200)
				h.multicast6(200)
				h.deliver6(200)
				h.add6("Udp6IgnoredMulti", 200)
			},
			want: []string{OtherPort},
			text: "another port than 18868",
			fix:  "iotupd recv --port PORT",
		},
		{
			name: "checksums are wrong",
			happens: func(h host, l *Listening) {
				h.receive4(300)
				h.multicast4(300)
				h.deliver4(300)
				h.add4("snmp", "Udp.InCsumErrors", 300)
			},
			want: []string{Damaged},
			text: "300 packets had a wrong UDP checksum",
			fix:  "ethtool -K DEVICE tx off",
		},
		{
			name: "a firewall drops IPv4",
			happens: func(h host, l *Listening) {
				h.device("eth0", 300)
				h.receive4(300)
				h.multicast4(300)
			},
			want: []string{HostFirewall},
			text: "300 packets of IPv4 groups of this host came in and none was delivered: a firewall",
			fix:  "nft insert rule inet filter input udp dport 18868 accept ",
		},
		{
			name: "a firewall drops IPv6 on a busy host",
			happens: func(h host, l *Listening) {
				h.receive4(5000)
				h.deliver4(5000)
				h.add4("snmp", "Udp.InDatagrams", 5000)
				h.receive6(1200)
				h.add6("Ip6OutForwDatagrams", 500)
				h.deliver6(500)
				h.multicast6(200)
			},
			want: []string{HostFirewall, OtherGroups},
			text: "200 packets of IPv6 multicast came in",
			fix:  "nft insert rule inet filter input udp dport 18868 accept ",
		},
		{
			name: "other sources send",
			happens: func(h host, l *Listening) {
				l.Sources = []netip.Addr{netip.MustParseAddr("2001:db8::7")}
				h.receive6(300)
				h.multicast6(300)
			},
			want: []string{OtherGroups, HostFirewall},
			text: "300 packets came in that were not from 2001:db8::7 for the groups joined: the sender has another address",
			fix:  "tcpdump -c 5 -ni eth0 udp port 18868 ",
		},
		{
			name: "multicast of other groups comes in",
			happens: func(h host, l *Listening) {
				h.device("eth0", 300)
				h.receive4(300)
			},
			want: []string{OtherGroups, NothingOnTheWire},
			text: "300 packets came in that were not for the groups joined",
			fix:  "tcpdump -c 5 -ni eth0",
		},
		{
			name:    "multicast comes in elsewhere",
			happens: func(h host, l *Listening) { h.device("eth0.10", 500); h.device("abcdefghij12345", 60) },
			want:    []string{OtherInterface, NothingOnTheWire},
			text:    "eth0.10 received 500 multicast packets, but the groups were joined on eth0",
			fix:     "iotupd recv -i eth0.10",
		},
		{
			name: "the other IP version proves nothing",
			happens: func(h host, l *Listening) {
				l.Groups = []netip.Addr{group4}
				h.receive6(300)
				h.multicast6(300)
				h.add6("Udp6IgnoredMulti", 300)
				h.add6("Udp6InCsumErrors", 300)
			},
			want: []string{NothingOnTheWire},
		},
		{
			name: "nor is it the other way round",
			happens: func(h host, l *Listening) {
				l.Groups = []netip.Addr{group6}
				h.receive4(600)
				h.multicast4(300)
				h.add4("netstat", "TcpExt.IPReversePathFilter", 300)
				h.add4("snmp", "Udp.IgnoredMulti", 300)
				h.add4("snmp", "Udp.InCsumErrors", 300)
			},
			want: []string{NothingOnTheWire},
		},
		{
			name: "packets of another interface prove nothing",
			happens: func(h host, l *Listening) {
				h.device("eth0.10", 500)
				h.add4("snmp", "Ip.InReceives", 500)
				h.multicast4(500)
				h.add6("Ip6InReceives", 500)
				h.multicast6(500)
				h.add4("netstat", "TcpExt.IPReversePathFilter", 500)
				h.add4("snmp", "Udp.IgnoredMulti", 500)
				h.add4("snmp", "Udp.InCsumErrors", 500)
			},
			want: []string{OtherInterface, NothingOnTheWire},
			text: "eth0.10 received 500 multicast packets, but the groups were joined on eth0",
			fix:  "iotupd recv -i eth0.10",
		},
		{
			name: "nor are those that came while the link was down",
			happens: func(h host, l *Listening) {
				l.Interfaces = []string{"eth0", "eth0.10"}
				h.set("sys/class/net/eth0/operstate", "down\n")
				h.add4("snmp", "Ip.InReceives", 500)
				h.multicast4(500)
			},
			want: []string{NothingOnTheWire},
			text: "eth0 has no link, eth0.10 received 0 packets",
		},
		{
			name: "packets are longer than the MTU",
			happens: func(h host, l *Listening) {
				h.addField("dev", 4, 800, "eth0:") // dropped
				h.set("sys/class/net/eth0/mtu", "1500\n")
			},
			want: []string{ReceiveErrors, NothingOnTheWire},
			text: "eth0 refused 800 packets (MTU 1500): longer than its MTU",
			fix:  "iotupd send --shard-size 1152 FILE",
		},
		{
			name:    "multicast comes in everywhere",
			happens: func(h host, l *Listening) { h.device("eth0.10", 500); h.device("eth0", 60) },
			want:    []string{NothingOnTheWire},
		},
		{
			name: "it worked and stopped after minutes",
			happens: func(h host, l *Listening) {
				l.Heard, l.Joined = true, 265*time.Second
			},
			want: []string{NoQuerier, NothingOnTheWire},
			text: "packets arrived, then stopped for all groups; the groups were joined 4m25s ago, with 0 MLD queries since this host started:",
			fix:  "ip link set dev br0 type bridge mcast_querier 1",
		},
		{
			name:    "it worked and stopped soon",
			happens: func(h host, l *Listening) { l.Heard, l.Joined = true, time.Minute },
			want:    []string{NothingOnTheWire},
		},
		{
			name: "it worked and stopped although there is a querier",
			happens: func(h host, l *Listening) {
				l.Heard, l.Joined = true, 265*time.Second
				h.add6("Icmp6InGroupMembQueries", 1)
			},
			want: []string{NothingOnTheWire},
		},
		{
			name: "the sender starts after the switch forgot the membership",
			happens: func(h host, l *Listening) {
				l.Joined, l.Groups = 10*time.Minute, []netip.Addr{group4}
			},
			want: []string{NothingOnTheWire, NoQuerier},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h, l := newHost(t), listening()
			before := h.take()
			test.happens(h, &l)
			got := Explain(before, h.take(), l)
			checkForm(t, got)
			if !slices.Equal(codes(got), test.want) {
				t.Fatalf("got %q, want %q", got, test.want)
			}
			if !strings.Contains(got[0].Text, test.text) {
				t.Errorf("got text %q, want %q in it", got[0].Text, test.text)
			}
			if !strings.HasPrefix(got[0].Fix, test.fix) {
				t.Errorf("got fix %q, want %q...", got[0].Fix, test.fix)
			}
		})
	}
}

// IPv6 is what is sent first, and what some networks drop.
func TestSilenceNamesWhatANetworkMayDrop(t *testing.T) {
	for _, test := range []struct {
		groups []netip.Addr
		want   bool
	}{{[]netip.Addr{group4, group6}, true}, {[]netip.Addr{group6}, false}, {[]netip.Addr{group4}, false}} {
		h, l := newHost(t), listening()
		l.Groups = test.groups
		text := Explain(h.take(), h.take(), l)[0].Text
		if strings.Contains(text, "drop multicast of IPv6 only: try -4 at both ends") != test.want || !strings.Contains(text, "longer than the MTU") {
			t.Errorf("joined %v: got %q", test.groups, text)
		}
	}
}

func TestExplainWithoutCounters(t *testing.T) {
	l := listening()
	l.Interval = 0
	got := Explain(Snapshot{}, Snapshot{}, l)
	checkForm(t, got)
	if want := []string{NothingOnTheWire}; !slices.Equal(codes(got), want) || !strings.HasPrefix(got[0].Text, "in 5 s eth0 shows no counters:") {
		t.Errorf("got %q, want %q and that there are no counters", got, want)
	}
}

// The longer the time between the snapshots, the more packets are chatter.
func TestChatterGrowsWithTheInterval(t *testing.T) {
	h, l := newHost(t), listening()
	before := h.take()
	h.receive4(100)
	h.multicast4(100)
	after := h.take()
	for interval, want := range map[time.Duration]string{time.Millisecond: HostFirewall, 25 * time.Second: HostFirewall, 30 * time.Second: NothingOnTheWire} {
		l.Interval = interval
		if got := Explain(before, after, l); got[0].Code != want {
			t.Errorf("100 packets in %v: got %q, want %s first", interval, got, want)
		}
	}
}

func codes(findings []Finding) (codes []string) {
	for _, f := range findings {
		codes = append(codes, f.Code)
	}
	return codes
}

// checkForm checks what every finding promises: one line each, and a shell
// command to copy.
func checkForm(t *testing.T, findings []Finding) {
	t.Helper()
	for _, f := range findings {
		command, _, _ := strings.Cut(f.Fix, "#")
		if f.Code == "" || f.Text == "" || strings.TrimSpace(command) == "" {
			t.Errorf("%+v lacks something", f)
		}
		if strings.Contains(f.Text+f.Fix, "\n") || strings.Contains(f.Text+f.Fix, "%!") {
			t.Errorf("%+v is not one well-formed line each", f)
		}
	}
}
