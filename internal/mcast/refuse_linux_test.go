// SPDX-License-Identifier: GPL-2.0-or-later

package mcast

import (
	"net"
	"net/netip"
	"testing"
	"time"
)

func TestASenderTakesNothingIn(t *testing.T) {
	// "It never receives."
	lo, err := InterfaceByName("lo")
	if err != nil {
		t.Skipf("no loopback interface: %v", err)
	}
	c, err := Dial(SendConfig{Group: netip.MustParseAddr("239.255.77.77"), Port: 18999, Interface: lo})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	port := c.conn.LocalAddr().(*net.UDPAddr).Port
	peer, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	if _, err := peer.Write([]byte("anybody there?")); err != nil {
		t.Fatal(err)
	}
	c.conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, from, err := c.conn.ReadFrom(make([]byte, 100)); err == nil {
		t.Errorf("the socket took %d bytes from %v", n, from)
	}
}
