// SPDX-License-Identifier: GPL-2.0-or-later

package multicast

import (
	"iotupd/internal/mcast"
	"iotupd/receiver"
)

// readMessages is the number of kernel messages read at a time. Each may be a
// run of datagrams.
const readMessages = 8

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

func (b *batch) Read() error { return networkError(b.socket.ReadBatch(b.Batch)) }

func (b *batch) Datagram(i int) ([]byte, receiver.Origin) {
	return b.Batch.Datagram(i), receiver.Origin{From: b.From(i), Interface: b.Interface(i)}
}
