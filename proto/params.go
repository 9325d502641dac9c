// SPDX-License-Identifier: GPL-2.0-or-later

package proto

import (
	"errors"
	"fmt"
	"math/bits"
)

// A Code names the erasure code of an object, as on the wire (spec.md 2.3).
type Code uint8

const (
	CodeNone      Code = 0 // no parity, M = 0
	CodeLeopard8  Code = 1 // Leopard Reed-Solomon over GF(2^8)
	CodeLeopard16 Code = 2 // Leopard Reed-Solomon over GF(2^16)
)

// String returns the short name that plans, logs and bench use.
func (c Code) String() string {
	switch c {
	case CodeNone:
		return "none"
	case CodeLeopard8:
		return "gf8"
	case CodeLeopard16:
		return "gf16"
	}
	return fmt.Sprintf("code %d", uint8(c))
}

// Fits reports whether the code can make m parity shards for k data shards
// (spec.md 2.3). Every data shard and every parity shard of Leopard needs a
// point of the field of its own, and the parity takes a power of two of them.
// Leopard pads the data to a multiple of this power. As the size of the field
// is also a multiple of it, the padding always fits.
func (c Code) Fits(k, m int) bool {
	if k < 1 || m < 0 || k > MaxK {
		return false
	}
	switch c {
	case CodeNone:
		return m == 0
	case CodeLeopard8:
		return m > 0 && k+ceilPow2(m) <= 1<<8
	case CodeLeopard16:
		return m > 0 && k+ceilPow2(m) <= 1<<16
	}
	return false
}

func ceilPow2(n int) int { return 1 << bits.Len(uint(n-1)) }

// Limits of the header's fields (spec.md 2.2).
const (
	MaxK             = 65535
	MinShardSize     = 256
	MaxShardSize     = 8896
	ShardUnit        = 64   // every shard size is a multiple of this many bytes
	DefaultShardSize = 1152 // fills a packet of 1280 bytes, IPv6 and AEAD tag included
)

// Params are the fields that the header of every packet carries about the object
// as a whole. They are comparable with ==; the zero value is invalid.
type Params struct {
	Code      Code
	K         int    // data shards of a group
	M         int    // parity shards of a group
	ShardSize int    // S, in bytes
	Size      uint64 // of the file, in bytes
}

// ErrParams is wrapped by every error of [Params.Validate].
var ErrParams = errors.New("proto: invalid parameters")

// Validate reports the first rule of spec.md 3.1 that p breaks. Parameters that
// pass describe a geometry whose every offset fits into 64 bits.
func (p Params) Validate() error {
	switch {
	case p.ShardSize < MinShardSize || p.ShardSize > MaxShardSize || p.ShardSize%ShardUnit != 0:
		return fmt.Errorf("%w: shard size %d is not a multiple of %d from %d to %d",
			ErrParams, p.ShardSize, ShardUnit, MinShardSize, MaxShardSize)
	case !p.Code.Fits(p.K, p.M):
		return fmt.Errorf("%w: %v cannot make %d+%d shards", ErrParams, p.Code, p.K, p.M)
	case p.Size == 0 && (p.K != 1 || p.M != 0):
		return fmt.Errorf("%w: an empty file with %d+%d shards", ErrParams, p.K, p.M)
	case p.groups() > 1<<32:
		return fmt.Errorf("%w: %d groups do not fit the group number", ErrParams, p.groups())
	}
	return nil
}

// dataShards is Nd of spec.md 3.1; written so that no size overflows.
func (p Params) dataShards() uint64 {
	s := uint64(p.ShardSize)
	n := p.Size / s
	if p.Size%s != 0 {
		n++
	}
	return max(1, n)
}

func (p Params) groups() uint64 {
	k, n := uint64(p.K), p.dataShards()
	g := n / k
	if n%k != 0 {
		g++
	}
	return g
}
