// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A lab is a network of its own:
//
//	+------------------------------------------+
//	|  br0, a switch that floods multicast     |  namespace "switch"
//	|  port1        port2         port3        |
//	+----|------------|-------------|----------+
//	     | veth       | veth        | veth
//	+----|----+  +----|----+  +-----|---+
//	|  eth0   |  |  eth0   |  |  eth0   |         a namespace for each host
//	|  lo     |  |  lo     |  |  lo     |
//	+---------+  +---------+  +---------+
//
// Segmentation offload is off on all cables, so that every datagram crosses
// them as a packet of its own and is lost on its own; but see offload.
type lab struct {
	t     *testing.T
	net   string // namespace of the switch
	hosts int
	index string // arguments of "ip link add" for eth0 of hosts made from now on
}

// addresses is what a host has beside its loopback interface.
type addresses int

const (
	bothFamilies  addresses = iota // 10.77.0.N/24, fd77::N/64, fe80::
	ipv4Only                       // the kernel's IPv6 is off
	ipv6Only                       // fd77::N/64, fe80::
	linkLocalOnly                  // fe80:: and nothing else
	noCable                        // no interface but lo; see host.plug
)

// A host is a machine of a lab. What runs on it is made by send, recv and run.
type host struct {
	t    *testing.T
	lab  *lab
	name string   // namespace
	n    int      // last number of its addresses
	runs []string // the program, after its prefix such as a wrapper; empty: binary

	cgroup string // of its processes; empty: the cgroup of the test
}

// labs counts those made so far.
var labs atomic.Int32

func newLab(t *testing.T) *lab {
	t.Helper()
	needsNetwork(t)
	l := &lab{t: t, net: ownName(fmt.Sprintf("%d-switch", labs.Add(1)))}
	addNamespace(t, l.net)
	sh(t, l.net, `ip link add br0 type bridge mcast_snooping 0
		ip link set br0 up`)
	return l
}

func addNamespace(t *testing.T, name string) {
	t.Helper()
	if out, err := exec.Command("ip", "netns", "add", name).CombinedOutput(); err != nil {
		t.Fatalf("cannot make a network namespace: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("ip", "netns", "del", name).CombinedOutput(); err != nil {
			t.Errorf("cannot remove the network namespace: %v: %s", err, out)
		}
	})
	// Addresses are there at once, without a test for duplicates.
	sh(t, name, `sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
		ip link set lo up`)
}

// host adds a machine to the network.
func (l *lab) host(has addresses) *host {
	l.t.Helper()
	l.hosts++
	h := &host{t: l.t, lab: l, n: l.hosts}
	h.name = strings.TrimSuffix(l.net, "switch") + fmt.Sprintf("host%d", h.n)
	addNamespace(l.t, h.name)
	if has != noCable {
		h.plug(has)
	}
	return h
}

// plug connects a host to the switch, and waits until its link is up.
func (h *host) plug(has addresses) {
	h.t.Helper()
	if has == ipv4Only {
		h.sh(`sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1`)
	}
	port := fmt.Sprintf("port%d", h.n)
	h.sh(fmt.Sprintf(`ip link add eth0 %s type veth peer name %s netns %s`, h.lab.index, port, h.lab.net))
	sh(h.t, h.lab.net, fmt.Sprintf(`ethtool -K %[1]s tx-udp-segmentation off
		ip link set %[1]s master br0 up`, port))
	h.sh(`ethtool -K eth0 tx-udp-segmentation off gro off`)
	if has != ipv6Only && has != linkLocalOnly {
		h.sh(fmt.Sprintf(`ip address add %s/24 dev eth0`, h.ipv4()))
	}
	if has != ipv4Only && has != linkLocalOnly {
		h.sh(fmt.Sprintf(`ip address add %s/64 dev eth0`, h.ipv6()))
	}
	h.sh(`ip link set eth0 up`)
	h.addCounters()
	h.waitForLink(has)
}

// offload lets runs of packets go to and from a host in one piece, as good
// network cards do.
func (h *host) offload() {
	h.t.Helper()
	h.sh(`ethtool -K eth0 tx-udp-segmentation on`)
	sh(h.t, h.lab.net, fmt.Sprintf(`ethtool -K port%d tx-udp-segmentation on`, h.n))
}

func (h *host) ipv4() string { return fmt.Sprintf("10.77.0.%d", h.n) }
func (h *host) ipv6() string { return fmt.Sprintf("fd77::%d", h.n) }

// waitForLink waits until both ends of the cable are up and IPv6 has its
// link-local address.
func (h *host) waitForLink(has addresses) {
	h.t.Helper()
	eventually(h.t, "the link is up", func() bool {
		var links []struct {
			State     string `json:"operstate"`
			Addresses []struct {
				Local     string `json:"local"`
				Tentative bool   `json:"tentative"`
			} `json:"addr_info"`
		}
		if err := json.Unmarshal([]byte(h.sh(`ip -json address show dev eth0`)), &links); err != nil {
			h.t.Fatal(err)
		}
		local := has == ipv4Only
		for _, a := range links[0].Addresses {
			local = local || strings.HasPrefix(a.Local, "fe80:") && !a.Tentative
		}
		return links[0].State == "UP" && local
	})
}

// sh runs shell commands on a host and returns what they print.
func (h *host) sh(commands string) string {
	h.t.Helper()
	return sh(h.t, h.name, commands)
}

func sh(t *testing.T, namespace, commands string) string {
	t.Helper()
	out, err := exec.Command("ip", "netns", "exec", namespace, "sh", "-ec", commands).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", commands, err, out)
	}
	return string(out)
}

// within runs f on a host. Sockets that f opens stay on the host.
func (h *host) within(f func() error) {
	h.t.Helper()
	if err := inNamespace("/run/netns/"+h.name, f); err != nil {
		h.t.Fatalf("on host %d: %v", h.n, err)
	}
}

func inNamespace(path string, f func() error) error {
	runtime.LockOSThread()
	own, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer own.Close()
	other, err := os.Open(path)
	if err != nil {
		return err
	}
	defer other.Close()
	if err := unix.Setns(int(other.Fd()), unix.CLONE_NEWNET); err != nil {
		return err
	}
	err = f()
	if err := unix.Setns(int(own.Fd()), unix.CLONE_NEWNET); err != nil {
		return err
	}
	// Without this the thread would end here, and the processes that it has started with it.
	runtime.UnlockOSThread()
	return err
}

// waitLimit returns the bound of every wait for something that has to happen.
func waitLimit() time.Duration {
	if full {
		return 20 * time.Minute
	}
	return 2 * time.Minute
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(waitLimit()); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still not so after %v: %s", waitLimit(), what)
		}
	}
}
