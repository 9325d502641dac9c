// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !linux

package mcast

import "net/netip"

// canChooseSource says that each datagram can state its source, whatever its
// socket is bound to.
const canChooseSource = false

// connState is what a Conn has elsewhere: nothing.
type connState struct{}

// prepare makes c ready to send, before its socket is configured.
func (c *Conn) prepare() error { return nil }

func (c *Conn) close() error { return c.conn.Close() }

// send sends the first datagram of b and returns how many bytes it was.
func (c *Conn) send(b []byte, segment int) (n int, err error) {
	b = b[:min(segment, len(b))]
	return c.conn.WriteToUDPAddrPort(b, netip.AddrPortFrom(c.cfg.Group, c.cfg.Port))
}

// bindToInterface does nothing: these systems know the option that failed.
func (c *Conn) bindToInterface(unknown error) error { return unknown }

// Waiting returns -1: these systems do not say how much waits to leave.
func (c *Conn) Waiting() int { return -1 }

// Dropped returns 0: not known.
func (c *Conn) Dropped() uint64 { return 0 }

// stateSource does nothing: the socket is bound to the source.
func (c *Conn) stateSource() {}
