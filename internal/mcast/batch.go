// SPDX-License-Identifier: GPL-2.0-or-later

package mcast

import (
	"bytes"
	"net/netip"
)

// A Batch holds the datagrams of one read. It is made by [NewBatch], filled by
// [Socket.ReadBatch], and used by one goroutine at a time, over and over again.
type Batch struct {
	datagrams []datagram
	messages  messages // buffers that the datagrams alias
}

type datagram struct {
	bytes []byte
	from  netip.AddrPort
	index int
}

// NewBatch returns a batch with room for n messages of the kernel, 1 to 64. Each
// is a datagram or a run of datagrams of one size, so that [Batch.Len] may be
// greater. More than 32 gain nothing, and 8 are enough where runs come in one
// piece. Each takes 64 KiB of address space, but no more memory than what was
// ever received into it.
func NewBatch(n int) *Batch {
	n = min(max(n, 1), 64)
	return &Batch{messages: newMessages(n)}
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
// where the system does not tell.
func (b *Batch) Interface(i int) int { return b.datagrams[i].index }

// Reset empties b.
func (b *Batch) Reset() { b.datagrams = b.datagrams[:0] }

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
