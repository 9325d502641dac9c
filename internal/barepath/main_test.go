// SPDX-License-Identifier: GPL-2.0-or-later

//go:build linux

package main

import (
	"encoding/binary"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// Over the loopback interface, which carries multicast of IPv4 alone. The
// receive buffer holds all that is sent before anybody reads.
func TestEveryDatagramIsCountedAndHasItsPlaceInTheFile(t *testing.T) {
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		t.Skip("this host has no loopback interface: ", err)
	}
	const count, size = 65, 16 // more than one batch
	group := &net.UDPAddr{IP: net.IPv4(239, 255, 77, 1)}
	c := listen(lo, group)
	defer c.Close()
	group.Port = c.LocalAddr().(*net.UDPAddr).Port
	send(lo, group, count, size)

	name := filepath.Join(t.TempDir(), "out")
	if n, _ := receive(c, count, size, name); n != count {
		t.Errorf("counted %d datagrams of %d", n, count)
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := range count {
		if at := i * size; len(got) != count*size || binary.BigEndian.Uint64(got[at:]) != uint64(i) {
			t.Fatalf("datagram %d is not in its place of %d bytes", i, len(got))
		}
	}
}
