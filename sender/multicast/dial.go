// SPDX-License-Identifier: GPL-2.0-or-later

package multicast

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"iotupd/internal/listeners"
	"iotupd/internal/mcast"
	"iotupd/proto"
	"iotupd/sender"
)

// A Conn is the socket of a layer.
type Conn struct{ conn *mcast.Conn }

// WriteSegments implements [sender.Conn]. Errors are of type [*Error]; they wrap
// [net.ErrClosed] after Close.
func (c Conn) WriteSegments(b []byte, segment int) error {
	return explain(c.conn.WriteSegments(b, segment))
}

// Waiting implements [sender.Queue].
func (c Conn) Waiting() int { return c.conn.Waiting() }

// Dropped implements [sender.Queue].
func (c Conn) Dropped() uint64 { return c.conn.Dropped() }

// Waited implements [sender.Queue].
func (c Conn) Waited() time.Duration { return c.conn.Waited() }

// Close ends pending writes and frees the socket. It may be called by any
// goroutine.
func (c Conn) Close() error { return c.conn.Close() }

// Dial opens a socket for each of so many layers. The caller closes them, by
// [Close]. It sends nothing. Errors are of type [*Error].
func (r Route) Dial(layers int) (conns []sender.Conn, err error) {
	for l := range layers {
		cfg := r.send
		cfg.Group = proto.LayerGroup(r.Group, l)
		c, err := mcast.Dial(cfg)
		if err != nil {
			Close(conns)
			return nil, networkError(err)
		}
		conns = append(conns, Conn{c})
	}
	return conns, nil
}

// Close closes the sockets that [Route.Dial] opened.
func Close(conns []sender.Conn) (err error) {
	for _, c := range conns {
		err = errors.Join(err, c.(Conn).Close())
	}
	return err
}

// Listened starts to watch whether anybody on this network listens to the group
// (Linux, with CAP_NET_RAW). The channel never has anything but the latest news.
// It gets them until stop is called, which waits for the goroutine that does
// this, or until ctx ends. The log, if not nil, is told what keeps listeners
// from being heard. Errors are of type [*Error].
func (r Route) Listened(ctx context.Context, log *slog.Logger) (news <-chan bool, stop func(), err error) {
	w, err := listeners.Open(listeners.Config{Interface: r.Interface, Group: r.Group, Logger: log})
	if err != nil {
		return nil, nil, networkError(err)
	}
	latest := make(chan bool, 1)
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		w.Run(ctx, func(listened bool) {
			select {
			case <-latest: // is out of date
			default:
			}
			latest <- listened
		})
	})
	return latest, func() { cancel(); running.Wait() }, nil
}
