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
// parity is made or the first shard rebuilt: less than 0.1 MB for GF(2^8), 77 MB
// and about 0.2 s for GF(2^16).
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

// stripWidth returns how many bytes of every shard of s bytes may be held at
// once if each costs perByte bytes of memory: all s, or else a multiple of the
// unit that cuts s into equal strips. It is never less than the unit.
func stripWidth(s, memory, perByte int) int {
	units := s / proto.ShardUnit
	fit := max(1, memory/perByte/proto.ShardUnit)
	strips := (units + fit - 1) / fit
	return (units + strips - 1) / strips * proto.ShardUnit
}

func ceilPow2(n int) int { return 1 << bits.Len(uint(n-1)) }
