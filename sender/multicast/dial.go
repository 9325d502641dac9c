// SPDX-License-Identifier: GPL-2.0-or-later

package multicast

import (
	"errors"
	"net"
	"sync"
	"time"

	"iotupd/internal/mcast"
	"iotupd/proto"
	"iotupd/sender"
)

// A Conn is the socket of a layer on an interface. It opens a new socket when the
// interface has changed.
type Conn struct {
	outlet *Outlet
	layer  int
	at     *spot         // where the socket sends to
	waited time.Duration // by earlier sockets

	mu     sync.Mutex // for Close; conn changes while it is held
	conn   *mcast.Conn
	closed bool
}

// WriteSegments implements [sender.Conn]. Nothing is sent while the interface is not
// ready. Errors are of type [*Error]; they wrap [net.ErrClosed] after Close.
func (c *Conn) WriteSegments(b []byte, segment int) error {
	s := c.outlet.now.Load()
	if s.err != nil {
		return networkError(s.err)
	}
	if s != c.at {
		if err := c.follow(s); err != nil {
			return err
		}
	}
	return explain(c.outlet.failed(c.conn.WriteSegments(b, segment)))
}

// follow sends to s from now on.
func (c *Conn) follow(s *spot) error {
	if c.conn != nil && c.at.send.Interface.Index == s.send.Interface.Index && c.at.Group == s.Group && c.at.Source == s.Source {
		c.at = s
		return nil
	}
	cfg := s.send
	cfg.Group = proto.LayerAddress(s.Group, c.layer)
	conn, err := mcast.Dial(cfg)
	if err != nil {
		return networkError(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		conn.Close()
		return networkError(net.ErrClosed)
	}
	if c.conn != nil {
		c.waited += c.conn.Waited()
		c.conn.Close()
	}
	c.conn, c.at = conn, s
	return nil
}

// Waiting implements [sender.Queue].
func (c *Conn) Waiting() int { return c.conn.Waiting() }

// Dropped implements [sender.Queue].
func (c *Conn) Dropped() uint64 { return c.conn.Dropped() }

// Waited implements [sender.Queue].
func (c *Conn) Waited() time.Duration { return c.waited + c.conn.Waited() }

// Close ends pending writes and frees the socket. It may be called by any
// goroutine.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.conn == nil {
		return nil
	}
	return c.conn.Close()
}

// Dial opens a socket for each of so many layers, for datagrams of so many bytes. The
// caller closes them, by [Close]. It sends nothing. Errors are of type [*Error].
func (o *Outlet) Dial(layers, datagram int) (conns []sender.Conn, err error) {
	s := o.now.Load()
	if s.err != nil {
		return nil, networkError(s.err)
	}
	if err := s.Fits(datagram); err != nil {
		return nil, err
	}
	for l := range layers {
		c := &Conn{outlet: o, layer: l}
		if err := c.follow(s); err != nil {
			Close(conns)
			return nil, err
		}
		conns = append(conns, c)
	}
	return conns, nil
}

// Close closes the sockets that [Outlet.Dial] opened.
func Close(conns []sender.Conn) (err error) {
	for _, c := range conns {
		err = errors.Join(err, c.(*Conn).Close())
	}
	return err
}
