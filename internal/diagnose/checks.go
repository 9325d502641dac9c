// SPDX-License-Identifier: GPL-2.0-or-later

package diagnose

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"iotupd/internal/quantity"
	"iotupd/internal/reason"
)

// foreignPackets: something arrives, but not what was asked for.
func foreignPackets(e evidence) (Finding, uint64) {
	counts := make(map[refusal]uint64)
	total := uint64(0)
	for why, n := range e.Rejected {
		x := reason.Of(why)
		counts[refusal{x.Packets, x.Fix}] += n
		total += n
	}
	if total == 0 {
		return Finding{}, 0
	}
	why := slices.SortedFunc(maps.Keys(counts), func(a, b refusal) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a.packets, b.packets))
	})
	var parts []string
	for _, r := range why {
		if n := counts[r]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, r.packets))
		}
	}
	return Finding{
		Code: ForeignPackets,
		Text: fmt.Sprintf("%s refused on arrival: %s", packets(total), strings.Join(parts, ", ")),
		Fix:  why[0].fix,
	}, total
}

// A refusal is what several reasons may have in common.
type refusal struct{ packets, fix string }

// ownBuffer: the socket was full when packets came for it.
func ownBuffer(e evidence) (Finding, uint64) {
	n := max(e.Drops, e.rise.drops[e.Port])
	if n == 0 {
		return Finding{}, 0
	}
	size := ""
	if e.Buffer > 0 {
		size = fmt.Sprintf(" of %v", e.Buffer)
	}
	f := Finding{
		Code: OwnBuffer,
		Text: fmt.Sprintf("the kernel dropped %s for port %d because the receive buffer%s was full", packets(n), e.Port, size),
	}
	f.Fix = BufferFix(e.Buffer, cmp.Or(e.BufferWanted, goodBuffer))
	return f, n
}

// goodBuffer is a receive buffer that should do on most hosts, in bytes.
const goodBuffer = 8 << 20

// BufferFix returns what to do about a receive buffer that overflows, of which
// granted bytes are there and wanted were asked for, both as in [Listening].
func BufferFix(granted, wanted quantity.Size) string {
	switch {
	case granted < wanted:
		return fmt.Sprintf("sysctl -w net.core.rmem_max=%d   # then start iotupd recv again", int64(wanted))
	case wanted < goodBuffer:
		return "iotupd recv --receive-buffer 32M   # the buffer is as large as was asked for, and that is little"
	}
	return "iotupd send --rate RATE FILE   # slower; the buffer is as large as was asked for: this host or its disk cannot follow"
}

// reversePathFilter: the sources of IPv4 packets are not routed back through
// the interface they came in by. IPv6 has no such filter in its routing.
func reversePathFilter(e evidence) (Finding, uint64) {
	n := e.atMost(e.rise.reversePath)
	if n < e.noise {
		return Finding{}, 0
	}
	filtering := e.Interfaces[0]
	for _, name := range e.Interfaces {
		if mode := e.now.devices[name].rpFilter; mode == "1" || mode == "2" {
			filtering = name
			break
		}
	}
	f := Finding{
		Code: ReversePathFilter,
		Text: fmt.Sprintf("%s were dropped by the reverse-path filter: IPv4 packets whose sender is not routed through the interface they came in by", packets(n)),
		Fix:  fmt.Sprintf("sysctl -w %s=2", rpFilterKey(filtering)),
	}
	// Loose mode asks for any route to the source, so without a default route
	// it drops the same packets. The larger of all and the interface applies.
	if !e.now.defaultRoute || e.now.devices[filtering].rpFilter == "2" {
		f.Fix = fmt.Sprintf("sysctl -w %s=0 %s=0   # or give this host a route to the sender", rpFilterKey("all"), rpFilterKey(filtering))
	}
	return f, n
}

// rpFilterKey returns a name that sysctl reads right although interface names
// may hold dots.
func rpFilterKey(device string) string {
	if strings.Contains(device, ".") {
		return "net/ipv4/conf/" + device + "/rp_filter"
	}
	return "net.ipv4.conf." + device + ".rp_filter"
}

// otherPort: UDP had multicast packets that no socket wanted.
func otherPort(e evidence) (Finding, uint64) {
	n := e.atMost(e.rise.udp4.ignored + e.rise.udp6.ignored)
	if n < e.noise {
		return Finding{}, 0
	}
	return Finding{
		Code: OtherPort,
		Text: fmt.Sprintf("%s of multicast groups of this host came to UDP ports on which no program listens: the sender may use another port than %d", packets(n), e.Port),
		Fix:  "iotupd recv --port PORT   # the one in the first lines of iotupd send",
	}, n
}

// damaged: UDP found wrong checksums.
func damaged(e evidence) (Finding, uint64) {
	n := e.atMost(e.rise.udp4.damaged + e.rise.udp6.damaged)
	if n < e.noise {
		return Finding{}, 0
	}
	return Finding{
		Code: Damaged,
		Text: fmt.Sprintf("%s had a wrong UDP checksum: a driver, a tunnel or a virtual switch damages them", packets(n)),
		Fix:  "ethtool -K DEVICE tx off   # at the sender, if it is a virtual machine or container, for the device that it sends on",
	}, n
}

// hostFirewall: IP had multicast packets and dropped them after routing.
func hostFirewall(e evidence) (Finding, uint64) {
	four, _ := e.rise.ip4.lost()
	six, _ := e.rise.ip6.lost()
	four, six = e.atMost(four), e.atMost(six)
	if max(four, six) < e.noise {
		return Finding{}, 0
	}
	f := Finding{
		Code: HostFirewall,
		Fix:  fmt.Sprintf("nft insert rule inet filter input udp dport %[1]d accept   # firewalld: firewall-cmd --add-port=%[1]d/udp; ufw: ufw allow %[1]d/udp; iptables: iptables -I INPUT -p udp --dport %[1]d -j ACCEPT, ip6tables the same", e.Port),
	}
	if four >= e.noise { // IPv4 counts multicast of joined multicast groups only
		f.Text = fmt.Sprintf("%s of IPv4 groups of this host came in and none was delivered: a firewall on this host drops them", packets(four))
		return f, four
	}
	f.Text = fmt.Sprintf("%s of IPv6 multicast came in and none was delivered: a firewall on this host drops them, or they are of groups that were not joined", packets(six))
	return f, six
}

// otherGroups: packets came in that IP dropped because nobody here joined their
// group. IPv4 drops such packets before it counts them as multicast, IPv6 after.
func otherGroups(e evidence) (Finding, uint64) {
	_, four := e.rise.ip4.lost()
	multicast, six := e.rise.ip6.lost()
	n := e.atMost(rise(e.rise.reversePath, four) + multicast + six)
	if n < e.noise {
		return Finding{}, 0
	}
	if len(e.Sources) > 0 {
		return Finding{
			Code: OtherGroups,
			Text: fmt.Sprintf("%s came in that were not from %s for the groups joined: the sender has another address or uses another channel or group, or a firewall on this host drops them",
				packets(n), list(texts(e.Sources))),
			Fix: fmt.Sprintf("tcpdump -c 5 -ni %s udp port %d   # left of > is who sends: iotupd recv --source ADDRESS", e.Interfaces[0], e.Port),
		}, n
	}
	return Finding{
		Code: OtherGroups,
		Text: fmt.Sprintf("%s came in that were not for the groups joined: the sender uses another channel, group or source address, or a firewall on this host drops them before routing", packets(n)),
		Fix:  fmt.Sprintf("tcpdump -c 5 -ni %s udp and multicast   # compare the groups with those that iotupd send and recv print first", e.Interfaces[0]),
	}, n
}

func texts(addrs []netip.Addr) (s []string) {
	for _, a := range addrs {
		s = append(s, a.String())
	}
	return s
}
