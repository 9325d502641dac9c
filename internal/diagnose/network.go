// SPDX-License-Identifier: GPL-2.0-or-later

package diagnose

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"iotupd/internal/quantity"
)

// network finds causes outside this host. There is always one.
func (e evidence) network() []Finding {
	var findings []Finding
	if f, packets := otherInterface(e); packets > 0 {
		findings = append(findings, f)
	}
	if f, packets := receiveErrors(e); packets > 0 {
		findings = append(findings, f)
	}
	text := e.wire() + ": the sender is not running, or uses another network or group, or a switch (IGMP/MLD snooping, VLAN) or router (hop limit) between does not forward, " +
		"or packets are longer than the MTU of a device on the way"
	if slices.ContainsFunc(e.Groups, isIPv4) && slices.ContainsFunc(e.Groups, isIPv6) {
		text += "; some networks drop multicast of IPv6 only: try -4 at both ends"
	}
	nothing := Finding{
		Code: NothingOnTheWire,
		Text: text,
		Fix:  fmt.Sprintf("tcpdump -c 1 -ni %s udp port %d   # first at the sender, then here; the device before the first silent place is to blame", e.Interfaces[0], e.Port),
	}
	switch querier, when := e.querier(); when {
	case likely:
		return append(findings, querier, nothing)
	case possible:
		return append(findings, nothing, querier)
	}
	return append(findings, nothing)
}

// otherInterface: the interfaces joined are quiet and another one is not.
func otherInterface(e evidence) (Finding, uint64) {
	loudest, most := "", uint64(0)
	for _, name := range slices.Sorted(maps.Keys(e.rise.devices)) {
		n := e.rise.devices[name].multicast
		if n >= e.noise && slices.Contains(e.Interfaces, name) {
			return Finding{}, 0
		}
		if n > most {
			loudest, most = name, n
		}
	}
	if most < e.noise {
		return Finding{}, 0
	}
	return Finding{
		Code: OtherInterface,
		Text: fmt.Sprintf("%s received %d multicast packets, but the groups were joined on %s", loudest, most, list(e.Interfaces)),
		Fix:  "iotupd recv -i " + loudest,
	}, most
}

// receiveErrors: the interface itself refuses packets, for example of a sender
// with a larger MTU.
func receiveErrors(e evidence) (Finding, uint64) {
	var parts []string
	var sum uint64
	for _, name := range e.Interfaces {
		if d := e.rise.devices[name]; d.refused >= e.noise {
			part := fmt.Sprintf("%s refused %s", name, packets(d.refused))
			if d.mtu != "" {
				part += fmt.Sprintf(" (MTU %s)", d.mtu)
			}
			parts = append(parts, part)
			sum += d.refused
		}
	}
	return Finding{
		Code: ReceiveErrors,
		Text: strings.Join(parts, ", ") + ": longer than its MTU, if the sender's is larger; or damaged by a cable, duplex or Wi-Fi",
		Fix:  "iotupd send --shard-size 1152 FILE   # packets that every network takes; or the same MTU on all devices: ip -s -s link",
	}, sum
}

// A likelihood of a cause that leaves no trace.
type likelihood int

const (
	unlikely likelihood = iota
	possible
	likely
)

// querier finds out whether a switch forgot the membership. It does so about 260
// s after its last report, some switches sooner, and hosts report only when they
// join and when a querier asks.
func (e evidence) querier() (Finding, likelihood) {
	when := unlikely
	switch {
	case e.rise.mldQueries > 0: // there is one
	case e.Heard && e.Joined >= 2*time.Minute:
		when = likely
	case !e.Heard && e.Joined >= 260*time.Second:
		when = possible
	}
	text := fmt.Sprintf("the groups were joined %s ago", quantity.Duration(e.Joined))
	if e.Heard {
		text = "packets arrived, then stopped for all groups; " + text
	}
	if e.now.devices != nil && slices.ContainsFunc(e.Groups, netip.Addr.Is6) { // IGMP queries are not counted
		text += fmt.Sprintf(", with %d MLD queries since this host started", e.now.mldQueries)
	}
	return Finding{
		Code: NoQuerier,
		Text: text + ": without an IGMP/MLD querier in the network, a switch with snooping forgets its members after some 260 s",
		Fix:  "ip link set dev br0 type bridge mcast_querier 1   # of a Linux bridge; else enable the querier of a switch or router, or switch snooping off",
	}, when
}

// wire says what the interfaces received.
func (e evidence) wire() string {
	var parts []string
	for _, name := range e.Interfaces {
		d, ok := e.rise.devices[name]
		switch {
		case !ok:
			parts = append(parts, name+" shows no counters")
		case d.down:
			parts = append(parts, name+" has no link")
		default:
			parts = append(parts, fmt.Sprintf("%s received %s, %d of them multicast", name, packets(d.packets), d.multicast))
		}
	}
	return fmt.Sprintf("in %s %s", quantity.Duration(e.Interval), strings.Join(parts, ", "))
}
