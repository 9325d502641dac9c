// SPDX-License-Identifier: GPL-2.0-or-later

package mcast

import (
	"encoding/binary"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// bufferSize holds the longest run that the kernel hands out in one piece.
	bufferSize = 1 << 16
	// controlSize is enough for the destination, the drop counter and the size of
	// the segments, each with its header.
	controlSize = 128

	// Datagrams that come alone take a page each, so that a batch has room for more
	// of them than of runs, in no more memory; after so many without a run.
	perRun     = 4
	aloneAfter = 256
)

// An mmsghdr is struct mmsghdr of recvmmsg(2), which package unix lacks. Go pads
// it as C does.
type mmsghdr struct {
	unix.Msghdr
	n uint32 // bytes received or sent
}

// messages are what recvmmsg fills, set up once. Headers point to the other
// fields, which live as long as they do and never move.
type messages struct {
	headers  []mmsghdr
	iovecs   []unix.Iovec
	names    []sockaddr
	controls []byte
	buffers  []byte // outside of the heap: a page that is not written takes no memory

	runs   int  // so many headers are for runs, all of them for datagrams that come alone
	beyond bool // there may be a run behind these
}

func newMessages(runs int) messages {
	n := runs * max(1, min(perRun, bufferSize/os.Getpagesize()))
	m := messages{
		headers:  make([]mmsghdr, n),
		iovecs:   make([]unix.Iovec, n),
		names:    make([]sockaddr, n),
		controls: make([]byte, n*controlSize),
		buffers:  newBuffers(n * bufferSize),
		runs:     runs,
	}
	for i := range m.headers {
		m.iovecs[i].Base = &m.buffers[i*bufferSize]
		m.iovecs[i].SetLen(bufferSize)
		h := &m.headers[i]
		h.Iov = &m.iovecs[i]
		h.SetIovlen(1)
		h.Name = &m.names[i][0]
		h.Control = &m.controls[i*controlSize]
	}
	m.rearm(n)
	return m
}

func newBuffers(bytes int) []byte {
	b, err := unix.Mmap(-1, 0, bytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return make([]byte, bytes)
	}
	return b
}

// release gives the buffers back when b, which has them, is no longer used.
func (m *messages) release(b *Batch) {
	runtime.AddCleanup(b, func(buffers []byte) { unix.Munmap(buffers) }, m.buffers) // EINVAL: on the heap
}

// room returns the headers to read into.
func (m *messages) room(alone bool) []mmsghdr {
	if alone {
		return m.headers
	}
	if m.beyond {
		m.beyond = false
		unix.Madvise(m.buffers[m.runs*bufferSize:], unix.MADV_DONTNEED)
	}
	return m.headers[:m.runs]
}

// rearm restores what the kernel overwrote in the first n headers.
func (m *messages) rearm(n int) {
	for i := range n {
		h := &m.headers[i]
		h.Namelen = uint32(len(m.names[i]))
		h.SetControllen(controlSize)
	}
}

// makeQuiet is a variable for tests.
var makeQuiet = newQuietSocket

// socketState is what a Socket has on Linux.
type socketState struct {
	raw   syscall.RawConn
	quiet *quietSocket               // the same; nil where the system cannot
	read  func(fd uintptr) (ok bool) // Socket.recvmmsg, bound once: a closure a read is an allocation a read

	reading []mmsghdr // argument of read
	n       int       // its result: so many messages
	errno   syscall.Errno
	alone   int // datagrams since the last run

	dropCounter uint32 // of the kernel, as last seen

	joinedBy map[arrival]netip.Addr // of the interface, where that names it; see older_linux.go

	// The source of the last datagram, since most come from the same.
	lastName   sockaddr
	lastFilter *filter
	lastFrom   netip.AddrPort
}

// prepare sets the options of a socket that has been bound.
func (s *Socket) prepare(cfg ListenConfig) error {
	s.sys.read = s.recvmmsg
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return err
	}
	if quiet, err := makeQuiet(s.conn, unix.EPOLLIN, s.sys.read); err == nil { // without, there are no pauses
		s.sys.quiet, raw = quiet, quiet
		s.groups = newPacketConn(s.family, optionConn{s.conn, raw})
	}
	s.sys.raw = raw
	if err := s.groups.wantDestination(); err != nil {
		return err
	}
	return raw.Control(func(fd uintptr) {
		s.buffer = setReceiveBuffer(int(fd), cfg.ReceiveBuffer)
		unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1)
		if cfg.Offload == OffloadAuto {
			unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_GRO, 1) // since Linux 5.0
		}
	})
}

// canLook reports whether look works.
func (s *Socket) canLook() bool { return s.sys.quiet != nil }

func (s *Socket) close() error {
	if s.sys.quiet != nil {
		return s.sys.quiet.close()
	}
	return s.conn.Close()
}

// receive waits for datagrams and adds those that are ours to b.
func (s *Socket) receive(b *Batch) error {
	s.sys.reading = b.messages.room(s.sys.alone >= aloneAfter)
	var err error
	if s.sys.quiet != nil {
		err = s.sys.quiet.wait()
	} else {
		err = s.sys.raw.Read(s.sys.read)
	}
	if err != nil {
		return err
	}
	if err := s.take(b); err != nil || s.pace.rest == 0 {
		return err
	}
	return s.sys.quiet.hush()
}

// look adds the datagrams that are there and ours to b.
func (s *Socket) look(b *Batch) error {
	if s.sys.quiet == nil {
		return nil
	}
	s.sys.reading = b.messages.room(s.sys.alone >= aloneAfter)
	found, err := s.sys.quiet.look()
	if err != nil {
		return err
	}
	if !found {
		s.pace.nothing(time.Now())
		return nil
	}
	return s.take(b)
}

// take adds the datagrams that recvmmsg has read to b if they are ours.
func (s *Socket) take(b *Batch) error {
	if s.sys.errno != 0 {
		return os.NewSyscallError("recvmmsg", s.sys.errno)
	}
	filter, bytes := s.filter.Load(), 0
	for i := range s.sys.n {
		bytes += int(b.messages.headers[i].n)
		s.accept(b, i, filter)
	}
	b.messages.rearm(s.sys.n)
	s.pace.read(time.Now(), bytes, s.sys.n < len(s.sys.reading))
	return nil
}

// recvmmsg reads the messages that have arrived, and reports false if there is
// none.
func (s *Socket) recvmmsg(fd uintptr) bool {
	h := s.sys.reading
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&h[0])), uintptr(len(h)), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case unix.EAGAIN:
			return false
		case unix.EINTR:
			continue
		case 0:
			s.sys.n = int(n)
		}
		s.sys.errno = errno
		return true
	}
}

// accept adds the datagrams of message i to b if they are ours.
func (s *Socket) accept(b *Batch, i int, f *filter) {
	m := &b.messages
	h := &m.headers[i]
	run := m.buffers[i*bufferSize:][:h.n]
	c := parseControl(m.controls[i*controlSize:][:h.Controllen])
	if c.hasDrops {
		s.kernelDrops.Add(uint64(c.drops - s.sys.dropCounter))
		s.sys.dropCounter = c.drops
	}
	segment := len(run)
	s.sys.alone = min(s.sys.alone+1, aloneAfter)
	if c.segment > 0 && c.segment < len(run) {
		segment = c.segment
		s.sys.alone = 0
		m.beyond = m.beyond || i >= m.runs
	}
	if segment > MaxDatagram || h.Flags&unix.MSG_TRUNC != 0 {
		s.truncated.Add(segments(len(run), segment))
		return
	}
	if !f.joined[c.arrival] {
		s.foreign.Add(segments(len(run), segment))
		return
	}
	b.addRun(run, segment, datagram{from: s.source(&m.names[i], f), index: c.index})
}

// segments returns how many datagrams of segment bytes a run of n bytes is.
func segments(n, segment int) uint64 {
	if n == 0 {
		return 1 // empty
	}
	return uint64((n + segment - 1) / segment)
}

// source returns the sender's address.
func (s *Socket) source(name *sockaddr, f *filter) netip.AddrPort {
	if *name != s.sys.lastName || f != s.sys.lastFilter {
		addr, scope := name.addrPort()
		s.sys.lastName, s.sys.lastFilter = *name, f
		s.sys.lastFrom = netip.AddrPortFrom(f.zoned(addr.Addr(), scope), addr.Port())
	}
	return s.sys.lastFrom
}

// control is what the kernel reports about a message.
type control struct {
	arrival
	segment  int // size of the datagrams of a run; zero: it is one datagram
	drops    uint32
	hasDrops bool
}

// parseControl parses control messages. What is missing or cut off stays zero,
// and a zero arrival is nobody's.
func parseControl(b []byte) (c control) {
	native := binary.NativeEndian
	for len(b) >= unix.SizeofCmsghdr {
		h, data, rest, err := unix.ParseOneSocketControlMessage(b)
		if err != nil {
			return c
		}
		b = rest
		switch {
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= 20:
			c.group = netip.AddrFrom16([16]byte(data))
			c.index = int(native.Uint32(data[16:]))
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= 12:
			c.index = int(native.Uint32(data))
			c.group = netip.AddrFrom4([4]byte(data[8:]))
		case h.Level == unix.SOL_UDP && h.Type == unix.UDP_GRO && len(data) >= 4:
			c.segment = int(native.Uint32(data))
		case h.Level == unix.SOL_SOCKET && h.Type == unix.SO_RXQ_OVFL && len(data) >= 4:
			c.drops, c.hasDrops = native.Uint32(data), true
		}
	}
	return c
}
