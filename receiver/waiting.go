// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"cmp"
	"time"
	"unsafe"

	"iotupd/proto"
)

// WaitingMemory bounds the memory of all objects together before one of them is
// chosen, in bytes: packets that wait for their manifest. It is freed when the
// packets of the chosen object have been used.
const WaitingMemory = 1 << 20

const (
	// maxWaiting bounds the packets that wait. Senders repeat their manifest after
	// 256 packets.
	maxWaiting = 1024

	// waitingBytes is the part of WaitingMemory for their datagrams.
	waitingBytes = WaitingMemory - maxWaiting*int(unsafe.Sizeof(waitingPacket{})+unsafe.Sizeof(uint32(0))) - proto.MaxDatagramLen
)

// A waitingRoom keeps the latest packets that arrived before the manifest of
// their object, for all objects together. They take WaitingMemory at most,
// whatever they contain. After an object was chosen, it keeps packets of groups
// that are being compared with bytes on disk. The zero value is empty and takes
// no memory.
type waitingRoom struct {
	packets   []waitingPacket // a ring; nil: nothing waits
	checksums []uint32        // of packets, for a quick search
	first     int             // the oldest
	count     int

	bytes []byte // a ring, too: their datagrams, without gaps
	start int    // of the oldest
	used  int

	scratch []byte // room for a datagram

	few      int // packets; zero: maxWaiting
	fewBytes int // of few packets

	// Where next continues: first through all other packets, then through shards.
	at     int
	shards bool
}

// A waitingPacket is a datagram in the ring of bytes.
type waitingPacket struct {
	at     time.Time
	from   Origin
	object proto.ObjectID
	start  int32
	size   int32
	copies uint32 // number of later copies, which are not kept
	group  uint32
	shard  bool
	gone   bool // taken, or of another object than the chosen one
}

// keep stores a copy of an undamaged packet that arrived at now, in place of the
// oldest ones if there is no room. It returns false if the same packet, perhaps
// of another sender, waits already.
func (w *waitingRoom) keep(now time.Time, p *packet) bool {
	if w.packets == nil {
		w.make(cmp.Or(w.few, maxWaiting), cmp.Or(w.fewBytes, waitingBytes))
	}
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
		group: p.Group, shard: p.Type == proto.TypeData || p.Type == proto.TypeParity,
	}
	w.used, w.count = w.used+n, w.count+1
	return true
}

func (w *waitingRoom) make(packets, bytes int) {
	w.packets, w.checksums = make([]waitingPacket, packets), make([]uint32, packets)
	w.bytes, w.scratch = make([]byte, bytes), make([]byte, 0, proto.MaxDatagramLen)
}

// limit makes the room a small one, for one of several objects.
func (w *waitingRoom) limit(geo proto.Geometry) {
	const few = 64
	h := proto.Header{Params: geo.Params, Sealed: true}
	w.few, w.fewBytes = few, few*h.DatagramLen()
}

// moveTo moves the packets of an object to another room.
func (w *waitingRoom) moveTo(to *waitingRoom, id proto.ObjectID) {
	for i := range w.count {
		e := w.packet(i)
		if e.gone || e.object != id {
			continue
		}
		p := w.open(e)
		to.keep(e.at, &p)
		to.packet(to.count - 1).copies = e.copies
		e.gone = true
	}
	if w.packets != nil {
		w.free()
	}
}

// grow enlarges the room to a multiple, given by times, of its size before an
// object is chosen.
func (w *waitingRoom) grow(times int) {
	old := *w
	*w = waitingRoom{}
	w.make(times*maxWaiting, times*waitingBytes)
	for i := range old.count {
		if e := old.packet(i); !e.gone {
			p := old.open(e)
			w.keep(e.at, &p)
			w.packet(w.count - 1).copies = e.copies
		}
	}
}

// isFull reports whether the next packet may push out an older one.
func (w *waitingRoom) isFull() bool {
	return w.packets != nil && (w.count == len(w.packets) || w.used+proto.MaxDatagramLen > len(w.bytes))
}

// packet returns number i from the oldest on.
func (w *waitingRoom) packet(i int) *waitingPacket { return &w.packets[(w.first+i)%len(w.packets)] }

// find returns the waiting packet that is equal to a datagram, nil if there is
// none. It compares the bytes of one packet only, since checksums can be forged.
func (w *waitingRoom) find(datagram []byte) *waitingPacket {
	checksum := proto.Checksum(datagram)
	for i, c := range w.checksums {
		if c != checksum || (i-w.first+len(w.packets))%len(w.packets) >= w.count {
			continue
		}
		if e := &w.packets[i]; !e.gone && proto.SamePacket(w.datagram(e), datagram) {
			return e
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
	w.at = max(0, w.at-1)
}

// packetsOf returns the packets of an object in the order of their arrival.
func (w *waitingRoom) packetsOf(id proto.ObjectID) (all []waitingPacket) {
	for i := range w.count {
		if e := w.packet(i); e.object == id {
			all = append(all, *e)
		}
	}
	return all
}

// keepOnly drops the packets of all objects except one, whose packets next
// returns.
func (w *waitingRoom) keepOnly(id proto.ObjectID) {
	for i := range w.count {
		e := w.packet(i)
		e.gone = e.object != id
	}
	w.again()
}

// again makes next start over with all packets.
func (w *waitingRoom) again() { w.at, w.shards = 0, false }

// exhausted reports whether next has no more packets to return until again is called.
func (w *waitingRoom) exhausted() bool { return w.count == 0 || w.shards && w.at >= w.count }

// next takes out the next packet of a group that is ready, valid until the next
// call. It returns shards last, after the packets with their leaves, so that a
// forged shard does not take the place of a genuine one. Once ok is false, no
// packet is left to return until again is called.
func (w *waitingRoom) next(ready func(group uint32) bool) (p packet, ok bool) {
	for {
		for w.at < w.count {
			e := w.packet(w.at)
			w.at++
			if !e.gone && e.shard == w.shards && ready(e.group) {
				e.gone = true
				return w.open(e), true
			}
		}
		if w.shards {
			w.free()
			return p, false
		}
		w.at, w.shards = 0, true
	}
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

// free releases the memory of packets that are gone, up to the oldest one that is
// not.
func (w *waitingRoom) free() {
	for w.count > 0 && w.packet(0).gone {
		w.dropFirst()
	}
	if w.count == 0 {
		*w = waitingRoom{shards: true, few: w.few, fewBytes: w.fewBytes}
	}
}
