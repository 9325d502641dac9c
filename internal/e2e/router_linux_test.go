// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"iotupd/proto"
)

// A routed network has a router in its middle, and no switch:
//
//	sender eth0 ---- eth0 router eth1 ---- eth0 receiver
//	                             eth2 ---- eth0 other
//
// The hosts are 10.78.N.2 and fd78:N::2 on network N, which is one more than the
// number of the router's interface; the router is 1 there.
type routed struct {
	router                  *host
	sender, receiver, other *host
}

func newRouted(t *testing.T) *routed {
	t.Helper()
	l := newLab(t)
	n := &routed{router: l.host(noCable), sender: l.host(noCable), receiver: l.host(noCable), other: l.host(noCable)}
	n.router.sh(`sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.forwarding=1`)
	for i, h := range []*host{n.sender, n.receiver, n.other} {
		n.connect(h, i)
	}
	n.router.addCounters()
	return n
}

// connect puts h on the network of the router's interface number i.
func (n *routed) connect(h *host, i int) {
	h.t.Helper()
	port, network := fmt.Sprintf("eth%d", i), i+1
	n.router.sh(fmt.Sprintf(`ip link add %[1]s type veth peer name eth0 netns %[2]s
		ethtool -K %[1]s tx-udp-segmentation off gro off
		ip address add 10.78.%[3]d.1/24 dev %[1]s
		ip address add fd78:%[3]d::1/64 dev %[1]s
		ip link set %[1]s up`, port, h.name, network))
	h.sh(fmt.Sprintf(`ethtool -K eth0 tx-udp-segmentation off gro off
		ip address add 10.78.%[1]d.2/24 dev eth0
		ip address add fd78:%[1]d::2/64 dev eth0
		ip link set eth0 up
		ip route add default via 10.78.%[1]d.1
		ip route add default via fd78:%[1]d::1`, network))
	h.addCounters()
	h.waitForLink(bothFamilies)
}

// daemon runs a shell script on a host until the test ends, and whatever it has
// started, under any user. Its working directory is its own.
func (h *host) daemon(dir, script string) {
	h.t.Helper()
	// The script is the first process of a namespace of processes, and all others
	// of it end with the first.
	cmd := exec.Command("unshare", "--pid", "--fork", "--kill-child", "ip", "netns", "exec", h.name, "sh", "-ec", script)
	var log strings.Builder
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if h.t.Failed() {
			h.t.Logf("the router's log:\n%s", log.String())
		}
	})
}

// daemonDir makes a directory for the files and sockets of a daemon, which may
// run as a user of its own.
func daemonDir(t *testing.T, user string, files map[string]string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", ownName("daemon-"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("chown", "-R", user, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dir
}

// needsDaemon skips a test for which a program is missing, or fails it if it has
// to run.
func needsDaemon(t *testing.T, path, debianPackage string) {
	t.Helper()
	needsNetwork(t)
	_, err := exec.LookPath(path)
	switch {
	case err == nil:
	case os.Getenv("IOTUPD_REQUIRE_NETNS") == "1":
		t.Fatalf("%v; install %s", err, debianPackage)
	default:
		t.Skipf("%v; install %s", err, debianPackage)
	}
}

const frr = "/usr/lib/frr/"

// pim makes a host a dynamic router for IPv4 multicast: PIM, and IGMPv3 towards
// the hosts.
func (h *host) pim() {
	h.t.Helper()
	var config strings.Builder
	for i := range 3 {
		fmt.Fprintf(&config, "interface eth%d\n ip pim\n ip igmp\n", i)
	}
	dir := daemonDir(h.t, "frr:frr", map[string]string{"zebra.conf": "", "pimd.conf": config.String()})
	run := func(name string) string {
		return fmt.Sprintf(`%[1]s%[3]s --config_file %[2]s/%[3]s.conf --pid_file %[2]s/%[3]s.pid --socket %[2]s/zserv.api \
			--vty_socket %[2]s --vty_port 0 --log stdout`, frr, dir, name)
	}
	h.daemon(dir, run("zebra")+" & until [ -S zserv.api ]; do sleep 0.01; done\n"+run("pimd")+" & wait")
	eventually(h.t, "the router asks for members on all interfaces", func() bool {
		out, _ := exec.Command("vtysh", "--vty_socket", dir, "-c", "show ip igmp interface").Output()
		return strings.Count(string(out), "local") == 3
	})
}

// static makes a host a router that forwards packets from source to the channel's
// source-specific group of IPv6, with or without members.
func (h *host) static(source string) {
	h.t.Helper()
	group := proto.ChannelAddresses("iotupd").IPv6Source
	dir := daemonDir(h.t, "root:root", map[string]string{
		"smcroute.conf": fmt.Sprintf("mroute from eth0 source %v group %v to eth1 eth2\n", source, group),
	})
	h.daemon(dir, fmt.Sprintf("exec smcrouted -n -f %[1]s/smcroute.conf -P %[1]s/pid -u %[1]s/socket", dir))
	eventually(h.t, "the router has the route", func() bool {
		return strings.Contains(h.sh("ip -6 mroute show"), group.String())
	})
}

// arrivalsFrom returns how many packets reach a host while a sender sends some
// hundred.
func (h *host) arrivalsFrom(s *process) uint64 {
	h.t.Helper()
	before := h.count()
	s.sendsMore(300)
	return h.count().seen.Packets - before.seen.Packets
}

// sendsMore waits until a sender has sent so many more packets.
func (p *process) sendsMore(packets uint64) {
	p.t.Helper()
	p.latest("progress") // those before are of before
	from := p.wait("progress").Packets
	p.waitFor(fmt.Sprintf("progress of %d packets", packets), func(e event) bool {
		return e.Type == "progress" && e.Packets >= from+packets
	})
}

// A router that speaks PIM and IGMPv3 forwards a source to those networks that
// have a member who named it, and to no others.
func TestATransferCrossesADynamicRouter(t *testing.T) {
	t.Parallel()
	needsDaemon(t, frr+"pimd", "frr")
	n := newRouted(t)
	n.router.pim()
	const source, stranger = "10.78.1.2", "10.78.1.3"

	file := newFile(t, 4*mib)
	s := n.sender.send(file, "-4", "--source-specific", "--hop-limit", "5", "--rate", "20M")
	no := oldFile(t)
	deaf := n.other.recv(no, "--source", stranger)
	eventually(t, "the router gets packets", func() bool { return n.router.count().seen.Packets > 1000 })
	if got := n.receiver.count().seen.Packets; got != 0 {
		t.Errorf("%d packets crossed the router, want none before anybody joined", got)
	}

	target := newTarget(t)
	joined := time.Now()
	r := n.receiver.recv(target, "--source", source)
	r.wait("found")
	t.Logf("the first packets came %v after the start of the receiver", time.Since(joined).Round(time.Millisecond))
	e := r.done()
	left := time.Now()
	t.Logf("%d bytes from %s through the router in %.2f s", e.Bytes, source, e.Seconds)
	wantSame(t, target, file)

	eventually(t, "the router stops forwarding to a network without members", func() bool { return n.receiver.arrivalsFrom(s) == 0 })
	t.Logf("packets ended at most %.1f s after the receiver left", time.Since(left).Seconds())
	deaf.wantHeardNothing()
	wantOld(t, no)
	if got := n.other.count().seen.Packets; got != 0 {
		t.Errorf("%d packets came to a network whose only member named another source, want none", got)
	}
}

// A router with fixed routes forwards to all networks, and there the receiver
// itself hears only the source that it named.
func TestATransferCrossesAStaticRouter(t *testing.T) {
	t.Parallel()
	needsDaemon(t, "smcrouted", "smcroute")
	n := newRouted(t)
	const source, stranger = "fd78:1::2", "fd78:1::3"
	n.router.static(source)

	file, target, no := newFile(t, 4*mib), newTarget(t), oldFile(t)
	r := n.receiver.recv(target, "--source", source)
	deaf := n.other.recv(no, "--source", stranger)
	n.sender.send(file, "-6", "--source-specific", "--hop-limit", "5", "--rate", "20M")
	e := r.done()
	t.Logf("%d bytes from %s through the router in %.2f s", e.Bytes, source, e.Seconds)
	wantSame(t, target, file)
	eventually(t, "packets come to the other network, too", func() bool { return n.other.count().seen.Packets > 100 })
	deaf.wantHeardNothing()
	wantOld(t, no)
}

// "The hop limit is 1 by default." spec.md 8.2
func TestPacketsCrossNoRouterByDefault(t *testing.T) {
	t.Parallel()
	tests := []struct {
		family, source string
		program, from  string // the router's
		start          func(router *host)
	}{
		{"-4", "10.78.1.2", frr + "pimd", "frr", (*host).pim},
		{"-6", "fd78:1::2", "smcrouted", "smcroute", func(router *host) { router.static("fd78:1::2") }},
	}
	for _, test := range tests {
		t.Run(test.family, func(t *testing.T) {
			needsDaemon(t, test.program, test.from)
			n := newRouted(t)
			test.start(n.router)
			no := oldFile(t)
			deaf := n.receiver.recv(no, "--source", test.source)
			n.sender.send(newFile(t, mib), test.family, "--source-specific", "--rate", "5M")
			eventually(t, "packets reach the router", func() bool { return n.router.count().seen.Packets > 1000 })
			deaf.wantHeardNothing()
			wantOld(t, no)
			if beyond := n.receiver.count().seen.Packets; beyond != 0 {
				t.Errorf("%d packets beyond the router, want none", beyond)
			}
		})
	}
}
