// SPDX-License-Identifier: GPL-2.0-or-later

package fec

import "iotupd/proto"

// leaves are the tree leaves of the groups of a batch, hashed while their shards
// are in memory for the encoder. The zero value collects none.
type leaves struct {
	params proto.Params
	alone  bool              // only leaves of parity
	b      []byte            // group after group
	strips []*proto.LeafHash // of data shards that come in strips
}

// stripHash is what one of leaves.strips takes, in bytes.
const stripHash = 192

// leavesMemory returns the bytes that the leaves of a group take in plan.
func leavesMemory(p proto.Params, plan encodePlan) int {
	switch {
	case !plan.leaves:
		return 0
	case plan.width < p.ShardSize && !plan.parityLeaves:
		return (p.K+p.M)*proto.DigestLen + p.K*stripHash
	}
	return (p.K + p.M) * proto.DigestLen
}

func newLeaves(p proto.Params, plan encodePlan) leaves {
	l := leaves{params: p, alone: plan.parityLeaves, b: make([]byte, plan.batch*(p.K+p.M)*proto.DigestLen)}
	if plan.width < p.ShardSize && !plan.parityLeaves {
		l.strips = make([]*proto.LeafHash, p.K)
		for i := range l.strips {
			l.strips[i] = proto.NewLeafHash()
		}
	}
	return l
}

// group returns the leaves of group i of the batch.
func (l *leaves) group(i int) []byte {
	n := (l.params.K + l.params.M) * proto.DigestLen
	return l.b[i*n:][:n]
}

// A leafHasher fills leaves, of different shards than others at the same time.
type leafHasher struct {
	*leaves
	h *proto.Hasher // nil: there are none to fill
}

func (l *leaves) hasher() leafHasher {
	if l.b == nil {
		return leafHasher{}
	}
	return leafHasher{l, proto.NewHasher()}
}

// rows takes rows of whole data shards, from that of shard index on, one of each of n
// groups in every row; or the next strip, width bytes from column on, of data
// shards of the only group.
func (l leafHasher) rows(n, index, column, width int, b []byte) {
	if l.h == nil || l.alone {
		return
	}
	if l.strips == nil {
		l.shards(b, func(i int) []byte { return l.leaf(i%n, index+i/n) })
		return
	}
	for ; len(b) > 0; b = b[width:] {
		h := l.strips[index]
		h.Write(b[:width])
		if column+width == l.params.ShardSize {
			leaf := h.Leaf()
			copy(l.leaf(0, index), leaf[:])
			h.Reset()
		}
		index++
	}
}

// parity takes adjacent parity shards of group i, from number first on.
func (l leafHasher) parity(i, first int, b []byte) {
	if l.h != nil {
		l.shards(b, func(j int) []byte { return l.leaf(i, l.params.K+first+j) })
	}
}

// shards hashes shards that follow each other, two at a time. place returns where
// the leaf of each goes.
func (l leafHasher) shards(b []byte, place func(i int) []byte) {
	s, i := l.params.ShardSize, 0
	for ; len(b) >= 2*s; b = b[2*s:] {
		x, y := l.h.Leaves(b[:s], b[s:2*s])
		copy(place(i), x[:])
		copy(place(i+1), y[:])
		i += 2
	}
	if len(b) > 0 {
		x := l.h.Leaf(b)
		copy(place(i), x[:])
	}
}

// leaf returns the place for the leaf of a shard of group i.
func (l *leaves) leaf(i, index int) []byte {
	return l.group(i)[index*proto.DigestLen:][:proto.DigestLen]
}
