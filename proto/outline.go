// SPDX-License-Identifier: GPL-2.0-or-later

package proto

import (
	"bytes"
	"crypto/sha256"
)

// An Outline is the payload of an OUTLINE packet (spec.md 4.6): the nodes over
// a range of records, by which a receiver recognises records in the files that
// it has on disk. A receiver can verify the packet by itself: see
// [Tree.OutlineDescriptor].
//
//	| SHA-256 of the file (32) | proof (16*(d-e)) | nodes (16*2^e) | zeros up to S |
type Outline struct {
	SHA256 [sha256.Size]byte // of the file
	Proof  []byte            // siblings of the node over the range, the lowest first
	Nodes  []byte            // over the records of the range; zero over none
}

// OutlineLevel returns e: an OUTLINE has the nodes over 2^e records.
func (t Tree) OutlineLevel() int {
	slots, e := t.ShardSize/DigestLen-2, 0
	for e < t.Depth && 2<<e+t.Depth-(e+1) <= slots {
		e++
	}
	return e
}

// Outlines returns the number of ranges of 2^e records that there are.
func (t Tree) Outlines() uint64 {
	e := t.OutlineLevel()
	return (t.Total() + 1<<e - 1) >> e
}

// DataRecords returns how many records of a group have only leaves of data
// shards. They are the first records of the group.
func (t Tree) DataRecords() int {
	if t.M == 0 {
		return t.Records
	}
	return t.K / t.Leaves
}

// OutlineRange returns the numbers of the records of range i, which must exist:
// from the first up to, but not including, end.
func (t Tree) OutlineRange(i uint32) (first, end uint64) {
	e := t.OutlineLevel()
	first = uint64(i) << e
	return first, min(first+1<<e, t.Total())
}

// RecordAt returns which record has number n.
func (t Tree) RecordAt(n uint64) (group uint32, index int) {
	return uint32(n / uint64(t.PerGroup())), int(n % uint64(t.PerGroup()))
}

// NextDataRecord returns the number of the first record from number n on that
// has leaves of data shards alone. If there is none, it returns Total.
func (t Tree) NextDataRecord(n uint64) uint64 {
	perGroup := uint64(t.PerGroup())
	switch group, index := n/perGroup, n%perGroup; {
	case t.DataRecords() == 0 || n >= t.Total():
		return t.Total()
	case index < uint64(t.DataRecords()):
		return n
	default:
		return (group + 1) * perGroup // Total, after the last group
	}
}

// NextOutline returns the first range from number i on for which an OUTLINE is
// sent: a range with a record that has only leaves of data shards. ok is false
// if there is none.
func (t Tree) NextOutline(i uint64) (next uint64, ok bool) {
	e := t.OutlineLevel()
	n := t.NextDataRecord(i << e)
	return n >> e, n < t.Total()
}

// outlined reports whether an OUTLINE is sent of range i.
func (t Tree) outlined(i uint32) bool {
	next, ok := t.NextOutline(uint64(i))
	return ok && next == uint64(i)
}

// AppendTo appends o, padded to a payload of size bytes, to b.
func (o Outline) AppendTo(b []byte, size int) []byte {
	end := len(b) + size
	b = append(b, o.SHA256[:]...)
	b = append(b, o.Proof...)
	b = append(b, o.Nodes...)
	return append(b, make([]byte, end-len(b))...)
}

// ParseOutline reads the payload of an OUTLINE packet of an object with tree t.
// The slices of the result alias it. The error is [ReasonDigest].
func (t Tree) ParseOutline(payload []byte) (o Outline, err error) {
	e := t.OutlineLevel()
	nodesAt := sha256.Size + (t.Depth-e)*DigestLen
	end := nodesAt + DigestLen<<e
	if len(payload) != t.ShardSize || !isZero(payload[end:]) {
		return Outline{}, ReasonDigest
	}
	return Outline{
		SHA256: [sha256.Size]byte(payload),
		Proof:  payload[sha256.Size:nodesAt],
		Nodes:  payload[nodesAt:end],
	}, nil
}

// OutlineDescriptor returns the only descriptor of an object in which o, a
// result of [Tree.ParseOutline], is the OUTLINE of range i. Its root is
// computed from o. If the id of that object is the expected one, o is genuine.
// The error is [ReasonGeometry] if no OUTLINE is sent for this range, or
// [ReasonDigest] if o has nodes beyond the last record.
func (t Tree) OutlineDescriptor(i uint32, o Outline) (Descriptor, error) {
	if !t.outlined(i) {
		return Descriptor{}, ReasonGeometry
	}
	if first, end := t.OutlineRange(i); !isZero(o.Nodes[(end-first)*DigestLen:]) {
		return Descriptor{}, ReasonDigest // the root does not depend on these nodes
	}
	root := climb(t.outlineNodes(i, o).Root(), uint64(i), o.Proof)
	return Descriptor{Params: t.Params, SHA256: o.SHA256, Root: root}, nil
}

// outlineNodes returns the part of the tree over range i.
func (t Tree) outlineNodes(i uint32, o Outline) *Nodes {
	first, end := t.OutlineRange(i)
	records := make([]Digest, end-first)
	for n := range records {
		records[n] = o.Node(n)
	}
	return newNodes(t.OutlineLevel(), records)
}

// Clone returns a copy that aliases nothing.
func (o Outline) Clone() Outline {
	o.Proof, o.Nodes = bytes.Clone(o.Proof), bytes.Clone(o.Nodes)
	return o
}

// Node returns node n, 0 to 2^e-1, of the range.
func (o Outline) Node(n int) Digest { return Digest(o.Nodes[n*DigestLen:]) }

// Unfold returns the content of the DIGEST of record n of range i. Its record
// is the argument, and its proof is computed from o. The result is genuine if o
// is genuine and node n of o is the hash of the record.
func (t Tree) Unfold(i uint32, o Outline, n int, record []byte) DigestRecord {
	proof := t.outlineNodes(i, o).AppendProof(make([]byte, 0, t.Depth*DigestLen), uint64(n))
	return DigestRecord{SHA256: o.SHA256, Proof: append(proof, o.Proof...), Record: record}
}

// AppendOutline appends proof and nodes of range i to the slices of an [Outline],
// which may be empty.
func (n *Nodes) AppendOutline(o Outline, t Tree, i uint32) Outline {
	e := t.OutlineLevel()
	o.Proof = n.appendProof(o.Proof, e, uint64(i))
	for k := range 1 << e {
		node := at(n.levels[0], int(i)<<e+k)
		o.Nodes = append(o.Nodes, node[:]...)
	}
	return o
}
