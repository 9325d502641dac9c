// SPDX-License-Identifier: GPL-2.0-or-later

package leopard

import (
	"fmt"
	"math/bits"
	"unsafe"
)

// UnitLen divides the length of shards and of all columns of them.
const UnitLen = 64

// Unit returns the number of bytes that columns of shards of size bytes should
// be a multiple of, to be fast: UnitLen, or more if that divides size.
func Unit(size int) int {
	if !hasVectors() && wordSize == 8 && size%planeUnit64 == 0 {
		return planeUnit64
	}
	return UnitLen
}

// A shape is what the points of a group depend on. Parity shard j belongs to
// the point j, data shard i to class+i; the points up to class that have no
// shard count as lost, those from class+k to the next power of two as zero.
type shape struct {
	k, m  int
	class int // of M: the power of two that is not less
}

func newShape(k, m, width int) (shape, error) {
	if k < 1 || m < 1 || k > order || m > order || ceilPow2(m)+k > order {
		return shape{}, fmt.Errorf("leopard: the field has no room for %d+%d shards", k, m)
	}
	if width < UnitLen || width%UnitLen != 0 {
		return shape{}, fmt.Errorf("leopard: %d bytes is not a multiple of %d", width, UnitLen)
	}
	return shape{k: k, m: m, class: ceilPow2(m)}, nil
}

// points returns the number of points of the transforms that rebuild a group.
func (s shape) points() int { return ceilPow2(s.class + s.k) }

// point returns that of shard i.
func (s shape) point(i int) int {
	if i < s.k {
		return s.class + i
	}
	return i - s.k
}

// encodeRows returns the number of rows that encoding works in.
func (s shape) encodeRows() int {
	if s.k > s.class {
		return 2 * s.class
	}
	return s.class
}

// newMemory returns n bytes, a multiple of 8, at a multiple of 8.
func newMemory(n int) []byte {
	words := make([]uint64, n/8)
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), n)
}

func ceilPow2(n int) int { return 1 << bits.Len(uint(n-1)) }
