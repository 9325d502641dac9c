// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"slices"
	"time"
	"unsafe"

	"iotupd/proto"
)

// WaitingMemory is what all objects take together before one of them is chosen, in
// bytes: packets that wait for their manifest. It is given back when those of the
// chosen object have been used.
const WaitingMemory = 1 << 20

const (
	// maxWaiting bounds the packets that wait. Senders repeat their manifest after
	// 256 packets.
	maxWaiting = 1024

	// waitingBytes is what is left for their datagrams.
	waitingBytes = WaitingMemory - maxWaiting*int(unsafe.Sizeof(waitingPacket{})+unsafe.Sizeof(uint32(0))) - proto.MaxDatagramLen
)

// A waitingRoom keeps the latest packets that arrived before the manifest of their
// object, of all objects together: whatever is in them, they take WaitingMemory
// at most. It is of use until an object is chosen, and has the packets of that from
// then on. The zero value is empty and takes nothing.
type waitingRoom struct {
	packets   []waitingPacket // a ring; nil: nothing has waited yet
	checksums []uint32        // of these, for a quick search
	first     int             // the oldest
	count     int

	bytes []byte // a ring, too: their datagrams, without gaps
	start int    // of the oldest
	used  int

	scratch []byte // room for a datagram
	total   uint64 // packets that came to wait, copies included

	mine []waitingPacket // of the chosen object, not taken yet
}

// A waitingPacket is a datagram in the ring of bytes.
type waitingPacket struct {
	at     time.Time
	from   Origin
	object proto.ObjectID
	start  int32
	size   int32
	copies uint32 // that came later, and are not kept
	shard  bool
}

// add keeps a copy of an undamaged packet that arrived at now, in place of the oldest
// ones if there is no room. It reports whether the same packet, perhaps of another
// sender, does not wait yet.
func (w *waitingRoom) add(now time.Time, p *packet) bool {
	if w.packets == nil {
		w.packets, w.checksums = make([]waitingPacket, maxWaiting), make([]uint32, maxWaiting)
		w.bytes = make([]byte, waitingBytes)
		w.scratch = make([]byte, 0, proto.MaxDatagramLen)
	}
	w.total++
	if same := w.find(p.datagram); same != nil {
		same.copies++
		return false
	}
	n := len(p.datagram)
	for w.count == len(w.packets) || w.used+n > len(w.bytes) {
		w.dropFirst()
	}
	start := (w.start + w.used) % len(w.bytes)
	copy(w.bytes, p.datagram[copy(w.bytes[start:], p.datagram):])
	i := (w.first + w.count) % len(w.packets)
	w.checksums[i] = proto.Checksum(p.datagram)
	w.packets[i] = waitingPacket{
		at: now, from: p.from, object: p.Object, start: int32(start), size: int32(n),
		shard: p.Type == proto.TypeData || p.Type == proto.TypeParity,
	}
	w.used, w.count = w.used+n, w.count+1
	return true
}

// packet returns number i from the oldest on.
func (w *waitingRoom) packet(i int) *waitingPacket { return &w.packets[(w.first+i)%len(w.packets)] }

// find returns the same packet, nil if it does not wait. It compares the bytes of one
// packet only, since checksums can be forged.
func (w *waitingRoom) find(datagram []byte) *waitingPacket {
	checksum := proto.Checksum(datagram)
	for i, c := range w.checksums {
		if c != checksum || (i-w.first+len(w.packets))%len(w.packets) >= w.count {
			continue
		}
		if proto.SamePacket(w.datagram(&w.packets[i]), datagram) {
			return &w.packets[i]
		}
		break
	}
	return nil
}

// datagram returns the bytes of a packet, valid until the next call.
func (w *waitingRoom) datagram(e *waitingPacket) []byte {
	end := int(e.start + e.size)
	w.scratch = append(w.scratch[:0], w.bytes[e.start:min(end, len(w.bytes))]...)
	w.scratch = append(w.scratch, w.bytes[:max(0, end-len(w.bytes))]...)
	return w.scratch
}

// dropFirst drops the oldest packet.
func (w *waitingRoom) dropFirst() {
	size := int(w.packet(0).size)
	w.first = (w.first + 1) % len(w.packets)
	w.start = (w.start + size) % len(w.bytes)
	w.used -= size
	w.count--
}

// of returns the packets of an object in the order of their arrival.
func (w *waitingRoom) of(id proto.ObjectID) (all []waitingPacket) {
	for i := range w.count {
		if e := w.packet(i); e.object == id {
			all = append(all, *e)
		}
	}
	return all
}

// claim drops the packets of all objects but one, which are to be taken: see next.
func (w *waitingRoom) claim(id proto.ObjectID) {
	w.mine = w.of(id)
	w.packets, w.checksums, w.count = nil, nil, 0
	w.recordsFirst()
	w.freeIfEmpty()
}

// recordsFirst changes the order of the claimed packets: the leaves of shards, then
// the shards, so that a forged one does not take the place of a genuine one.
func (w *waitingRoom) recordsFirst() {
	order := func(e waitingPacket) int {
		if e.shard {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(w.mine, func(a, b waitingPacket) int { return order(a) - order(b) })
}

// next takes the next claimed packet out, valid until the next call.
func (w *waitingRoom) next() (p packet, ok bool) {
	if len(w.mine) == 0 {
		w.freeIfEmpty()
		return p, false
	}
	e := &w.mine[0]
	w.mine = w.mine[1:]
	return w.open(e), true
}

// open returns a packet, valid until the next call.
func (w *waitingRoom) open(e *waitingPacket) packet {
	b := w.datagram(e)
	h, payload, err := proto.Parse(b)
	if err != nil {
		panic("receiver: internal error: a packet has changed while it waited: " + err.Error())
	}
	return packet{from: e.from, Header: h, datagram: b, payload: payload, sealed: h.Sealed}
}

// freeIfEmpty gives the memory back once all claimed packets were taken.
func (w *waitingRoom) freeIfEmpty() {
	if len(w.mine) == 0 {
		*w = waitingRoom{total: w.total}
	}
}
