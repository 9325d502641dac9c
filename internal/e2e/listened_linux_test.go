// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"iotupd/proto"
)

// everyTwoSeconds makes the switch ask every two seconds who listens, not every 125.
const everyTwoSeconds = " mcast_query_interval 200 mcast_startup_query_interval 200"

// The questions of a querier: of any version of MLD, and of IGMP.
const questions = `icmpv6 type mld-listener-query counter name heard
		ip protocol igmp @th,0,8 17 counter name heard`

// announcements are the reports of MLDv2 and IGMPv3 that begin with a group.
func announcements(group netip.Addr) string {
	if group.Is4() {
		return fmt.Sprintf(`ip protocol igmp @th,0,8 34 @th,96,32 0x%x counter name heard`, group.AsSlice())
	}
	return fmt.Sprintf(`icmpv6 type mld2-listener-report @th,96,128 0x%x counter name heard`, group.AsSlice())
}

// hears begins to count the membership messages that reach a host. The returned
// function waits for so many more.
func (h *host) hears(what string) (wait func(t *testing.T, more uint64)) {
	h.t.Helper()
	h.sh(fmt.Sprintf(`nft -f - <<END
table netdev membership {
	counter heard {}
	chain arriving {
		type filter hook ingress device eth0 priority -1
		%s
	}
}
END`, what))
	read := func() (n uint64) {
		out := h.sh(`nft list counter netdev membership heard`)
		_, after, _ := strings.Cut(out, "packets ")
		if _, err := fmt.Sscan(after, &n); err != nil {
			h.t.Fatalf("%q: %v", out, err)
		}
		return n
	}
	return func(t *testing.T, more uint64) {
		t.Helper()
		before := read()
		eventually(t, "membership messages are heard", func() bool { return read() >= before+more })
	}
}

// sent returns a counter of the packets that a host sends: the one of its port of
// the switch.
func (h *host) sent() *host {
	h.t.Helper()
	port := &host{t: h.t, lab: h.lab, name: h.lab.net}
	port.sh(strings.ReplaceAll(fmt.Sprintf(counters, proto.DefaultPort), "eth0", fmt.Sprintf("port%d", h.n)))
	return port
}

// By any version of MLD and IGMP, a sender that watches its listeners is silent
// without them, starts when somebody joins, and is silent again when all have
// left.
func TestWhenListenedSendsToListenersOnly(t *testing.T) {
	t.Parallel()
	groups := proto.ChannelAddresses("iotupd")
	tests := []struct {
		name, options string
		family        string
		group         netip.Addr
	}{
		{"MLDv1", "", "-6", groups.IPv6},
		{"IGMPv2", "", "-4", groups.IPv4},
		{"MLDv2", ofSources, "-6", groups.IPv6},
		{"IGMPv3", ofSources, "-4", groups.IPv4},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			sender, receiver, other := l.host(bothFamilies), l.host(bothFamilies), l.host(bothFamilies)
			if test.options == "" { // a Linux bridge passes such reports on to routers alone
				sh(t, l.net, "ip link set port1 type bridge_slave mcast_router 2")
			}
			l.snoop(test.options + everyTwoSeconds)
			wire, asked := sender.sent(), sender.hears(questions)
			file, target := newFile(t, 4*mib), newTarget(t)
			s := sender.send(file, "--when-listened", test.family, "--rate", "20M")
			s.wait("paused")
			asked(t, 2)
			if got := wire.count().seen.Packets; got != 0 {
				t.Errorf("%d packets were sent to nobody, want none", got)
			}

			began := time.Now()
			conn := other.listen(test.group)
			first := firstPacket(t, conn, proto.TypeManifest)
			t.Logf("%v from a join to the first packet", first.Sub(began).Round(100*time.Microsecond))

			r := receiver.recv(target, test.family)
			r.done()
			wantSame(t, target, file)
			asked(t, 2) // the receiver has left, and one of two listeners is still there
			sent := wire.count().seen.Packets
			eventually(t, "packets are still sent", func() bool { return wire.count().seen.Packets > sent+100 })

			conn.Close()
			left := time.Now()
			s.wait("paused")
			t.Logf("%v from the last leave to the pause", time.Since(left).Round(10*time.Millisecond))
			sent = wire.count().seen.Packets
			asked(t, 2)
			if got := wire.count().seen.Packets - sent; got != 0 {
				t.Errorf("%d packets were sent to nobody, want none", got)
			}
		})
	}
}

func TestWhenListenedMissesAReceiverThatVanished(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	sender, receiver := l.host(bothFamilies), l.host(bothFamilies)
	l.snoop(ofSources + everyTwoSeconds)
	s := sender.send(newFile(t, 4*mib), "--when-listened", "--rate", "1M")
	s.wait("paused")
	receiver.recv(newTarget(t))
	s.wait("continued")
	sh(t, l.net, "ip link set port2 down")
	vanished := time.Now()
	s.wait("paused")
	t.Logf("%.1f s until it was missed, with a question every 2 s", time.Since(vanished).Seconds())
}

func TestWhenListenedCountsReceiversOnTheSameHost(t *testing.T) {
	t.Parallel()
	h := newLab(t).host(bothFamilies)
	file, target := newFile(t, 4*mib), newTarget(t)
	r := h.recv(target)
	s := h.send(file, "--when-listened", "--rate", "50M")
	r.done()
	wantSame(t, target, file)
	s.wait("paused")
}

// Where nobody asks who listens, receivers that wait announce themselves.
func TestWhenListenedNeedsNoQuerierToFindAWaitingReceiver(t *testing.T) {
	t.Parallel()
	groups := proto.ChannelAddresses("iotupd")
	for family, group := range map[string]netip.Addr{"-6": groups.IPv6, "-4": groups.IPv4} {
		t.Run(family, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			sender, receiver := l.host(bothFamilies), l.host(bothFamilies)
			file, target := newFile(t, 4*mib), newTarget(t)
			announced := sender.hears(announcements(group))
			r := receiver.recv(target, family)
			announced(t, 1) // by the kernel, before there is a sender
			began := time.Now()
			sender.send(file, "--when-listened", family, "--rate", "20M")
			r.wait("found")
			t.Logf("found %.1f s after the start of the sender", time.Since(began).Seconds())
			r.done()
			wantSame(t, target, file)
		})
	}
}

func TestWhenListenedNeedsACapability(t *testing.T) {
	t.Parallel()
	h := newLab(t).host(bothFamilies)
	// A root without this capability is what a user without any is.
	out, err := exec.Command("ip", "netns", "exec", h.name, "setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw",
		binary, "send", "--when-listened", newFile(t, mib)).CombinedOutput()
	exit, ok := err.(*exec.ExitError)
	if want := "setcap cap_net_raw+ep " + binary; !ok || exit.ExitCode() != 10 || !strings.Contains(string(out), want) {
		t.Errorf("got %v and %q, want exit code 10 and %q", err, out, want)
	}
	if n := strings.Count(string(out), "\n"); n != 1 {
		t.Errorf("%d lines, want one: %q", n, out)
	}
}
