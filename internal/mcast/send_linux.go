// SPDX-License-Identifier: GPL-2.0-or-later

package mcast

import (
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// sendBatch is the number of messages of a system call. More gain nothing.
	sendBatch = 64
	// maxRun is the number of datagrams that the kernel takes in one piece: 64
	// before Linux 6.9, 128 since.
	maxRun = 64
	// maxRunBytes keeps such a piece, with its headers, within an IP packet.
	maxRunBytes = 1<<16 - 1 - 48
)

// connState is what a Conn has on Linux. Its arrays are arguments of sendmmsg,
// and live in the heap with it.
type connState struct {
	raw     syscall.RawConn
	quiet   *quietSocket          // the same; nil where the system cannot
	write   func(fd uintptr) bool // Conn.sendmmsg, bound once
	offload bool                  // runs cross in one piece

	queued int // arguments and results of write
	sent   int
	errno  syscall.Errno
	full   bool // there was no room at first

	look    func(fd uintptr) // Conn.outq, bound once
	waiting int32            // result of look

	headers [sendBatch]mmsghdr
	iovecs  [sendBatch]unix.Iovec
	name    sockaddr
	control sendControl
}

// prepare makes c ready to send, before its socket is configured: from then on,
// the options are set by way of c.group and c.sys.raw.
func (c *Conn) prepare() error {
	raw, err := c.conn.SyscallConn()
	if err != nil {
		return err
	}
	c.sys.write, c.sys.look = c.sendmmsg, c.outq
	if quiet, err := makeQuiet(c.conn, unix.EPOLLOUT, c.sys.write); err == nil {
		c.sys.quiet, raw = quiet, quiet
		c.group = newPacketConn(familyOf(c.cfg.Group), optionConn{c.conn, raw})
	}
	c.sys.raw = raw
	if c.cfg.Offload == OffloadNever {
		return nil
	}
	return raw.Control(func(fd uintptr) {
		// A kernel that does not know the option (before 4.18) would ignore the control
		// message, and send a run as one huge datagram.
		_, err := unix.GetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT)
		c.sys.offload = err == nil
	})
}

// send hands the first datagrams of b to the kernel, as many as it takes at a
// time, and returns how many bytes they were.
func (c *Conn) send(b []byte, segment int) (n int, err error) {
	piece := segment
	if c.sys.offload {
		piece *= max(1, min(maxRun, maxRunBytes/segment))
	}
	c.queue(b, segment, piece)
	if err := c.write(); err != nil {
		return 0, err
	}
	if c.sys.errno == 0 {
		return min(c.sys.sent*piece, len(b)), nil
	}
	switch {
	case c.sys.errno == unix.EINVAL && c.lacksSource(): // and nothing is sent from another one
	case min(piece, len(b)) > segment && refusesRuns(c.sys.errno):
		c.sys.offload = false // for good: this is not going to change
		return c.send(b, segment)
	case c.sys.errno == unix.EINVAL && c.sys.control.source > 0: // emulators do not know it
		c.sys.control.setSource(netip.Addr{}, 0)
		return c.send(b, segment)
	}
	return 0, os.NewSyscallError("sendmmsg", c.sys.errno)
}

// write calls sendmmsg until the socket has room for a message.
func (c *Conn) write() (err error) {
	begun := time.Now()
	if c.sys.quiet != nil {
		err = c.sys.quiet.wait()
	} else {
		err = c.sys.raw.Write(c.sys.write)
	}
	if err != nil || !c.sys.full {
		return err
	}
	c.sys.full = false
	c.waited += time.Since(begun)
	if c.sys.quiet != nil {
		return c.sys.quiet.hush()
	}
	return nil
}

func (c *Conn) close() error {
	if c.sys.quiet != nil {
		return c.sys.quiet.close()
	}
	return c.conn.Close()
}

// refusesRuns recognises errors that a run may cause and its single datagrams may
// not: a device without checksum offload, an old kernel with lower limits.
func refusesRuns(errno syscall.Errno) bool {
	return errno == unix.EIO || errno == unix.EINVAL || errno == unix.EMSGSIZE || errno == unix.EOPNOTSUPP
}

// queue sets up messages for b, each of piece bytes but perhaps the last.
func (c *Conn) queue(b []byte, segment, piece int) {
	s := &c.sys
	name, size := newSockaddr(netip.AddrPortFrom(c.cfg.Group, c.cfg.Port), c.index)
	s.name = name
	s.control.setSegment(segment) // matters only if less than piece
	for s.queued = 0; len(b) > 0 && s.queued < sendBatch; s.queued++ {
		run := b[:min(piece, len(b))]
		b = b[len(run):]
		s.iovecs[s.queued].Base = &run[0]
		s.iovecs[s.queued].SetLen(len(run))
		h := &s.headers[s.queued]
		h.Name, h.Namelen = &s.name[0], size
		h.Iov = &s.iovecs[s.queued]
		h.SetIovlen(1)
		h.Control = nil
		n := s.control.bytes(len(run) > segment)
		if n > 0 {
			h.Control = (*byte)(unsafe.Pointer(&s.control.messages))
		}
		h.SetControllen(n)
	}
}

// sendmmsg sends what is queued, and reports false if the socket is full.
func (c *Conn) sendmmsg(fd uintptr) bool {
	s := &c.sys
	for {
		// It never waits, so that the runtime need not know of it.
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&s.headers[0])), uintptr(s.queued), unix.MSG_DONTWAIT, 0, 0)
		switch {
		case errno == unix.EAGAIN:
			s.full = true
			return false
		case errno == unix.EINTR:
			continue
		}
		s.sent, s.errno = int(n), errno
		return true
	}
}

// Waiting returns how many bytes of the kernel's memory the datagrams take that
// were written and did not leave the queue of the interface yet; negative if that
// is not known.
func (c *Conn) Waiting() int {
	c.sys.waiting = -1
	c.sys.raw.Control(c.sys.look)
	return int(c.sys.waiting)
}

func (c *Conn) outq(fd uintptr) {
	_, _, errno := unix.RawSyscall(unix.SYS_IOCTL, fd, unix.SIOCOUTQ, uintptr(unsafe.Pointer(&c.sys.waiting)))
	if errno != 0 {
		c.sys.waiting = -1
	}
}

// Dropped returns how many datagrams of all programs of this host the queues of
// interfaces had no room for, as far as the kernel says.
func (c *Conn) Dropped() uint64 {
	if familyOf(c.cfg.Group) == ipv4Family {
		b, _ := os.ReadFile("/proc/thread-self/net/snmp")
		return droppedOfIPv4(string(b))
	}
	b, _ := os.ReadFile("/proc/thread-self/net/snmp6")
	return droppedOfIPv6(string(b))
}

// droppedOfIPv4 reads lines in pairs: the names of counters, and their values.
func droppedOfIPv4(snmp string) (n uint64) {
	var names []string
	for line := range strings.Lines(snmp) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "Udp:" {
			continue
		}
		if i := slices.Index(names, "SndbufErrors"); i > 0 && i < len(fields) {
			n, _ = strconv.ParseUint(fields[i], 10, 64)
		}
		names = fields
	}
	return n
}

// droppedOfIPv6 reads lines of a name and a value.
func droppedOfIPv6(snmp string) (n uint64) {
	for line := range strings.Lines(snmp) {
		if fields := strings.Fields(line); len(fields) == 2 && fields[0] == "Udp6SndbufErrors" {
			n, _ = strconv.ParseUint(fields[1], 10, 64)
		}
	}
	return n
}
