// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !linux

package mcast

import (
	"net"
	"net/netip"
	"runtime"
)

// socketState is what a Socket has elsewhere: nothing.
type socketState struct{}

// messages are one buffer, which can hold a byte more than allowed so that the
// excess shows.
type messages struct{ buffer [MaxDatagram + 1]byte }

func newMessages(int) messages { return messages{} }

func (m *messages) release(*Batch) {}

func (s *Socket) close() error { return s.conn.Close() }

// canLook reports whether look works.
func (s *Socket) canLook() bool { return false }

func (s *Socket) look(*Batch) error { return nil }

// prepare sets the options of a socket that has been bound.
func (s *Socket) prepare(cfg ListenConfig) error {
	if err := s.groups.wantDestination(); err != nil && runtime.GOOS != "windows" {
		return err
	}
	// Too large a buffer is refused rather than cut.
	for n := cfg.ReceiveBuffer; n > 1<<16 && s.conn.SetReadBuffer(n) != nil; n /= 2 {
	}
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(func(fd uintptr) { s.buffer = readBufferSize(fd) })
}

// receive waits for one datagram and adds it to b if it is ours.
func (s *Socket) receive(b *Batch) error {
	buffer := b.messages.buffer[:]
	n, to, from, err := s.readFrom(buffer)
	f := s.filter.Load()
	switch {
	case err != nil && n == 0:
		return err
	case n > MaxDatagram:
		s.truncated.Add(1)
	case to.group.IsValid() && !f.joined[to]: // Windows does not say
		s.foreign.Add(1)
	default:
		source := from.AddrPort()
		source = netip.AddrPortFrom(source.Addr().Unmap(), source.Port())
		b.addRun(buffer[:n], MaxDatagram, datagram{from: source, index: to.index})
	}
	return nil
}

// changeByOldOption does nothing: these systems know the options that failed.
func (s *Socket) changeByOldOption(_ member, _ change, unknown error) error { return unknown }

func (s *Socket) readFrom(b []byte) (n int, to arrival, from *net.UDPAddr, err error) {
	var destination net.IP
	var source net.Addr
	switch c := s.groups.(type) {
	case packetConn6:
		m, cm, src, e := c.ReadFrom(b)
		n, source, err = m, src, e
		if cm != nil {
			destination, to.index = cm.Dst, cm.IfIndex
		}
	case packetConn4:
		m, cm, src, e := c.ReadFrom(b)
		n, source, err = m, src, e
		if cm != nil {
			destination, to.index = cm.Dst, cm.IfIndex
		}
	}
	if group, ok := netip.AddrFromSlice(destination); ok {
		to.group = group.Unmap()
	}
	from, _ = source.(*net.UDPAddr)
	return n, to, from, err
}
