// SPDX-License-Identifier: GPL-2.0-or-later

//go:build unix

package main

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A serviceManager is a socket that services report to.
type serviceManager struct {
	*testing.T
	conn *net.UnixConn
}

// manage has the next process report to the manager, and to its watchdog.
func manage(t *testing.T) *serviceManager {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	check(t, err)
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "100000")
	return &serviceManager{t, conn}
}

// want reads until each of the patterns has matched a line, in this order.
func (m *serviceManager) want(patterns ...string) {
	m.Helper()
	m.conn.SetReadDeadline(time.Now().Add(waitLimit))
	var seen []string
	b := make([]byte, 4096)
	for len(patterns) > 0 {
		n, err := m.conn.Read(b)
		if err != nil {
			m.Fatalf("got %q and %v, want %q", seen, err, patterns)
		}
		for line := range strings.SplitSeq(string(b[:n]), "\n") {
			seen = append(seen, line)
			if len(patterns) > 0 && regexp.MustCompile("^"+patterns[0]+"$").MatchString(line) {
				patterns = patterns[1:]
			}
		}
	}
}

func TestSendReportsToTheServiceManager(t *testing.T) {
	m := manage(t)
	p := sendSlowly(t, freePort(t))
	m.want("READY=1", `STATUS=sends fw\.bin: loop 1, [0-9]+%`, "WATCHDOG=1", "WATCHDOG=1")
	p.signal(syscall.SIGTERM)
	m.want("STOPPING=1")
	p.wantExit(143)
}

// A directory is read before a service counts as started, which may take long.
func TestSendHasTimeToReadALargeDirectory(t *testing.T) {
	m := manage(t)
	dir := filepath.Join(t.TempDir(), "data")
	check(t, os.Mkdir(dir, 0o755))
	for i := range 1100 {
		check(t, os.WriteFile(filepath.Join(dir, strconv.Itoa(i)), nil, 0o644))
	}
	p := start(t, freePort(t), "send", dir, "-r", "500k", "--progress", "none")
	m.want("EXTEND_TIMEOUT_USEC=60000000", "READY=1", "STATUS=sends data")
	p.signal(syscall.SIGTERM)
	m.want("STOPPING=1")
}

func TestRecvReportsToTheServiceManager(t *testing.T) {
	from := newReleaser(t)
	m := manage(t)
	r := from.recv("--follow")
	m.want("READY=1", "STATUS=waits for a file", "WATCHDOG=1", "WATCHDOG=1")
	r.wantLine("listening on")
	t.Setenv("NOTIFY_SOCKET", "")
	slow := from.send(string(randomBytes(600_000)), "1", "2M")
	m.want(`STATUS=receives fw\.bin: [0-9]+%`, "STATUS=has received fw.bin", "WATCHDOG=1", "WATCHDOG=1")
	slow.signal(syscall.SIGTERM)
	r.signal(syscall.SIGTERM)
	m.want("STOPPING=1")
	r.wantExit(143)
}

func TestInstallReportsToTheServiceManager(t *testing.T) {
	from := newReleaser(t)
	m := manage(t)
	p := startCommand(t, t.TempDir(), nil, unhurried, "install", ".", "--trust", from.path("pub"), "--state", from.path("state"), "--exec", "true")
	m.want("READY=1")
	check(t, p.cmd.Wait())
}
