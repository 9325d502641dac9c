// SPDX-License-Identifier: GPL-2.0-or-later

package diagnose

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"iotupd/internal/quantity"
	"iotupd/internal/reason"
	"iotupd/proto"
)

// Codes of findings. They are stable: they stand in JSON output.
const (
	NoInterface       = reason.NoInterface       // nothing to listen on
	JoinFailed        = reason.JoinFailed        // the system refuses
	LinkDown          = reason.LinkDown          // no carrier
	NotJoined         = reason.NotJoined         // the kernel lists the multicast group nowhere
	JoinedElsewhere   = reason.JoinedElsewhere   // the kernel lists it on another interface
	ForeignPackets    = reason.ForeignPackets    // packets arrive and are refused
	OwnBuffer         = reason.OwnBuffer         // the own receive buffer overflows
	Damaged           = reason.Damaged           // wrong UDP checksums
	ReversePathFilter = reason.ReversePathFilter // IPv4 sources that are routed elsewhere
	OtherPort         = reason.OtherPort         // right multicast group, wrong port
	HostFirewall      = reason.HostFirewall      // dropped between routing and UDP
	OtherInterface    = reason.OtherInterface    // multicast arrives where the multicast groups were not joined
	OtherGroups       = reason.OtherGroups       // multicast arrives, but not of the multicast groups joined
	NoQuerier         = reason.NoQuerier         // a switch forgot the membership
	ReceiveErrors     = reason.ReceiveErrors     // the interface refuses packets, as too long or damaged
	NothingOnTheWire  = reason.NothingOnTheWire  // no transfer arrives at this host
)

// A Finding is a likely cause.
type Finding struct {
	Code string // one of the constants above
	Text string // what the counters show, and what that means: a sentence or two
	Fix  string // a shell command; what more there is to know follows as a # comment
}

// Listening describes the multicast groups, and the packets that arrived between
// the two snapshots.
type Listening struct {
	Interfaces []string      // on which the multicast groups were joined
	Named      []string      // to which the user confined the listening; none: all suitable ones
	Groups     []netip.Addr  // each is expected on at least one of Interfaces
	Sources    []netip.Addr  // of whom alone packets are wanted; none: of anybody
	Port       uint16        // UDP
	Interval   time.Duration // between the snapshots; 5 s if zero

	// Failed is why no multicast group could be joined, if that was tried; nil
	// otherwise.
	Failed error

	// Heard is whether packets of the transfer arrived at any time before.
	Heard bool
	// Joined is the time since the multicast groups were joined. If zero, it is
	// not known.
	Joined time.Duration

	// Drops counts packets that the kernel dropped because the receive buffer
	// was full (SO_RXQ_OVFL).
	Drops uint64
	// BufferWanted is the receive buffer that was asked for, in the unit of
	// SO_RCVBUF, and Buffer what was granted, half of what Linux reads back. If
	// zero, they are not known.
	Buffer, BufferWanted quantity.Size

	// Rejected counts packets that arrived and were refused, by reason.
	Rejected map[proto.Reason]uint64
}

// chatter is the multicast rate in packets per second that is there in most
// networks: names, neighbours, routers. A count that rises slower says nothing
// about a transfer.
const chatter = 4

// An evidence is what all checks look at.
type evidence struct {
	Listening
	now  Snapshot // at the end
	rise Snapshot // counts since the start

	arrived uint64 // packets of all kinds on Interfaces; the highest number if that is not counted
	noise   uint64 // counts below this one say nothing
}

// confine leaves the counts that may be of packets for the multicast groups: of
// the IP versions in question, and no more than came in on the interfaces in
// question. The kernel counts for the whole host, other interfaces included.
func (e *evidence) confine() {
	if !slices.ContainsFunc(e.Groups, isIPv4) {
		e.rise.ip4, e.rise.udp4, e.rise.reversePath = ipCounters{}, udpCounters{}, 0
	}
	if slices.ContainsFunc(e.Groups, isIPv4) && !slices.ContainsFunc(e.Groups, isIPv6) {
		e.rise.ip6, e.rise.udp6 = ipCounters{}, udpCounters{}
	}
	e.arrived = 0
	for _, name := range e.Interfaces {
		d, counted := e.rise.devices[name]
		if !counted {
			e.arrived = math.MaxUint64
			return
		}
		e.arrived = max(e.arrived, e.arrived+d.packets)
	}
}

// atMost returns a count of the whole host as far as it may be of packets that came in on
// the interfaces in question.
func (e evidence) atMost(n uint64) uint64 { return min(n, e.arrived) }

func isIPv4(a netip.Addr) bool { return a.Unmap().Is4() }
func isIPv6(a netip.Addr) bool { return !a.Unmap().Is4() }

// A check looks for one cause on this host. It returns how many packets went
// that way, 0 if the cause was not seen.
type check func(evidence) (f Finding, packets uint64)

// checks are in order of likelihood, which is order of certainty here.
var checks = []check{foreignPackets, ownBuffer, reversePathFilter, otherPort, damaged, hostFirewall}

// Explain returns the likely causes why nothing, or nothing useful, arrived
// between the snapshots before and after, the likeliest first. There is at
// least one. The snapshots may be zero where there are no counters.
func Explain(before, after Snapshot, what Listening) []Finding {
	if what.Interval <= 0 {
		what.Interval = 5 * time.Second
	}
	e := evidence{Listening: what, now: after, rise: after.since(before)}
	e.noise = max(1, uint64(chatter*what.Interval.Seconds()))
	e.confine()
	if f, found := e.deafInterfaces(); found {
		return []Finding{f}
	}
	findings, all := e.membership()
	if all && len(e.Rejected) == 0 {
		return findings // what else the counters show follows from that
	}
	explained := false
	for _, check := range checks {
		if f, packets := check(e); packets > 0 {
			findings = append(findings, f)
			explained = explained || packets >= e.noise
		}
	}
	if f, packets := otherGroups(e); packets > 0 { // a hint, which may be of other traffic
		at := len(findings)
		if i := slices.IndexFunc(findings, func(f Finding) bool { return f.Code == HostFirewall }); i >= 0 && len(e.Sources) > 0 {
			at = i // what the kernel drops of other sources looks like that, too
		}
		findings = slices.Insert(findings, at, f)
	}
	if !explained {
		findings = append(findings, e.network()...)
	}
	return findings
}

// deafInterfaces finds that nothing can arrive at all.
func (e evidence) deafInterfaces() (f Finding, found bool) {
	switch {
	case len(e.Interfaces) == 0 && e.Failed != nil:
		return joinFailed(e.Failed), true
	case len(e.Interfaces) == 0 && len(e.Named) > 0:
		return Finding{
			Code: NoInterface,
			Text: list(e.Named) + " is not up, or has no address, or cannot multicast",
			Fix:  fmt.Sprintf("ip link set %s up   # and give it an address: ip -brief address", e.Named[0]),
		}, true
	case len(e.Interfaces) == 0:
		return Finding{
			Code: NoInterface,
			Text: "no network interface is up and able to multicast",
			Fix:  "ip -brief address   # connect a network, or name an interface: iotupd recv -i NAME",
		}, true
	}
	if e.now.devices == nil {
		return Finding{}, false
	}
	var gone, down []string
	for _, name := range e.Interfaces {
		if d, ok := e.now.devices[name]; !ok {
			gone = append(gone, name)
		} else if d.down {
			down = append(down, name)
		}
	}
	switch len(e.Interfaces) {
	case len(gone):
		return Finding{
			Code: NoInterface,
			Text: list(gone) + " disappeared",
			Fix:  "ip -brief address   # then: iotupd recv -i NAME",
		}, true
	case len(gone) + len(down):
		return Finding{
			Code: LinkDown,
			Text: list(down) + " has no link",
			Fix:  fmt.Sprintf("ip link set %s up   # and look at the cable, or at the Wi-Fi association", down[0]),
		}, true
	}
	return Finding{}, false
}

// joinFailed: the interfaces are there, and something else is missing.
func joinFailed(err error) Finding {
	f := Finding{
		Code: JoinFailed,
		Text: fmt.Sprintf("no group could be joined: %v", err),
		Fix:  "ip -brief address   # and look at the limits and the sandbox of this process",
	}
	switch {
	case errors.Is(err, syscall.EMFILE):
		f.Fix = "ulimit -n 1024   # and start iotupd recv again: this process may not open more files; a unit of systemd has LimitNOFILE"
	case errors.Is(err, syscall.ENFILE):
		f.Fix = "sysctl -w fs.file-max=100000   # this host may not open more files"
	case errors.Is(err, syscall.ENOBUFS), errors.Is(err, syscall.ENOMEM):
		f.Fix = "sysctl -w net.ipv4.igmp_max_memberships=200 net.core.optmem_max=131072   # the memberships that a socket may have"
	}
	return f
}

// membership finds multicast groups that the kernel does not list where they
// should be, and reports whether it is all of them.
func (e evidence) membership() (findings []Finding, all bool) {
	var nowhere, elsewhere, where []string
	for _, group := range e.Groups {
		devices := e.now.members[group.Unmap()]
		switch {
		case len(e.now.members[allHosts(group)]) == 0: // the list is not there
		case len(devices) == 0:
			nowhere = append(nowhere, group.String())
		case !slices.ContainsFunc(e.Interfaces, func(i string) bool { return slices.Contains(devices, i) }):
			elsewhere = append(elsewhere, group.String())
			where = append(where, devices...)
		}
	}
	look := fmt.Sprintf("ip maddress show dev %s   # iotupd joins again by itself: if this comes again, something on this host ends its memberships", e.Interfaces[0])
	if len(elsewhere) > 0 {
		findings = append(findings, Finding{
			Code: JoinedElsewhere,
			Text: fmt.Sprintf("this host is a member of %s on %s, not on %s", list(elsewhere), list(where), list(e.Interfaces)),
			Fix:  look,
		})
	}
	if len(nowhere) > 0 {
		findings = append(findings, Finding{
			Code: NotJoined,
			Text: fmt.Sprintf("this host is not a member of %s any more", list(nowhere)),
			Fix:  look,
		})
	}
	return findings, len(e.Groups) > 0 && len(nowhere)+len(elsewhere) == len(e.Groups)
}

// allHosts returns the multicast group that every host is a member of.
func allHosts(like netip.Addr) netip.Addr {
	if like.Unmap().Is4() {
		return netip.AddrFrom4([4]byte{224, 0, 0, 1})
	}
	return netip.IPv6LinkLocalAllNodes()
}

// list joins sorted words, each once.
func list(words []string) string {
	return strings.Join(slices.Compact(slices.Sorted(slices.Values(words))), ", ")
}

func packets(n uint64) string {
	if n == 1 {
		return "1 packet"
	}
	return fmt.Sprintf("%d packets", n)
}
