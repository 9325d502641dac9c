// SPDX-License-Identifier: GPL-2.0-or-later

// Package sdnotify reports the state of a service to systemd, or to another service
// manager that has the protocol of sd_notify(3).
package sdnotify

import (
	"context"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"iotupd/internal/printable"
)

// Variables by which the manager says what it wants to know.
const (
	socketVariable = "NOTIFY_SOCKET" // path of a datagram socket, or @ and an abstract name
	usecVariable   = "WATCHDOG_USEC" // how long it waits for WATCHDOG=1
	pidVariable    = "WATCHDOG_PID"  // of the process that is meant; if not set, this one
)

// A Notifier has a goroutine that writes to the manager, so that nothing waits for
// it but Close, for a moment. Its methods may be called from any goroutine, and do
// nothing if the Notifier is nil.
type Notifier struct {
	conn     net.Conn
	watchdog time.Duration // zero: none is wanted
	wake     chan struct{} // holds one element if there is something to write
	done     chan struct{} // closed: all is written

	mu     sync.Mutex
	lines  []string // to write
	status string   // to write after them; empty: nothing new
	last   string   // status
	closed bool
}

// Open returns a Notifier, or nil if there is no manager that wants to know. The
// variables are removed from the environment: a command that this process runs does
// not speak for it.
func Open() *Notifier {
	name := os.Getenv(socketVariable)
	watchdog := interval(os.Getenv(usecVariable), os.Getenv(pidVariable))
	for _, v := range []string{socketVariable, usecVariable, pidVariable} {
		os.Unsetenv(v)
	}
	if name == "" {
		return nil
	}
	conn, err := net.Dial("unixgram", name)
	if err != nil {
		return nil // the manager sees that it hears nothing
	}
	n := &Notifier{conn: conn, watchdog: watchdog, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go n.write()
	return n
}

// interval returns how long the manager waits for a sign of life; zero if it does
// not want one of this process.
func interval(usec, pid string) time.Duration {
	us, err := strconv.ParseInt(usec, 10, 64)
	if err != nil || us <= 0 || us > int64(time.Hour*24*365/time.Microsecond) {
		return 0
	}
	if pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	return time.Duration(us) * time.Microsecond
}

// Ready says that the service has started.
func (n *Notifier) Ready() { n.say("READY=1") }

// Starting says that the service needs so much more time to start, from now on.
func (n *Notifier) Starting(more time.Duration) {
	n.say("EXTEND_TIMEOUT_USEC=" + strconv.FormatInt(more.Microseconds(), 10))
}

// Stopping says that the service ends.
func (n *Notifier) Stopping() { n.say("STOPPING=1") }

// Status says in a few words what the service does. They may come from the network.
// Of texts that the manager has not taken yet, the latest one counts.
func (n *Notifier) Status(text string) {
	if n == nil {
		return
	}
	text = printable.Text(text) // one line, which is one assignment
	n.mu.Lock()
	defer n.mu.Unlock()
	if text != n.last {
		n.last, n.status = text, text
		n.wakeUp()
	}
}

// Watch reports to the watchdog of the manager that the service is alive, for as long
// as alive says so: it is called about three times in the interval of the manager, may
// wait, and has to return false when ctx ends, which is when Watch is stopped. stop
// waits for alive to return.
func (n *Notifier) Watch(ctx context.Context, alive func(ctx context.Context) bool) (stop func()) {
	if n == nil || n.watchdog == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(max(n.watchdog/3, time.Millisecond))
		defer tick.Stop()
		for {
			if alive(ctx) {
				n.say("WATCHDOG=1")
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
	return func() { cancel(); running.Wait() }
}

// closeWithin is how long Close waits for a manager that takes nothing.
const closeWithin = 200 * time.Millisecond

// Close writes the rest, and ends the Notifier.
func (n *Notifier) Close() {
	if n == nil {
		return
	}
	n.mu.Lock()
	n.closed = true
	n.wakeUp()
	n.mu.Unlock()
	late := time.AfterFunc(closeWithin, func() { n.conn.Close() })
	<-n.done
	late.Stop()
	n.conn.Close()
}

// say has a line written, unless it waits to be written already.
func (n *Notifier) say(line string) {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, l := range n.lines {
		if l == line {
			return
		}
	}
	n.lines = append(n.lines, line)
	n.wakeUp()
}

// wakeUp has write look. The caller holds n.mu.
func (n *Notifier) wakeUp() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// write writes to the manager until the Notifier is closed.
func (n *Notifier) write() {
	defer close(n.done)
	for range n.wake {
		message, closed := n.take()
		if message != "" {
			n.conn.Write([]byte(message)) // a manager that is gone needs no word
		}
		if closed {
			return
		}
	}
}

// take returns what is to be written, and reports whether that is all.
func (n *Notifier) take() (message string, closed bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.status != "" {
		n.lines = append(n.lines, "STATUS="+n.status)
	}
	message = strings.Join(n.lines, "\n")
	n.lines, n.status = n.lines[:0], ""
	return message, n.closed
}
