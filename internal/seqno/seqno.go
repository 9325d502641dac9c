// SPDX-License-Identifier: GPL-2.0-or-later

// Package seqno finds gaps in the sequence numbers of a stream of packets. They
// have 32 bits, rise by one with each packet, and wrap: they are serial numbers in
// the sense of RFC 1982.
package seqno

const (
	// MaxGap is the largest difference of sequence numbers that is a gap, or a late
	// packet. What differs more is a new start of the sender, or forged.
	MaxGap = 1 << 20

	// window is by how many packets one may be overtaken, and is not lost.
	window = 64
)

// Ahead returns by how much a comes after b; negative if it comes before.
func Ahead(a, b uint32) int64 { return int64(int32(a - b)) }

// IsJump reports whether a difference is one of more than MaxGap.
func IsJump(ahead int64) bool { return ahead > MaxGap || ahead < -MaxGap }

// A Tracker follows one stream. Make one with [Start].
//
// A packet that is heard twice counts once. One that is overtaken by fewer than 64
// others counts as lost until it arrives; one that comes later than that stays
// lost, and what was sent before the first packet is not counted.
type Tracker struct {
	top    uint32 // the highest sequence number
	behind int32  // packets in succession that were too late
	seen   uint64 // bit i: top-i arrived, or was sent before the first packet
}

// Start returns the tracker of a stream whose first packet has a sequence number.
// That packet is not counted.
func Start(seq uint32) Tracker { return Tracker{top: seq, seen: ^uint64(0)} }

// Add takes the sequence number of a packet that arrived. It returns how many
// packets that adds to the number of sent ones and to the number of lost ones: -1
// lost if this one was only late. A jump says nothing about loss: the sender was
// restarted, or the packet is forged. So do 64 packets in succession that are too
// late.
func (t *Tracker) Add(seq uint32) (sent, lost int64, jump bool) {
	ahead := Ahead(seq, t.top)
	switch {
	case IsJump(ahead) || t.behind == window:
		*t = Start(seq)
		return 1, 0, true
	case ahead > 0:
		t.top, t.seen, t.behind = seq, t.seen<<ahead|1, 0
		return ahead, ahead - 1, false
	case -ahead >= window:
		t.behind++
	case t.seen>>-ahead&1 == 0:
		t.seen |= 1 << -ahead
		return 0, -1, false
	}
	return 0, 0, false
}
