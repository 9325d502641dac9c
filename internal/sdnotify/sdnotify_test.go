// SPDX-License-Identifier: GPL-2.0-or-later

package sdnotify

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"iotupd/internal/leak"
)

func TestMain(m *testing.M) { os.Exit(leak.Main(m)) }

// hang ends a test that waits for what does not come.
const hang = time.Minute

// A manager is a socket as systemd has one.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

// manage makes a socket of that name, and the environment of a service.
func manage(t *testing.T, name string, variables ...string) *manager {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Skip("no Unix datagram sockets here: ", err)
	}
	t.Cleanup(func() { conn.Close() })
	for _, v := range append([]string{"NOTIFY_SOCKET=" + name, "WATCHDOG_USEC=", "WATCHDOG_PID="}, variables...) {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	return &manager{t, conn}
}

func socketPath(t *testing.T) string { return filepath.Join(t.TempDir(), "notify") }

// read returns the lines of the next datagram.
func (m *manager) read() []string {
	m.t.Helper()
	m.conn.SetReadDeadline(time.Now().Add(hang))
	b := make([]byte, 4096)
	n, err := m.conn.Read(b)
	if err != nil {
		m.t.Fatal(err)
	}
	return strings.Split(string(b[:n]), "\n")
}

// want reads until a line has come.
func (m *manager) want(line string) {
	m.t.Helper()
	for {
		for _, got := range m.read() {
			if got == line {
				return
			}
		}
	}
}

func TestTheManagerHearsOfStartStatusAndEnd(t *testing.T) {
	m := manage(t, socketPath(t))
	n := Open()
	defer n.Close()
	n.Starting(time.Minute)
	m.want("EXTEND_TIMEOUT_USEC=60000000")
	n.Ready()
	m.want("READY=1")
	n.Status("receives a.img  40%")
	m.want("STATUS=receives a.img  40%")
	n.Stopping()
	m.want("STOPPING=1")
}

func TestAbstractNamesAreNames(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("abstract names are for Linux")
	}
	m := manage(t, fmt.Sprintf("@iotupd-test-%d", os.Getpid()))
	n := Open()
	n.Ready()
	n.Close()
	m.want("READY=1")
}

// A name from the network cannot say anything but a status.
func TestAStatusIsOneLine(t *testing.T) {
	m := manage(t, socketPath(t))
	n := Open()
	n.Status("a.img\nMAINPID=1\nREADY=1\x00\x1b[2J")
	n.Close()
	if got := m.read(); len(got) != 1 || !strings.HasPrefix(got[0], "STATUS=a.img") {
		t.Errorf("got the lines %q", got)
	}
}

func TestTheLatestStatusCounts(t *testing.T) {
	m := manage(t, socketPath(t))
	n := Open()
	defer n.Close()
	for i := range 1000 {
		n.Status(fmt.Sprint(i))
	}
	m.want("STATUS=999")
	n.Status("999") // which the manager knows
	n.Ready()
	if got := m.read(); len(got) != 1 || got[0] != "READY=1" {
		t.Errorf("got the lines %q", got)
	}
}

func TestTheWatchdogHearsNothingOfWhatIsNotAlive(t *testing.T) {
	m := manage(t, socketPath(t), "WATCHDOG_USEC=30000", fmt.Sprintf("WATCHDOG_PID=%d", os.Getpid()))
	n := Open()
	defer n.Close()
	beats := make(chan struct{})
	stop := n.Watch(t.Context(), func(ctx context.Context) bool {
		select {
		case beats <- struct{}{}:
			return true
		case <-ctx.Done():
			return false
		}
	})
	for range 3 {
		<-beats
		m.want("WATCHDOG=1")
	}
	stop() // although nobody takes beats
	n.Ready()
	if got := m.read(); len(got) != 1 || got[0] != "READY=1" {
		t.Errorf("nothing was alive, and the manager got %q", got)
	}
}

func TestAWatchdogThatWaitsForAnotherProcessGetsNothing(t *testing.T) {
	for _, variables := range [][]string{
		{"WATCHDOG_USEC=30000", fmt.Sprintf("WATCHDOG_PID=%d", os.Getpid()+1)},
		{"WATCHDOG_USEC=0"}, {"WATCHDOG_USEC=-1"}, {"WATCHDOG_USEC=soon"}, {"WATCHDOG_USEC=99999999999999999999"}, {},
	} {
		m := manage(t, socketPath(t), variables...)
		n := Open()
		n.Watch(t.Context(), func(context.Context) bool { t.Errorf("%q: asked", variables); return true })()
		n.Ready()
		n.Close()
		m.want("READY=1")
	}
}

// A command that a service runs does not speak for it.
func TestCommandsDoNotInheritTheSocket(t *testing.T) {
	manage(t, socketPath(t), "WATCHDOG_USEC=30000")
	Open().Close()
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		if value, ok := os.LookupEnv(name); ok {
			t.Errorf("%s=%s is still there", name, value)
		}
	}
}

func TestWithoutAManagerNothingIsDone(t *testing.T) {
	for _, name := range []string{"", filepath.Join(t.TempDir(), "nobody"), "relative?", "vsock:1:2"} {
		t.Setenv("NOTIFY_SOCKET", name)
		n := Open()
		if n != nil {
			t.Errorf("NOTIFY_SOCKET=%q: there is a Notifier", name)
		}
		n.Ready()
		n.Status("nothing")
		n.Watch(t.Context(), func(context.Context) bool { return true })()
		n.Stopping()
		n.Close()
	}
}

// A manager that takes nothing is not waited for: not by those who report
// something, and by Close for a moment only.
func TestAManagerThatHangsIsNotWaitedFor(t *testing.T) {
	manage(t, socketPath(t))
	n := Open()
	for i := range 100_000 { // more than any socket holds
		n.Status(fmt.Sprint(i))
		runtime.Gosched()
	}
	n.Ready()
	n.Close()
}
