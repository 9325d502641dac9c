// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/mcast"
	"iotupd/internal/memlimit"
)

// asCommand is the environment variable that turns the test binary into the
// command.
const asCommand = "IOTUPD_TEST_AS_COMMAND"

// Its values: a test of how a command ends gives it time for that, whatever else the
// machine does; one of what does not end by itself does not.
const (
	unhurried = "1"
	hurried   = "2"
	orphan    = "3" // as unhurried, and it goes on when its parent ends
)

// runTests runs the tests and exits.
var runTests = func(m *testing.M) { os.Exit(m.Run()) }

func TestMain(m *testing.M) {
	if memlimit.IsMemory(os.TempDir()) { // where no state of a receiver may be
		os.Setenv("TMPDIR", "/var/tmp")
	}
	if value := os.Getenv(asCommand); value != "" {
		if value != hurried {
			cli.EndWithin = waitLimit
		}
		if value != orphan {
			dieWithParent()
		}
		main()
	}
	runTests(m)
}

// waitLimit bounds the waits for events that have to happen, so that a failing
// test does not hang.
const waitLimit = 5 * time.Minute

// reservePort returns a port for multicast that no other program has or gets until
// it is released: somebody listens there, to a group that nobody sends to.
func reservePort() (port uint16, release func(), err error) {
	for range 100 {
		port = uint16(20000 + rand.IntN(10000)) // below those that the kernel draws
		c, e := net.ListenUDP("udp4", &net.UDPAddr{Port: int(port)})
		if e != nil { // somebody has it, who may share it with listeners
			err = e
			continue
		}
		c.Close()
		l, e := mcast.Listen(mcast.ListenConfig{
			Groups: []netip.Addr{netip.MustParseAddr("239.255.77.99")}, Port: port, Interfaces: []string{loopback()},
		})
		if e == nil {
			return port, func() { l.Close() }, nil
		}
		err = e
	}
	return 0, nil, err
}

// freePort is reservePort until the test ends.
func freePort(t *testing.T) uint16 {
	t.Helper()
	port, release, err := reservePort()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return port
}

// loopback is the name of the interface that packets may go over.
func loopback() string {
	all, _ := net.Interfaces()
	for _, ifi := range all {
		if ifi.Flags&net.FlagLoopback != 0 {
			return ifi.Name
		}
	}
	return "no loopback interface"
}

func randomBytes(n int) []byte {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
