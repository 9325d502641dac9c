// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"iotupd/proto"
)

// A situation is what becomes of the interface of a host: docs/interfaces.md has all
// of them in words.
type situation struct {
	name   string
	has    addresses
	before func(h *host) // the program starts
	flags  []string
	send   string // what a sender says then, until the change; empty: nothing
	recv   string // and a receiver
	after  func(h *host)
	way    string // the flag of the other end; empty: none
}

// cable does without, or with, the cable of a host, at the switch.
func (h *host) cable(state string) {
	h.t.Helper()
	sh(h.t, h.lab.net, fmt.Sprintf(`ip link set port%d %s`, h.n, state))
}

var situations = []situation{
	{name: "none yet", has: noCable, after: func(h *host) { h.plug(bothFamilies) }},
	{name: "down", has: bothFamilies, before: func(h *host) { h.sh(`ip link set eth0 down`) },
		send: "eth0 is down", recv: "eth0 is down", after: func(h *host) { h.sh(`ip link set eth0 up`) }},
	{name: "tentative", has: bothFamilies, before: func(h *host) {
		h.sh(`sysctl -qw net.ipv6.conf.eth0.accept_dad=1 net.ipv6.conf.eth0.dad_transmits=600
			ip -6 address flush dev eth0
			ip address add fd77::77/64 dev eth0`)
	}, send: "still checked for duplicates", way: "-4"},
	{name: "the address of another host", has: ipv6Only, before: func(h *host) {
		h.sh(`sysctl -qw net.ipv6.conf.all.accept_dad=1 net.ipv6.conf.eth0.accept_dad=1
			ip -6 address flush dev eth0
			ip address add fd77::254/64 dev eth0`)
		eventually(h.t, "the duplicate is detected", func() bool { return strings.Contains(h.sh(`ip address`), "dadfailed") })
	}, send: "its address fd77::254, which another host has", after: func(h *host) { h.sh(`ip address add fd77::77/64 dev eth0 nodad`) }},
	{name: "DHCP late", has: ipv4Only, before: func(h *host) { h.sh(`ip address flush dev eth0`) }, flags: []string{"-4"},
		send: `interface "eth0" has no usable IPv4 address`, recv: "eth0 has no address of the family",
		after: func(h *host) { h.sh(fmt.Sprintf(`ip address add %s/24 dev eth0`, h.ipv4())) }},
	{name: "no carrier", has: ipv4Only, before: func(h *host) { h.cable("down") },
		send: "eth0 has no link", after: func(h *host) { h.cable("up") }},
	{name: "not there, but named", has: noCable, flags: []string{"-i", "eth0"},
		send: `interface "eth0" not found; up and able to multicast here: lo`, recv: `interface "eth0" not found; up and able to multicast here: lo`,
		after: func(h *host) { h.plug(bothFamilies) }},
	{name: "bridge port", has: bothFamilies, before: func(h *host) {
		h.sh(`ip link add br-lan type bridge mcast_snooping 0
			ip link set br-lan up
			ip link set eth0 master br-lan
			ip address add 10.77.0.77/24 dev br-lan`)
		eventually(h.t, "the bridge forwards", func() bool { return strings.Contains(h.sh(`bridge link`), "forwarding") })
	}},
	{name: "docker0", has: bothFamilies, before: func(h *host) {
		h.sh(`ip link add docker0 type bridge
			ip link set docker0 up
			ip address add 172.17.0.1/16 dev docker0
			ip link add veth77 type veth peer name veth78
			ip link set veth77 master docker0 up
			ip link set veth78 up`)
	}},
	{name: "docker0 alone", has: noCable, before: func(h *host) {
		h.sh(`ip link add docker0 type bridge
			ip link set docker0 up
			ip address add 172.17.0.1/16 dev docker0`)
	}, send: "docker0 looks by its name like a tunnel or a container bridge", recv: "docker0 looks by its name like a tunnel or a container bridge",
		after: func(h *host) { h.plug(bothFamilies) }},
	{name: "a flag without multicast", has: bothFamilies, before: func(h *host) { h.sh(`ip link set eth0 multicast off`) },
		send: "eth0 cannot multicast", recv: "eth0 cannot multicast", after: func(h *host) { h.sh(`ip link set eth0 multicast on`) }},
}

// other is a host that has nothing particular, and an address that others may want.
func (l *lab) other() *host {
	l.t.Helper()
	h := l.host(bothFamilies)
	h.sh(`ip address add fd77::254/64 dev eth0`)
	return h
}

// family is the flag for a family that such a host has.
func family(has addresses) string {
	if has == ipv4Only {
		return "-4"
	}
	return "-6"
}

// says waits until a program says something by an event of a type, if it is to.
func (p *process) says(typ, text string) {
	p.t.Helper()
	if text != "" {
		p.waitFor(text, func(e event) bool { return e.Type == typ && strings.Contains(e.Text, text) })
	}
}

func TestAnInterfaceThatIsNotReadyIsWaitedFor(t *testing.T) {
	for _, s := range situations {
		t.Run(s.name+"/send", func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			sender, receiver := l.host(s.has), l.other()
			if s.before != nil {
				s.before(sender)
			}
			source, target := newFile(t, 100<<10), newTarget(t)
			p := sender.send(source, append(s.flags, "--rate", "10M", "--wait", "10m")...)
			p.says("waiting", s.send)
			if s.send == "" {
				p.wait("sending")
			}
			if s.after != nil {
				s.after(sender)
			}
			receiver.recv(target, strings.Fields("-i eth0 "+s.way)...).done()
			wantSame(t, target, source)
		})
		t.Run(s.name+"/recv", func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			receiver, sender := l.host(s.has), l.other()
			if s.before != nil {
				s.before(receiver)
			}
			source, target := newFile(t, 100<<10), newTarget(t)
			sender.send(source, strings.Fields("-i eth0 --rate 10M "+family(s.has))...).wait("sending")
			r := receiver.start(append([]string{"recv", "-o", target}, s.flags...)...)
			r.says("warn", s.recv)
			if s.recv == "" {
				r.wait("listening")
			}
			if s.after != nil {
				s.after(receiver)
			}
			r.done()
			wantSame(t, target, source)
		})
	}
}

// whileUsed are what happens to an interface while a program runs.
var whileUsed = []situation{
	{name: "re-created", has: bothFamilies, after: func(h *host) {
		h.sh(`ip link del eth0`)
		h.plug(bothFamilies)
	}},
	{name: "renamed", has: bothFamilies, flags: []string{"-i", "eth0"}, after: func(h *host) {
		h.sh(`ip link set eth0 down
			ip link set eth0 name lan0
			ip link set lan0 up`)
	}},
	{name: "address lost and changed", has: ipv4Only, after: func(h *host) {
		h.sh(`ip address flush dev eth0
			ip address add 10.77.0.77/24 dev eth0`)
	}},
	{name: "link lost", has: ipv4Only, after: func(h *host) {
		h.cable("down")
		h.cable("up")
	}},
}

func TestAnInterfaceIsFollowedWhileItIsUsed(t *testing.T) {
	for _, c := range whileUsed {
		t.Run(c.name+"/send", func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			sender, receiver := l.host(c.has), l.other()
			source, target := newFile(t, 100<<10), newTarget(t)
			sender.send(source, append(c.flags, "--rate", "10M")...).wait("sending")
			c.after(sender)
			receiver.recv(target, "-i", "eth0").done()
			wantSame(t, target, source)
		})
		t.Run(c.name+"/recv", func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			receiver, sender := l.host(c.has), l.other()
			source, target := newFile(t, 100<<10), newTarget(t)
			r := receiver.recv(target, c.flags...)
			c.after(receiver)
			sender.send(source, "--rate", "10M", "-i", "eth0", family(c.has))
			r.done()
			wantSame(t, target, source)
		})
	}
}

// Two networks: a receiver listens on both, and a sender has to be given one.
func TestTwoInterfaces(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	h, other := l.host(bothFamilies), l.other()
	h.sh(`ip link add eth1 type veth peer name veth9
		ip link set veth9 up
		ip link set eth1 up`)
	source, target := newFile(t, 100<<10), newTarget(t)
	h.start("send", source).wantExit(3, "several interfaces could be sent on: eth0, eth1; choose by -i")
	other.send(source, "-i", "eth0", "--rate", "10M")
	h.recv(target).done()
	wantSame(t, target, source)
}

// Both interfaces of a sender get the same, also when a third one takes next to nothing
// and a fourth is not there.
func TestNoInterfaceHoldsUpAnother(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	sender, first, second := l.host(ipv4Only), l.host(ipv4Only), l.host(noCable)
	sender.sh(fmt.Sprintf(`ip link add eth1 type veth peer name eth0 netns %s
		ip address add 10.78.0.1/24 dev eth1
		ip link set eth1 up
		ip link add eth2 type veth peer name veth9
		ip address add 10.79.0.1/24 dev eth2
		ip link set veth9 up
		ip link set eth2 up
		tc qdisc add dev eth2 root tbf rate 8kbit burst 2k limit 100m`, second.name))
	second.sh(`ip address add 10.78.0.2/24 dev eth0
		ip link set eth0 up`)
	source, target1, target2 := newFile(t, mib), newTarget(t), newTarget(t)
	r1, r2 := first.recv(target1), second.recv(target2)
	s := sender.send(source, "-4", "--rate", "20M", "-i", "eth0", "-i", "eth1", "-i", "eth2,eth7", "--wait", "1s")
	r1.done()
	r2.done()
	wantSame(t, target1, source)
	wantSame(t, target2, source)
	if code := s.stop(); code != 130 {
		t.Errorf("exit code %d, want 130", code)
	}
}

// No packet leaves from 0.0.0.0, or from an address of another interface.
func TestPacketsComeFromAnAddressOfTheirInterface(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	sender, receiver := l.host(ipv4Only), l.host(ipv4Only)
	sender.sh(`ip link add eth1 type veth peer name veth9
		ip link set veth9 up
		ip link set eth1 up
		ip address add 10.99.0.1/24 dev eth1`)
	receiver.sh(fmt.Sprintf(`nft -f - <<END
table netdev sources {
	counter wrong {}
	chain arriving {
		type filter hook ingress device eth0 priority -2
		udp dport %d ip saddr != { %s, 10.77.0.77 } counter name wrong
	}
}
END`, proto.DefaultPort, sender.ipv4()))
	source, target := newFile(t, 100<<10), newTarget(t)
	s := sender.send(source, "-i", "eth0", "--rate", "10M")
	s.sendsMore(100)
	sender.sh(`ip address flush dev eth0`)
	s.says("warn", "eth0")                                                 // that it has no address
	sender.sh(fmt.Sprintf(`ip address add %s/24 dev eth1`, sender.ipv4())) // the address of another interface now
	s.wait("progress")
	s.wait("progress")
	sender.sh(fmt.Sprintf(`ip address del %s/24 dev eth1
		ip address add 10.77.0.77/24 dev eth0`, sender.ipv4()))
	receiver.recv(target).done()
	wantSame(t, target, source)
	if out := receiver.sh(`nft list counter netdev sources wrong`); !strings.Contains(out, "packets 0 ") {
		t.Errorf("%s", out)
	}
}

// "The source of source-specific sending is chosen once, and its loss is
// reported."
func TestTheSourceOfSourceSpecificSendingStays(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	sender, receiver := l.host(linkLocalOnly), l.host(bothFamilies)
	source, target := newFile(t, 100<<10), newTarget(t)
	s := sender.send(source, "--source-specific", "--rate", "10M")
	from := s.wait("sending").Sources
	if len(from) != 1 || !strings.HasPrefix(from[0], "fe80:") {
		t.Fatalf("the source is %q", from)
	}
	sender.sh(`ip address add 2001:db8:7::1/64 dev eth0 nodad`) // as from a router
	receiver.recv(target, "--source", from[0]).done()
	wantSame(t, target, source)
	sender.sh(`ip address del ` + from[0] + `/64 dev eth0`)
	s.says("warn", "which receivers know as --source")
}

// No route is needed, and none forbids.
func TestRoutesDoNotMatter(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	sender, receiver := l.host(ipv4Only), l.host(ipv4Only)
	source, target := newFile(t, 100<<10), newTarget(t)
	s := sender.send(source, "--rate", "10M")
	s.sendsMore(10)
	sender.sh(`ip route flush table main
		ip route add unreachable 224.0.0.0/4`)
	s.sendsMore(10)
	receiver.recv(target).done()
	wantSame(t, target, source)
}

// What nothing can be waited for any longer has an exit code of its own.
func TestAnInterfaceIsWaitedForSoLong(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	h := l.host(noCable)
	h.sh(`ip link add eth0 type veth peer name veth9`)
	file := newFile(t, 1<<10)
	h.start("send", file, "--wait", "300ms").wantExit(10, "no interface can be sent on: veth9 looks by its name like a tunnel or a container bridge; eth0 is down; lo reaches this host alone; waited")
	h.start("send", file, "--wait", "300ms", "-i", "eth7").wantExit(10, `interface "eth7" not found`)
	h.start("recv", "-n", "--wait", "300ms", "-i", "eth7").wantExit(10, `interface "eth7" not found`)
}

// A host with many interfaces is described in a few lines.
func TestManyInterfacesAreFewLines(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	h := l.host(bothFamilies)
	var lines strings.Builder
	for n := range 60 { // of which the kernel joins an IPv4 group on 20 at most
		fmt.Fprintf(&lines, "link add lan%d type veth peer name veth%d\nlink set veth%d up\nlink set lan%d up\naddress add 10.90.0.%d/32 dev lan%[1]d\n", n, n, n, n, n+1)
	}
	batch := newTarget(t)
	if err := os.WriteFile(batch, []byte(lines.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	h.sh(`ip -batch ` + batch)
	r := h.start("recv", "-o", newTarget(t))
	r.says("warn", "igmp_max_memberships")
	r.wait("listening")
	r.wait("warn") // that nothing arrives
	r.stop()
	if got := strings.Count(r.stdout.String(), "igmp_max_memberships"); got != 1 {
		t.Errorf("reported %d times", got)
	}
}
