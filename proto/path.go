// SPDX-License-Identifier: GPL-2.0-or-later

package proto

import (
	"encoding/binary"
	"math"
)

// PathFlags are hints of one sender to its listeners.
type PathFlags uint8

const (
	// PathSync marks a packet after which receivers may join the next layer.
	PathSync PathFlags = 1 << 0
	// PathBye says that this sender is about to stop.
	PathBye PathFlags = 1 << 1
	// PathSet says that this sender sends several objects.
	PathSet PathFlags = 1 << 2
)

// A Path is the path word: the eight header bytes that differ from sender to
// sender (spec.md 2.5). It is advice, neither checksummed nor authenticated:
// it can change how much is received, never what is accepted.
type Path struct {
	Flags   PathFlags
	Layer   int      // 0 to 15
	Layers  int      // 1 to 16
	Rate    RateCode // nominal rate of this layer
	Sender  int      // 1 to Senders
	Senders int      // coordinated senders, 1 to 16
	Seq     uint32   // counts the packets of this sender on this layer; wraps
}

func (p Path) appendTo(b []byte) []byte {
	b = append(b, byte(p.Flags), byte(p.Layer<<4|(p.Layers-1)&15), byte(p.Rate), byte((p.Sender-1)<<4|(p.Senders-1)&15))
	return binary.BigEndian.AppendUint32(b, p.Seq)
}

// parsePath cannot fail: every bit pattern means something.
func parsePath(b []byte) Path {
	return Path{
		Flags:   PathFlags(b[0]),
		Layer:   int(b[1] >> 4),
		Layers:  int(b[1]&15) + 1,
		Rate:    RateCode(b[2]),
		Sender:  int(b[3]>>4) + 1,
		Senders: int(b[3]&15) + 1,
		Seq:     binary.BigEndian.Uint32(b[4:]),
	}
}

// A RateCode is a bit rate on a logarithmic scale, 1000 * 2^(code/8) bit/s.
// Zero: not stated.
type RateCode uint8

// RateCodeOf returns the code nearest to a rate in bit/s, at least 1; zero for a
// rate that is not positive.
func RateCodeOf(bitsPerSecond int64) RateCode {
	if bitsPerSecond <= 0 {
		return 0
	}
	code := math.Round(8 * math.Log2(float64(bitsPerSecond)/1000))
	return RateCode(min(max(code, 1), 255))
}

// BitsPerSecond returns the rate that c stands for, zero if not stated.
func (c RateCode) BitsPerSecond() int64 {
	if c == 0 {
		return 0
	}
	return int64(1000 * math.Exp2(float64(c)/8))
}

// OverRate reports whether a sum of stated rates is over limit, both in bits
// per second. The code nearest to a rate is off by half a step at most, a
// factor of 2^(1/16), which is less than 1 + 1/22. The limit is raised by that
// factor, so that a rate of exactly the limit is not over it.
func OverRate(stated, limit int64) bool { return stated > limit+limit/22 }
