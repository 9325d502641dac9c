// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"math/rand/v2"
	"net"
	"os"
	"testing"
)

// asCommand is the environment variable that turns the test binary into the
// command.
const asCommand = "IOTUPD_TEST_AS_COMMAND"

// runTests runs the tests and exits.
var runTests = func(m *testing.M) { os.Exit(m.Run()) }

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	runTests(m)
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
