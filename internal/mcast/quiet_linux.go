// SPDX-License-Identifier: GPL-2.0-or-later

package mcast

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A quietSocket is a UDP socket that wakes a thread of this process only while a
// goroutine waits for it. The runtime watches a socket of package net from the
// beginning, edge-triggered. So each datagram that arrives wakes a thread, even while
// the goroutine that reads sleeps for a moment to take several at once, and so does
// each datagram that has left, if any thread polls: for a timer, or another socket.
// Instead, this socket is watched by an epoll instance of its own, which the runtime
// watches in its place, and only while it is armed.
//
// It implements [syscall.RawConn]. One goroutine at a time may wait.
type quietSocket struct {
	fd     int             // of the socket
	event  uint32          // what is waited for: EPOLLIN or EPOLLOUT
	epoll  *os.File        // while a method of it runs, fd is open
	raw    syscall.RawConn // of epoll
	closed sync.Once

	// These belong to the goroutine that waits.
	armed  bool  // the event is announced
	failed error // of the last call of epoll_ctl

	// Attempt reads or writes, as wait and look ask for. All are bound once: a closure
	// a call is an allocation a call.
	attempt  func(fd uintptr) (done bool)
	tryOrArm func(uintptr) (done bool)
	tryOnce  func(uintptr)
	disarm   func(uintptr)
	found    bool // result of tryOnce
}

// newQuietSocket takes the socket out of conn, which is then closed, unless there
// is an error. It waits for the event until attempt reports that it is done.
func newQuietSocket(conn *net.UDPConn, event uint32, attempt func(fd uintptr) (done bool)) (*quietSocket, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	q := &quietSocket{event: event, attempt: attempt}
	q.tryOrArm, q.tryOnce = q.armAndTry, q.disarmAndTry
	q.disarm = func(epoll uintptr) { q.arm(epoll, false) }
	var failed error
	if err := raw.Control(func(fd uintptr) { q.fd, failed = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		return nil, err
	}
	if failed != nil {
		return nil, os.NewSyscallError("fcntl", failed)
	}
	if err := q.open(); err != nil {
		unix.Close(q.fd)
		return nil, err
	}
	conn.Close() // the runtime does not watch it any more
	return q, nil
}

// open makes the epoll instance.
func (q *quietSocket) open() error {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	unix.SetNonblock(fd, true) // or else os.NewFile does not have it watched
	q.epoll = os.NewFile(uintptr(fd), "epoll")
	q.raw, err = q.epoll.SyscallConn()
	if err == nil {
		err = os.NewSyscallError("epoll_ctl", unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, q.fd, &unix.EpollEvent{}))
	}
	if err == nil {
		err = q.epoll.SetReadDeadline(time.Time{}) // fails if it is not watched
	}
	if err != nil {
		q.epoll.Close()
	}
	return err
}

// Control implements [syscall.RawConn].
func (q *quietSocket) Control(f func(fd uintptr)) error {
	return closedError(q.raw.Control(func(uintptr) { f(uintptr(q.fd)) }))
}

// Read implements [syscall.RawConn]: see wait.
func (q *quietSocket) Read(func(fd uintptr) (done bool)) error { return errors.ErrUnsupported }

// Write implements [syscall.RawConn].
func (q *quietSocket) Write(func(fd uintptr) (done bool)) error { return errors.ErrUnsupported }

// wait calls attempt, again after each event, until it reports true.
func (q *quietSocket) wait() error {
	q.failed = nil
	if err := closedError(q.raw.Read(q.tryOrArm)); err != nil {
		return err
	}
	return q.failed
}

func (q *quietSocket) armAndTry(epoll uintptr) bool {
	if q.attempt(uintptr(q.fd)) {
		return true
	}
	if q.armed {
		return false
	}
	q.arm(epoll, true)
	// An event before that may not be announced.
	return q.failed != nil || q.attempt(uintptr(q.fd))
}

// look calls attempt once, and returns what it reports. From then on, no event
// wakes a thread until the next call of wait.
func (q *quietSocket) look() (bool, error) {
	if err := closedError(q.raw.Control(q.tryOnce)); err != nil {
		return false, err
	}
	return q.found, q.failed
}

func (q *quietSocket) disarmAndTry(epoll uintptr) {
	q.arm(epoll, false)
	q.found = q.attempt(uintptr(q.fd))
}

// hush is look without an attempt.
func (q *quietSocket) hush() error {
	if err := closedError(q.raw.Control(q.disarm)); err != nil {
		return err
	}
	return q.failed
}

// arm has events announced, or not.
func (q *quietSocket) arm(epoll uintptr, announce bool) {
	if q.failed = nil; q.armed == announce {
		return
	}
	var event unix.EpollEvent
	if announce {
		event.Events = q.event
	}
	q.failed = os.NewSyscallError("epoll_ctl", unix.EpollCtl(int(epoll), unix.EPOLL_CTL_MOD, q.fd, &event))
	q.armed = announce && q.failed == nil
}

// close ends pending waits with [net.ErrClosed]. It may be called again.
func (q *quietSocket) close() error {
	q.closed.Do(func() {
		q.epoll.Close() // waits for the methods that run
		unix.Close(q.fd)
	})
	return nil
}

// closedError returns net.ErrClosed for any error: a method of the epoll instance
// fails when it is closed, and never otherwise.
func closedError(err error) error {
	if err != nil {
		return net.ErrClosed
	}
	return nil
}

// An optionConn is a net.PacketConn by which packages ipv4 and ipv6 find a
// quietSocket to set options of.
type optionConn struct {
	*net.UDPConn // closed
	raw          syscall.RawConn
}

// SyscallConn is what those packages go by.
func (c optionConn) SyscallConn() (syscall.RawConn, error) { return c.raw, nil }
