// SPDX-License-Identifier: GPL-2.0-or-later

package mcast_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"iotupd/internal/mcast"
	"iotupd/internal/mcast/mcasttest"
)

func (l lan) dialOrFail(cfg mcast.SendConfig) mcasttest.Sender {
	l.t.Helper()
	cfg.Port = l.port
	cfg.Interface = l.sendInterface()
	c, err := l.dial(cfg)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { c.Close() })
	return c
}

func TestAFullQueueIsWaitedFor(t *testing.T) {
	for name, offload := range offloads {
		t.Run(name, func(t *testing.T) {
			lan := newLAN(t)
			// A slow cable, by a token bucket in its queue, and room for few datagrams.
			lan.Command("tc qdisc add dev tx0 root tbf rate 100mbit burst 20k limit 1m")
			h := hear(t, mcast.ListenConfig{Interfaces: []string{"rx0"}})
			c := lan.dialOrFail(mcast.SendConfig{Group: group6, SendBuffer: 1, Offload: offload})
			const count, segment = 400, 1000
			var b []byte
			for i := range count {
				b = fmt.Appendf(b, "%*d", segment, i)
			}
			write := make(chan error)
			go func() { write <- c.WriteSegments(b, segment) }()
			// Each once. Two CPUs may empty the queue in turn, and the last datagram of
			// one overtake the next of the other.
			h.wantAll(count, func(i int) string { return fmt.Sprintf("%*d", segment, i) })
			if err := <-write; err != nil {
				t.Error(err)
			}
			if err := c.WriteSegments([]byte("the end"), segment); err != nil {
				t.Error(err)
			}
			h.want("the end") // and nothing twice
		})
	}
}

func TestWhatWaitsToLeaveIsKnown(t *testing.T) {
	for _, group := range []netip.Addr{group6, group4} {
		t.Run(group.String(), func(t *testing.T) { whatWaitsIsKnown(t, group) })
	}
}

func whatWaitsIsKnown(t *testing.T, group netip.Addr) {
	lan := newLAN(t).withIPv4()
	lan.Command("tc qdisc add dev tx0 root tbf rate 1mbit burst 2k limit 20k")
	c := lan.dialOrFail(mcast.SendConfig{Group: group, Offload: mcast.OffloadNever}).(peerSender).Sender.(*mcast.Conn)
	if n := c.Waiting(); n != 0 {
		t.Errorf("%d bytes wait before anything was written", n)
	}
	const count, segment = 10, 1000
	if err := c.WriteSegments(make([]byte, count*segment), segment); err != nil {
		t.Fatal(err)
	}
	if n := c.Waiting(); n < segment {
		t.Errorf("%d bytes wait on a slow link, want more than one datagram", n)
	}
	if !eventually(func() bool { return c.Waiting() == 0 }) {
		t.Errorf("%d bytes never leave", c.Waiting())
	}
	if c.Waited() != 0 {
		t.Errorf("writing waited %v, though there was room", c.Waited())
	}

	// The queue drops silently, and the kernel counts it.
	before := lan.dropped(c)
	if err := c.WriteSegments(make([]byte, 40*segment), segment); err != nil {
		t.Fatal(err)
	}
	if n := lan.dropped(c) - before; n == 0 || n > 40 {
		t.Errorf("%d datagrams were dropped of 40, for half of which there was room", n)
	}

	tight := lan.dialOrFail(mcast.SendConfig{Group: group, SendBuffer: 1}).(peerSender).Sender.(*mcast.Conn)
	for tight.Waited() == 0 { // or hang
		if err := tight.WriteSegments(make([]byte, count*segment), segment); err != nil {
			t.Fatal(err)
		}
	}
}

// dropped is c.Dropped in the namespace of the sender.
func (l lan) dropped(c *mcast.Conn) (n uint64) {
	l.Do(func() { n = c.Dropped() })
	return n
}

func TestASenderSurvivesItsInterface(t *testing.T) {
	for _, group := range []netip.Addr{group6, group4} {
		t.Run(group.String(), func(t *testing.T) {
			lan := newLAN(t).withIPv4()
			h := hear(t, mcast.ListenConfig{Interfaces: []string{"rx0"}})
			c := lan.dialOrFail(mcast.SendConfig{Group: group})
			send := func(payload string) error { return c.WriteSegments([]byte(payload), 1<<10) }
			if err := send("first"); err != nil {
				t.Fatal(err)
			}
			h.want("first")

			lan.Command("ip link set tx0 down")
			if err := send("lost"); !errors.Is(err, mcast.ErrUnreachable) {
				t.Errorf("down: got %v, want ErrUnreachable", err)
			}
			lan.Unplug()
			if err := send("lost"); !errors.Is(err, mcast.ErrNoInterface) {
				t.Errorf("gone: got %v, want ErrNoInterface", err)
			}

			lan.Plug("rx0")
			lan.withIPv4()
			h.wantMembers("rx0 ff15::8:0", "rx0 239.255.8.0")
			// The first datagrams over a cable that has just been plugged in may be lost.
			heard, ended := make(chan struct{}), make(chan error)
			go func() {
				for {
					select {
					case <-heard:
						ended <- nil
						return
					case <-time.After(10 * time.Millisecond):
					}
					if err := send("back"); err != nil {
						ended <- err
						return
					}
				}
			}()
			h.want("back")
			close(heard)
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestNoRouteIsNeeded(t *testing.T) {
	lan := newLAN(t).withIPv4()
	h := hear(t, mcast.ListenConfig{Interfaces: []string{"rx0"}})
	lan.Command("ip route flush table main")
	lan.Command("ip -6 route flush table main")
	for _, g := range []netip.Addr{group6, group4} {
		lan.say(g, g.String())
		h.want(g.String())
	}
}

func TestHopLimitAndClassOfServiceAreSet(t *testing.T) {
	lan := newLAN(t).withIPv4()
	rx0, err := net.InterfaceByName("rx0")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ cfg mcast.SendConfig }{
		{mcast.SendConfig{}}, {mcast.SendConfig{HopLimit: 7, DSCP: 10}},
	} {
		wantHops, wantClass := max(test.cfg.HopLimit, 1), test.cfg.DSCP<<2

		c6, err := net.ListenPacket("udp6", fmt.Sprint(":", lan.port))
		if err != nil {
			t.Fatal(err)
		}
		p6 := ipv6.NewPacketConn(c6)
		p6.SetControlMessage(ipv6.FlagHopLimit|ipv6.FlagTrafficClass, true)
		if err := p6.JoinGroup(rx0, &net.UDPAddr{IP: group6.AsSlice()}); err != nil {
			t.Fatal(err)
		}
		cfg := test.cfg
		cfg.Group = group6
		write(t, lan.dialOrFail(cfg), "x")
		_, cm, _, err := p6.ReadFrom(make([]byte, 10))
		if err != nil || cm.HopLimit != wantHops || cm.TrafficClass != wantClass {
			t.Errorf("IPv6: got %+v, %v; want hop limit %d, class %d", cm, err, wantHops, wantClass)
		}
		c6.Close()

		c4, err := net.ListenPacket("udp4", fmt.Sprint(":", lan.port))
		if err != nil {
			t.Fatal(err)
		}
		p4 := ipv4.NewPacketConn(c4)
		p4.SetControlMessage(ipv4.FlagTTL, true)
		if err := p4.JoinGroup(rx0, &net.UDPAddr{IP: group4.AsSlice()}); err != nil {
			t.Fatal(err)
		}
		cfg.Group = group4
		write(t, lan.dialOrFail(cfg), "x")
		_, cm4, _, err := p4.ReadFrom(make([]byte, 10))
		if err != nil || cm4.TTL != wantHops {
			t.Errorf("IPv4: got %+v, %v; want TTL %d", cm4, err, wantHops)
		}
		c4.Close()
	}
}
