// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/mcast"
	"iotupd/receiver"
)

// readMessages is the number of kernel messages read at a time. Each may be a
// run of datagrams.
const readMessages = 8

// receiverConns presents the sockets of a listener to the receiver's loop.
func receiverConns(l *mcast.Listener) (conns []receiver.Conn) {
	for _, s := range l.Sockets() {
		conns = append(conns, conn{socket: s, listener: l})
	}
	return conns
}

// A conn is one socket. Closing it closes its listener, which may be done twice.
type conn struct {
	socket   *mcast.Socket
	listener *mcast.Listener
}

func (c conn) NewBatch() receiver.Batch {
	return &batch{Batch: mcast.NewBatch(readMessages), socket: c.socket}
}

func (c conn) Close() error { return c.listener.Close() }

// A batch reads from its socket.
type batch struct {
	*mcast.Batch
	socket *mcast.Socket
}

func (b *batch) Read() error { return cli.WithCode(cli.ExitNetwork, b.socket.ReadBatch(b.Batch)) }

func (b *batch) Datagram(i int) ([]byte, receiver.Origin) {
	return b.Batch.Datagram(i), receiver.Origin{From: b.From(i), Interface: b.Interface(i)}
}
