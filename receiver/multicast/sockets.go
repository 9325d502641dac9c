// SPDX-License-Identifier: GPL-2.0-or-later

package multicast

import (
	"iotupd/internal/mcast"
	"iotupd/receiver"
)

// readMessages is the number of runs of datagrams read at a time, or of single
// datagrams four times as many: more gain nothing.
const readMessages = 8

// A conn is one socket. Closing it closes its listener, which may be done twice.
type conn struct {
	socket   *mcast.Socket
	listener *mcast.Listener
}

func (c conn) NewBatch() receiver.Batch {
	return &batch{datagrams{mcast.NewBatch(readMessages)}, c.socket}
}

func (c conn) Close() error { return c.listener.Close() }

// A batch reads from its socket. It implements [receiver.Poller].
type batch struct {
	datagrams
	socket *mcast.Socket
}

func (b *batch) Read() error { return networkError(b.socket.ReadBatch(b.Batch)) }

func (b *batch) Poll() error { return networkError(b.socket.PollBatch(b.Batch)) }

// datagrams are what a batch has read.
type datagrams struct{ *mcast.Batch }

func (d datagrams) Datagram(i int) ([]byte, receiver.Origin) {
	return d.Batch.Datagram(i), receiver.Origin{From: d.From(i), Interface: d.Interface(i)}
}
