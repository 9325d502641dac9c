// SPDX-License-Identifier: GPL-2.0-or-later

package mcast

import (
	"net"
	"net/netip"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
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
	to := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: c.conn.LocalAddr().(*net.UDPAddr).Port}
	if got := arrivesBeside(t, optionConn{c.conn, c.sys.raw}, to); got {
		t.Error("the socket took a datagram")
	}
	other, err := net.ListenUDP("udp4", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if !arrivesBeside(t, other, &net.UDPAddr{IP: to.IP, Port: other.LocalAddr().(*net.UDPAddr).Port}) {
		t.Error("nor does a socket that takes everything; the test shows nothing")
	}
}

// arrivesBeside reports whether a datagram to an address is in the buffer of a
// socket when one that was sent after it, to another socket, has arrived there.
func arrivesBeside(t *testing.T, conn syscall.Conn, to *net.UDPAddr) (arrived bool) {
	t.Helper()
	witness, err := net.ListenUDP("udp4", &net.UDPAddr{IP: to.IP})
	if err != nil {
		t.Fatal(err)
	}
	defer witness.Close()
	for _, to := range []*net.UDPAddr{to, witness.LocalAddr().(*net.UDPAddr)} {
		if _, err := witness.WriteToUDP([]byte("anybody there?"), to); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := witness.Read(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) {
		_, _, err := unix.Recvfrom(int(fd), make([]byte, 100), unix.MSG_DONTWAIT)
		arrived = err == nil
	}); err != nil {
		t.Fatal(err)
	}
	return arrived
}
