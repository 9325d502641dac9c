// SPDX-License-Identifier: GPL-2.0-or-later

package diagnose

import (
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// Each case breaks a real network in one way, sends into it, and wants Explain
// to name what was broken and, where mended is set, its first Fix to mend it.
func TestExplainInRealNetworks(t *testing.T) {
	const (
		foreignSource = "ip -4 addr flush dev eth0; ip addr add 172.30.0.1/24 dev eth0"
		inputDrops    = "nft 'add table inet filter'; nft 'add chain inet filter input { type filter hook input priority 0; policy drop; }'"
	)
	tests := []struct {
		name     string
		sender   string       // shell commands in the namespace of the sender
		receiver string       // and of the receiver
		join     string       // interface on which the multicast groups are joined; empty: eth0
		to       []netip.Addr // multicast groups that are sent to
		port     uint16       // and the port; zero: the right one
		want     []string
		mended   bool
	}{
		{name: "nothing is sent", want: []string{NothingOnTheWire}},
		{name: "input chain, IPv4", receiver: inputDrops, to: []netip.Addr{group4}, want: []string{HostFirewall}, mended: true},
		{name: "input chain, IPv6", receiver: inputDrops, to: []netip.Addr{group6}, want: []string{HostFirewall, OtherGroups}, mended: true},
		{
			name:     "prerouting chain",
			receiver: "nft 'add table inet raw'; nft 'add chain inet raw pre { type filter hook prerouting priority -300; }'; nft 'add rule inet raw pre udp dport 18868 drop'",
			to:       []netip.Addr{group4, group6},
			want:     []string{OtherGroups, NothingOnTheWire},
		},
		{
			name:   "strict reverse path, no default route",
			sender: foreignSource, receiver: "sysctl -qw net.ipv4.conf.eth0.rp_filter=1",
			to: []netip.Addr{group4}, want: []string{ReversePathFilter}, mended: true,
		},
		{
			name:   "loose reverse path, no default route",
			sender: foreignSource, receiver: "sysctl -qw net.ipv4.conf.all.rp_filter=2",
			to: []netip.Addr{group4}, want: []string{ReversePathFilter}, mended: true,
		},
		{
			name:   "strict reverse path, default route elsewhere",
			sender: foreignSource, receiver: "sysctl -qw net.ipv4.conf.all.rp_filter=1; ip route add default via 10.8.0.1",
			to: []netip.Addr{group4}, want: []string{ReversePathFilter}, mended: true,
		},
		{name: "other port", to: []netip.Addr{group4, group6}, port: port + 1, want: []string{OtherPort}},
		{name: "other group, IPv4", to: []netip.Addr{group4.Next()}, want: []string{OtherGroups, NothingOnTheWire}},
		// A virtual cable filters no multicast groups, and IPv6 counts all, so
		// here a firewall cannot be distinguished.
		{name: "other group, IPv6", to: []netip.Addr{group6.Next()}, want: []string{HostFirewall, OtherGroups}},
		{name: "joined elsewhere", join: "eth1", to: []netip.Addr{group4}, want: []string{JoinedElsewhere}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t)
			if slices.ContainsFunc(test.to, netip.Addr.Is4) {
				l.await(group4)
			}
			if slices.ContainsFunc(test.to, netip.Addr.Is6) {
				l.await(group6)
			}
			l.sh(l.sender, test.sender)
			l.sh(l.receiver, test.receiver)
			sockets := l.listen(test.join, 1<<20)
			send := func() {
				for _, group := range test.to {
					l.send(netip.AddrPortFrom(group, max(port, test.port)))
				}
			}
			before := l.take()
			send()
			findings := l.wantFindings(before, test.want)
			if n := drain(sockets); n > 0 {
				t.Errorf("%d packets arrived, want the network to be broken", n)
			}
			if !test.mended {
				return
			}
			l.sh(l.receiver, findings[0].Fix)
			send()
			if !soon(func() bool { return drain(sockets) > 0 }) {
				t.Errorf("nothing arrives after %s", findings[0].Fix)
			}
		})
	}
}

func TestExplainOwnBufferInARealNetwork(t *testing.T) {
	l := newLab(t)
	l.await(group4, group6)
	l.listen("eth0", 4096) // and nobody reads
	for _, group := range []netip.Addr{group4, group6} {
		before := l.take()
		l.send(netip.AddrPortFrom(group, port))
		l.wantFindings(before, []string{OwnBuffer})
	}
}

const (
	port   = 18868
	volley = 200 // packets that are sent at once, far more than chatter
)

// A lab is a sender and a receiver in two network namespaces, joined by a
// virtual cable: eth0 at both ends. The receiver has a further interface, eth1.
type lab struct {
	t                *testing.T
	sender, receiver string // namespaces
}

func newLab(t *testing.T) *lab {
	t.Helper()
	skip := t.Skipf
	if os.Getenv("IOTUPD_REQUIRE_NETNS") == "1" {
		skip = t.Fatalf
	}
	if os.Geteuid() != 0 {
		skip("network namespaces need root")
	}
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin") // where tools are that users have no need of
	for _, tool := range []string{"ip", "nft", "sysctl"} {
		if _, err := exec.LookPath(tool); err != nil {
			skip("%v", err)
		}
	}
	l := &lab{t, fmt.Sprintf("iotupd-sender-%d", os.Getpid()), fmt.Sprintf("iotupd-receiver-%d", os.Getpid())}
	for _, namespace := range []string{l.sender, l.receiver} {
		if out, err := exec.Command("ip", "netns", "add", namespace).CombinedOutput(); err != nil {
			skip("cannot make a network namespace: %s", out)
		}
		t.Cleanup(func() {
			if out, err := exec.Command("ip", "netns", "del", namespace).CombinedOutput(); err != nil {
				t.Errorf("cannot remove the network namespace: %s", out)
			}
		})
	}
	l.sh(l.sender, "ip link add eth0 type veth peer name eth0 netns "+l.receiver)
	l.sh(l.sender, "ip addr add 10.9.0.1/24 dev eth0; ip addr add fd09::1/64 dev eth0 nodad; ip link set eth0 up")
	l.sh(l.receiver, "ip addr add 10.9.0.2/24 dev eth0; ip addr add fd09::2/64 dev eth0 nodad; ip link set eth0 up")
	l.sh(l.receiver, "ip link add eth1 type veth peer name eth2; ip addr add 10.8.0.2/24 dev eth1; ip link set eth1 up; ip link set eth2 up")
	return l
}

// await waits until packets to the multicast groups arrive: packets before an
// interface is up on both sides are dropped, and IPv6 needs a second to notice
// that it is.
func (l *lab) await(groups ...netip.Addr) {
	l.t.Helper()
	sockets := l.listen("eth0", 1<<20)
	for _, group := range groups {
		if !soon(func() bool {
			l.send(netip.AddrPortFrom(group, port))
			return drain(sockets) > 0
		}) {
			l.t.Fatalf("packets to %v do not arrive even before anything is broken", group)
		}
	}
	for _, conn := range sockets {
		conn.Close()
	}
}

// sh runs shell commands in a namespace.
func (l *lab) sh(namespace, commands string) {
	l.t.Helper()
	if out, err := exec.Command("ip", "netns", "exec", namespace, "sh", "-ec", commands).CombinedOutput(); err != nil {
		l.t.Fatalf("%s: %v: %s", commands, err, out)
	}
}

// within runs f in a namespace, on a thread that ends with it.
func (l *lab) within(namespace string, f func() error) {
	l.t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked
		done <- func() error {
			handle, err := os.Open("/run/netns/" + namespace)
			if err != nil {
				return err
			}
			defer handle.Close()
			if err := unix.Setns(int(handle.Fd()), unix.CLONE_NEWNET); err != nil {
				return err
			}
			return f()
		}()
	}()
	if err := <-done; err != nil {
		l.t.Fatalf("in %s: %v", namespace, err)
	}
}

// threadFS shows the counters of the calling thread in place of the process's,
// and hides /sys, which always belongs to the process.
type threadFS struct{ fs.FS }

func (f threadFS) Open(name string) (fs.File, error) {
	if strings.HasPrefix(name, "sys/") {
		return nil, fs.ErrNotExist
	}
	return f.FS.Open(strings.Replace(name, "proc/self/", "proc/thread-self/", 1))
}

// take takes a Snapshot of the receiver.
func (l *lab) take() (s Snapshot) {
	l.t.Helper()
	l.within(l.receiver, func() (err error) {
		s, err = Take(threadFS{os.DirFS("/")})
		return err
	})
	return s
}

// wantFindings waits until the receiver's counters lead to the codes wanted.
func (l *lab) wantFindings(before Snapshot, want []string) (findings []Finding) {
	l.t.Helper()
	listening := Listening{
		Interfaces: []string{"eth0"},
		Groups:     []netip.Addr{group4, group6},
		Port:       port,
		Interval:   10 * time.Second, // chatter of new neighbours is far below it
	}
	if !soon(func() bool {
		findings = Explain(before, l.take(), listening)
		return slices.Equal(codes(findings), want)
	}) {
		l.t.Fatalf("got %q, want %q", findings, want)
	}
	for _, f := range findings {
		l.t.Logf("%s: %s\n\t%s", f.Code, f.Text, f.Fix)
	}
	return findings
}

// listen joins the multicast groups on an interface of the receiver and binds a
// socket of each family, IPv4 first, to the port, with receive buffers of size
// bytes.
func (l *lab) listen(device string, size int) (sockets []*net.UDPConn) {
	l.t.Helper()
	if device == "" {
		device = "eth0"
	}
	l.within(l.receiver, func() error {
		ifi, err := net.InterfaceByName(device)
		if err != nil {
			return err
		}
		for _, network := range []string{"udp4", "udp6"} {
			conn, err := net.ListenUDP(network, &net.UDPAddr{Port: port})
			if err != nil {
				return err
			}
			l.t.Cleanup(func() { conn.Close() })
			sockets = append(sockets, conn)
			if err := conn.SetReadBuffer(size); err != nil {
				return err
			}
		}
		if err := ipv4.NewPacketConn(sockets[0]).JoinGroup(ifi, &net.UDPAddr{IP: group4.AsSlice()}); err != nil {
			return err
		}
		return ipv6.NewPacketConn(sockets[1]).JoinGroup(ifi, &net.UDPAddr{IP: group6.AsSlice()})
	})
	return sockets
}

// send sends a volley from the sender's eth0.
func (l *lab) send(to netip.AddrPort) {
	l.t.Helper()
	l.within(l.sender, func() error {
		ifi, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		network, choose := "udp6", func(c *net.UDPConn) error { return ipv6.NewPacketConn(c).SetMulticastInterface(ifi) }
		if to.Addr().Is4() {
			network, choose = "udp4", func(c *net.UDPConn) error { return ipv4.NewPacketConn(c).SetMulticastInterface(ifi) }
		}
		conn, err := net.ListenUDP(network, nil)
		if err != nil {
			return err
		}
		defer conn.Close()
		if err := choose(conn); err != nil {
			return err
		}
		for range volley {
			if _, err := conn.WriteToUDPAddrPort(make([]byte, 500), to); err != nil {
				return err
			}
		}
		return nil
	})
}

// drain returns how many packets wait in the sockets, and takes them.
func drain(sockets []*net.UDPConn) (n int) {
	for _, conn := range sockets {
		conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		for {
			if _, err := conn.Read(make([]byte, 2000)); err != nil {
				break
			}
			n++
		}
	}
	return n
}

// soon waits until done reports true. The bound is there so that a test that fails
// does not hang.
func soon(done func() bool) bool {
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if done() {
			return true
		}
	}
	return false
}
