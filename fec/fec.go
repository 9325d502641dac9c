// SPDX-License-Identifier: GPL-2.0-or-later

// Package fec chooses the parameters of an object ([Policy]), makes the parity
// of its groups and the leaves of their hash tree ([Encode]), rebuilds the
// shards that a receiver lost ([Decoder]), and does the same for the records of
// the tree ([Records]).
//
// The code is Leopard Reed-Solomon: any K of the K+M shards of a group rebuild
// it, K-1 never do. It detects nothing: one wrong byte in gives wrong bytes
// out and no error, so shards are checked by hash before and after.
//
// The columns of a group are independent in units of 64 bytes. That is how the
// package keeps to a memory budget, in strips of shards instead of whole ones,
// and how several cores share one group.
//
// Beyond the budgets there are tables, made once in a process when the first
// parity is made or the first shard rebuilt: less than 0.1 MB for GF(2^8), 0.3
// MB for GF(2^16), which package leopard has.
package fec

import (
	"errors"
	"math/bits"

	"iotupd/proto"
)

// DefaultMemory is the memory budget, in bytes, where a config leaves it zero.
const DefaultMemory = 64 << 20

// ErrTooFewShards is wrapped when fewer than K shards of a group are held.
var ErrTooFewShards = errors.New("fec: too few shards to rebuild the group")

// minColumns is the least number of bytes of every shard that is worth a core
// of its own: the cost of a call does not shrink with its columns.
const minColumns = 3 * proto.ShardUnit

// widestStrip returns how many bytes of every shard of s bytes are held at once:
// the most that fit, all s or a multiple of the unit that cuts s into about
// equal strips. It is the unit if nothing fits.
func widestStrip(s, unit int, fits func(width int) bool) int {
	units := s / unit
	for strips := 1; ; strips++ {
		width := (units + strips - 1) / strips * unit
		if width == unit || fits(width) {
			return width
		}
	}
}

func ceilPow2(n int) int { return 1 << bits.Len(uint(n-1)) }
