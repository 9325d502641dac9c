// SPDX-License-Identifier: GPL-2.0-or-later

package mcast_test

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"iotupd/internal/mcast"
	"iotupd/internal/mcast/mcasttest"
)

func TestMain(m *testing.M) { mcasttest.Main(m) }

var offloads = map[string]mcast.Offload{"offload": mcast.OffloadAuto, "plain": mcast.OffloadNever}

// A receiver is a listener and its only socket.
type receiver struct {
	*mcast.Listener
	*mcast.Socket
}

func listen(cfg mcast.ListenConfig) (mcasttest.Receiver, error) {
	l, err := mcast.Listen(cfg)
	if err != nil {
		return nil, err
	}
	return receiver{l, l.Sockets()[0]}, nil
}

func dial(cfg mcast.SendConfig) (mcasttest.Sender, error) {
	c, err := mcast.Dial(cfg)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// loopback returns the loopback interface.
func loopback(t testing.TB) mcast.Interface {
	t.Helper()
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		if i.Flags&net.FlagLoopback != 0 {
			lo, err := mcast.InterfaceByName(i.Name)
			if err != nil {
				t.Skip(err)
			}
			return lo
		}
	}
	t.Skip("no loopback interface")
	panic("unreachable")
}

// freePort returns a UDP port that nobody uses, below those that the kernel draws
// for other programs.
func freePort(t testing.TB) uint16 {
	t.Helper()
	for {
		port := 20000 + rand.IntN(10000)
		if c, err := net.ListenUDP("udp4", &net.UDPAddr{Port: port}); err == nil {
			c.Close()
			return uint16(port)
		} else if !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatal(err)
		}
	}
}

func TestTheLoopbackInterfaceIsAPlaceForIPv4(t *testing.T) {
	lo := loopback(t)
	for name, offload := range offloads {
		t.Run(name, func(t *testing.T) {
			mcasttest.TestPlace(t, mcasttest.Place{
				Listen:   listen,
				Dial:     dial,
				SendOn:   lo,
				ListenOn: lo.Name,
				Group:    netip.MustParseAddr("239.255.8.16"),
				Source:   netip.MustParseAddr("127.0.0.1"),
				Port:     freePort(t),
				Offload:  offload,
			})
		})
	}
}
