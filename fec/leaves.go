// SPDX-License-Identifier: GPL-2.0-or-later

package fec

import "iotupd/proto"

// leaves are those of the groups of a batch, hashed while their shards are in
// memory for the encoder. The zero value takes none.
type leaves struct {
	params proto.Params
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
	case plan.width < p.ShardSize:
		return (p.K+p.M)*proto.DigestLen + p.K*stripHash
	}
	return (p.K + p.M) * proto.DigestLen
}

func newLeaves(p proto.Params, plan encodePlan) leaves {
	l := leaves{params: p, b: make([]byte, plan.batch*(p.K+p.M)*proto.DigestLen)}
	if plan.width < p.ShardSize {
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

// row takes a row of whole data shards, one of every group of the batch, or the
// next strip, from column on, of the data shard of the only one.
func (l leafHasher) row(index, column int, b []byte) {
	if l.h == nil {
		return
	}
	if l.strips == nil {
		for i, s := 0, l.params.ShardSize; i*s < len(b); i++ {
			l.set(i, index, l.h.Leaf(b[i*s:][:s]))
		}
		return
	}
	h := l.strips[index]
	h.Write(b)
	if column+len(b) == l.params.ShardSize {
		l.set(0, index, h.Leaf())
		h.Reset()
	}
}

// parity takes adjacent parity shards of group i, from number first on.
func (l leafHasher) parity(i, first int, b []byte) {
	for j, s := 0, l.params.ShardSize; j*s < len(b); j++ {
		l.set(i, l.params.K+first+j, l.h.Leaf(b[j*s:][:s]))
	}
}

func (l leafHasher) set(i, index int, leaf proto.Digest) {
	copy(l.group(i)[index*proto.DigestLen:], leaf[:])
}
