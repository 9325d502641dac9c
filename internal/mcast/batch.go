// SPDX-License-Identifier: GPL-2.0-or-later

package mcast

import (
	"bytes"
	"net/netip"
	"time"
)

// A Batch holds the datagrams of one read. It is made by [NewBatch], filled by
// [Socket.ReadBatch], and used by one goroutine at a time, over and over again.
type Batch struct {
	datagrams []datagram
	messages  messages // buffers that the datagrams alias
	pause     time.Duration
}

type datagram struct {
	bytes []byte
	from  netip.AddrPort
	index int
}

// NewBatch returns a batch with room for n runs of datagrams of one size that come
// in one piece, 1 to 64, or for some times as many datagrams that come alone, so that
// [Batch.Len] may be greater. It takes 64 KiB of memory for each run at most, and no
// more than what was ever received into it.
func NewBatch(n int) *Batch {
	n = min(max(n, 1), 64)
	b := &Batch{messages: newMessages(n)}
	b.messages.release(b)
	return b
}

// Len returns the number of datagrams.
func (b *Batch) Len() int { return len(b.datagrams) }

// Datagram returns the payload of datagram i. It is valid until the next read
// into b.
func (b *Batch) Datagram(i int) []byte { return b.datagrams[i].bytes }

// From returns where datagram i came from. A link-local address has the name of
// the interface as its zone.
func (b *Batch) From(i int) netip.AddrPort { return b.datagrams[i].from }

// Interface returns the index of the interface that datagram i came over; zero
// where the system does not say.
func (b *Batch) Interface(i int) int { return b.datagrams[i].index }

// Pause returns how long to wait until the next read, to take several datagrams at
// once. [Socket.ReadBatch] does so by itself; it is for who calls
// [Socket.PollBatch] at that time instead. Zero: there may be more, or much at a time,
// or nothing will come soon, so that ReadBatch is the one to call.
func (b *Batch) Pause() time.Duration { return b.pause }

// Reset empties b.
func (b *Batch) Reset() { b.datagrams, b.pause = b.datagrams[:0], 0 }

// Add puts a copy of a datagram into b, as if it had been read from a socket. It
// is for stand-ins of a socket.
func (b *Batch) Add(payload []byte, from netip.AddrPort, index int) {
	b.datagrams = append(b.datagrams, datagram{bytes.Clone(payload), from, index})
}

// addRun puts a run of datagrams, end to end, each of segment bytes but perhaps
// the last, into b without copying. An empty run is one empty datagram. The rest
// of d is what they have in common.
func (b *Batch) addRun(run []byte, segment int, d datagram) {
	for {
		n := min(segment, len(run))
		d.bytes = run[:n:n]
		b.datagrams = append(b.datagrams, d)
		if run = run[n:]; len(run) == 0 {
			return
		}
	}
}
