// SPDX-License-Identifier: GPL-2.0-or-later

package proto

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"

	"iotupd/internal/sha256pair"
)

// DigestLen is the length in bytes of a [Digest].
const DigestLen = 16

// ErrNoTree is wrapped by the error of parameters for which there is no hash
// tree: the shards are too small to carry a record and its proof.
var ErrNoTree = errors.New("proto: no hash tree")

// A Tree is the shape of the hash tree over all shards of an object (spec.md
// 4.2). Each of its records holds the leaves of some shards of one group. It is
// a small value, immutable and comparable; make one with [Geometry.Tree].
type Tree struct {
	Params
	Groups  uint64
	Depth   int  // d: siblings in the proof of a record
	Leaves  int  // c: leaves in a record, a multiple of 4
	Records int  // R: records of leaves of a group
	Parity  int  // Q: parity records of a group
	Code    Code // that makes them; CodeNone if there are none
}

// maxDepth is the longest proof.
const maxDepth = 31

// Tree derives the shape of the hash tree of g, or says that there is none.
func (g Geometry) Tree() (Tree, error) {
	slots := g.ShardSize/DigestLen - 2 // less the SHA-256 of the file
	for d := 0; d <= maxDepth; d++ {
		t := Tree{Params: g.Params, Groups: g.Groups, Depth: d, Leaves: (slots - d) / 4 * 4}
		if t.Leaves < 4 {
			break
		}
		t.Records = (g.K + g.M + t.Leaves - 1) / t.Leaves
		if g.M > 0 {
			t.Parity = min(t.Records, (t.Records*g.M+g.K-1)/g.K+1)
			t.Code = CodeLeopard8
			if !t.Code.Fits(t.Records, t.Parity) {
				t.Code = CodeLeopard16 // always fits: R is at most 2^14
			}
		}
		if t.Total() <= 1<<d {
			return t, nil
		}
	}
	return Tree{}, fmt.Errorf("%w: shards of %d bytes are too small for a file of %d bytes", ErrNoTree, g.ShardSize, g.Size)
}

// PerGroup returns R+Q, the records of a group: those with an index below
// Records hold leaves, the others are their parity.
func (t Tree) PerGroup() int { return t.Records + t.Parity }

// Total returns the number of records of the object.
func (t Tree) Total() uint64 { return t.Groups * uint64(t.PerGroup()) }

// RecordLen returns the length in bytes of a record, a multiple of 64.
func (t Tree) RecordLen() int { return t.Leaves * DigestLen }

// Number returns t of spec.md 4.2: where record index of group stands among
// the records of the object.
func (t Tree) Number(group uint32, index int) uint64 {
	return uint64(group)*uint64(t.PerGroup()) + uint64(index)
}

// A Hasher computes the hashes of a tree without allocating. It is not safe for
// concurrent use; make one with [NewHasher].
type Hasher struct {
	h   hash.Hash
	tag [1]byte
	sum [sha256.Size]byte
}

// NewHasher returns a Hasher.
func NewHasher() *Hasher { return &Hasher{h: sha256.New()} }

// The first byte of the input says what kind of node is hashed.
const (
	leafTag   = 0
	recordTag = 1
	nodeTag   = 2
)

// Leaf returns the leaf of a shard of ShardSize bytes.
func (h *Hasher) Leaf(shard []byte) Digest { return h.tagged(leafTag, shard) }

// Leaves returns the leaves of two shards. On some processors that takes hardly
// longer than one.
func (h *Hasher) Leaves(a, b []byte) (leafA, leafB Digest) {
	if sumA, sumB, ok := sha256pair.Tagged(leafTag, a, b); ok {
		return Digest(sumA[:]), Digest(sumB[:])
	}
	return h.Leaf(a), h.Leaf(b)
}

// Record returns the node over a record.
func (h *Hasher) Record(record []byte) Digest { return h.tagged(recordTag, record) }

func (h *Hasher) tagged(tag byte, b []byte) Digest {
	h.start(tag)
	h.h.Write(b)
	return h.end()
}

func (h *Hasher) start(tag byte) {
	h.tag[0] = tag
	h.h.Reset()
	h.h.Write(h.tag[:])
}

func (h *Hasher) end() Digest { return Digest(h.h.Sum(h.sum[:0])) }

// A LeafHash computes the leaf of a shard that comes in pieces, in order. It is
// an io.Writer that never fails; make one with [NewLeafHash].
type LeafHash struct{ h *Hasher }

// NewLeafHash returns the hash of a shard of which nothing was written yet.
func NewLeafHash() *LeafHash {
	l := &LeafHash{NewHasher()}
	l.Reset()
	return l
}

// Write takes the next bytes of the shard.
func (l *LeafHash) Write(b []byte) (int, error) { return l.h.h.Write(b) }

// Leaf returns the leaf of what was written.
func (l *LeafHash) Leaf() Digest { return l.h.end() }

// Reset forgets what was written.
func (l *LeafHash) Reset() { l.h.start(leafTag) }

// joined returns the node over two others.
func joined(left, right Digest) Digest {
	var b [1 + 2*DigestLen]byte
	b[0] = nodeTag
	copy(b[1:], left[:])
	copy(b[1+DigestLen:], right[:])
	sum := sha256.Sum256(b[:])
	return Digest(sum[:])
}

// climb computes the root from a node, its number on its level, and its proof:
// the siblings on the way to the root, the lowest first.
func climb(node Digest, number uint64, proof []byte) Digest {
	for ; len(proof) > 0; proof = proof[DigestLen:] {
		if sibling := Digest(proof); number%2 == 0 {
			node = joined(node, sibling)
		} else {
			node = joined(sibling, node)
		}
		number /= 2
	}
	return node
}

// Nodes are all nodes of a hash tree, 32 bytes for every record. They do not
// change, so that they are safe for concurrent use.
type Nodes struct {
	levels [][]Digest // from the nodes over records to the root; a node without any record below it is left out
}

// NewNodes builds the tree of shape t over the nodes of all records
// ([Hasher.Record]), the one with number n at index n. It keeps them.
func NewNodes(t Tree, records []Digest) *Nodes { return newNodes(t.Depth, records) }

// newNodes is NewNodes for a tree, or part of a tree, of the given depth.
func newNodes(depth int, records []Digest) *Nodes {
	n := &Nodes{levels: [][]Digest{records}}
	for range depth {
		below := n.levels[len(n.levels)-1]
		above := make([]Digest, (len(below)+1)/2)
		for i := range above {
			above[i] = joined(below[2*i], at(below, 2*i+1))
		}
		n.levels = append(n.levels, above)
	}
	return n
}

// at returns a node of a level; a zero one if no record is below it.
func at(level []Digest, i int) Digest {
	if i < len(level) {
		return level[i]
	}
	return Digest{}
}

// Root returns the root of the tree.
func (n *Nodes) Root() Digest { return n.levels[len(n.levels)-1][0] }

// Record returns the node over the record with that number, which must exist.
func (n *Nodes) Record(number uint64) Digest { return n.levels[0][number] }

// AppendProof appends the proof of the record with that number, which must
// exist, to b: the siblings on its way to the root, the lowest first.
func (n *Nodes) AppendProof(b []byte, number uint64) []byte { return n.appendProof(b, 0, number) }

// appendProof is AppendProof of a node of a level.
func (n *Nodes) appendProof(b []byte, level int, number uint64) []byte {
	for _, level := range n.levels[level : len(n.levels)-1] {
		sibling := at(level, int(number^1))
		b = append(b, sibling[:]...)
		number /= 2
	}
	return b
}
