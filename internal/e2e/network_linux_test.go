// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"iotupd/proto"
)

// transfer sends a file from one host to another, without any flag but the
// sender's rate and those given to both, and returns the result.
func transfer(t *testing.T, sender, receiver *host, flags ...string) event {
	t.Helper()
	source, target := newFile(t, 4*mib), newTarget(t)
	r := receiver.recv(target, flags...)
	s := sender.send(source, append([]string{"--rate", "50M"}, flags...)...)
	found := r.wait("found")
	e := r.done()
	e.From = found.From
	s.stop()
	wantSame(t, target, source)
	t.Logf("%d bytes from %s in %.2f s", e.Bytes, e.From, e.Seconds)
	return e
}

func TestEveryKindOfHostWorksWithoutFlags(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		has      addresses
		wantFrom string
	}{
		{"both families", bothFamilies, "fd77:"},
		{"IPv6 only", ipv6Only, "fd77:"},
		{"link-local addresses only", linkLocalOnly, "fe80:"},
		{"IPv4 only", ipv4Only, "10.77."},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t)
			e := transfer(t, l.host(test.has), l.host(test.has))
			if !strings.HasPrefix(e.From, test.wantFrom) {
				t.Errorf("packets came from %s, want %s...", e.From, test.wantFrom)
			}
		})
	}
	t.Run("a receiver of both families hears a sender of IPv4", func(t *testing.T) {
		l := newLab(t)
		transfer(t, l.host(ipv4Only), l.host(bothFamilies))
	})
}

func TestSenderAndReceiverMayBeOneHost(t *testing.T) {
	t.Run("nothing but a loopback interface", func(t *testing.T) {
		h := newLab(t).host(noCable)
		if e := transfer(t, h, h); e.From != "127.0.0.1" {
			t.Errorf("packets came from %s, want 127.0.0.1", e.From)
		}
	})
	t.Run("one interface", func(t *testing.T) {
		h := newLab(t).host(bothFamilies)
		if e := transfer(t, h, h); e.From != h.ipv6() {
			t.Errorf("packets came from %s, want %s", e.From, h.ipv6())
		}
	})
}

// A receiver that names its sources hears those and no others.
func TestSourceSpecificReceiversHearTheirSourceOnly(t *testing.T) {
	t.Parallel()
	for _, family := range []string{"-6", "-4"} {
		t.Run(family, func(t *testing.T) {
			l := newLab(t)
			sender, other, receiver := l.host(bothFamilies), l.host(bothFamilies), l.host(bothFamilies)
			right, wrong := sender.ipv6(), other.ipv6()
			if family == "-4" {
				right, wrong = sender.ipv4(), other.ipv4()
			}
			source, target, no := newFile(t, 2*mib), newTarget(t), oldFile(t)
			hears := receiver.recv(target, "--source", right)
			deaf := receiver.recv(no, "--source", wrong)
			sender.send(source, "--source-specific", family, "--rate", "20M")
			e := hears.done()
			t.Logf("from %s in %.2f s", right, e.Seconds)
			wantSame(t, target, source)
			deaf.wantHeardNothing()
			wantOld(t, no)
		})
	}
}

// Strangers on the same port, and even in the same group, cost nothing but the
// time to drop them.
func TestUnrelatedPacketsOnThePortAreIgnored(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	sender, stranger, receiver := l.host(bothFamilies), l.host(bothFamilies), l.host(bothFamilies)
	source, target, otherTarget := newFile(t, 4*mib), newTarget(t), newTarget(t)
	other := newFile(t, 4*mib)
	stranger.babble(proto.ChannelAddresses("iotupd").IPv6)
	stranger.babble(proto.ChannelAddresses("iotupd").IPv4)

	r := receiver.recv(target)
	before := receiver.count()
	eventually(t, "junk arrives", func() bool { return receiver.count().seen.Packets > before.seen.Packets+100 })
	stranger.send(other, "--channel", "other", "--rate", "20M")
	sender.send(source, "--rate", "20M")
	o := receiver.recv(otherTarget, "--channel", "other")
	e := r.done()
	t.Logf("done in %.2f s, ignored %v", e.Seconds, e.Ignored)
	o.done()
	wantSame(t, target, source)
	wantSame(t, otherTarget, other)
	if e.Ignored["magic"] == 0 {
		t.Errorf("ignored %v, want packets with a wrong magic number among them", e.Ignored)
	}
	if e.Ignored["other-object"] != 0 {
		t.Errorf("ignored %v, want no packet of the other channel to get so far", e.Ignored)
	}
}

// babble sends junk to a group until the test ends: some thousand packets a
// second, of any length, some of which begin like ours.
func (h *host) babble(group netip.Addr) {
	h.t.Helper()
	conn := h.dial()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	h.t.Cleanup(func() { close(stop); wg.Wait(); conn.Close() })
	wg.Go(func() {
		to := netip.AddrPortFrom(group, proto.DefaultPort)
		junk, draw := make([]byte, 1400), rand.NewChaCha8([32]byte{})
		for ticker := time.NewTicker(time.Millisecond); ; <-ticker.C {
			select {
			case <-stop:
				return
			default:
			}
			for range 2 {
				draw.Read(junk)
				if draw.Uint64()%2 == 0 {
					copy(junk, "IU\x01\x01")
				}
				conn.WriteToUDPAddrPort(junk[:draw.Uint64()%uint64(len(junk))], to)
			}
		}
	})
}

// dial opens a socket on a host that sends multicast of both families over eth0.
func (h *host) dial() (conn *net.UDPConn) {
	h.t.Helper()
	h.within(func() error {
		ifi, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		if conn, err = net.ListenUDP("udp", nil); err != nil {
			return err
		}
		if err := ipv6.NewPacketConn(conn).SetMulticastInterface(ifi); err != nil {
			return err
		}
		return ipv4.NewPacketConn(conn).SetMulticastInterface(ifi)
	})
	return conn
}
