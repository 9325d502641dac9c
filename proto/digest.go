// SPDX-License-Identifier: GPL-2.0-or-later

package proto

import "crypto/sha256"

// A DigestRecord is the payload of a DIGEST packet (spec.md 4.5). A receiver
// can verify the packet by itself: see [Tree.Descriptor].
//
//	| SHA-256 of the file (32) | proof (16*d) | record (16*c) | zeros up to S |
type DigestRecord struct {
	SHA256 [sha256.Size]byte // of the file
	Proof  []byte            // Depth siblings, the lowest first
	Record []byte            // Leaves leaves
}

// AppendTo appends r, padded to a payload of size bytes, to b.
func (r DigestRecord) AppendTo(b []byte, size int) []byte {
	end := len(b) + size
	b = append(b, r.SHA256[:]...)
	b = append(b, r.Proof...)
	b = append(b, r.Record...)
	return append(b, make([]byte, end-len(b))...)
}

// ParseDigest reads the payload of a DIGEST packet of an object with tree t.
// The slices of the result alias it. The error is [ReasonDigest].
func (t Tree) ParseDigest(payload []byte) (r DigestRecord, err error) {
	proofAt := sha256.Size
	recordAt := proofAt + t.Depth*DigestLen
	end := recordAt + t.RecordLen()
	if len(payload) != t.ShardSize || !isZero(payload[end:]) {
		return DigestRecord{}, ReasonDigest
	}
	return DigestRecord{
		SHA256: [sha256.Size]byte(payload),
		Proof:  payload[proofAt:recordAt],
		Record: payload[recordAt:end],
	}, nil
}

// Descriptor returns the only descriptor of an object in which r, a result of
// [Tree.ParseDigest], is the record with this index of a group. Its root is
// computed from r. If the id of that object is the expected one, r is genuine.
// The error, if there is no such record, is [ReasonGeometry].
func (t Tree) Descriptor(h *Hasher, group uint32, index int, r DigestRecord) (Descriptor, error) {
	// A number past the end would have the same path to the root as another
	// record.
	if uint64(group) >= t.Groups || index >= t.PerGroup() {
		return Descriptor{}, ReasonGeometry
	}
	root := climb(h.Record(r.Record), t.Number(group, index), r.Proof)
	return Descriptor{Params: t.Params, SHA256: r.SHA256, Root: root}, nil
}

// Leaf returns leaf i, 0 to Leaves-1, of a record.
func (r DigestRecord) Leaf(i int) Digest { return Digest(r.Record[i*DigestLen:]) }

// isZero reports whether all of b is padding.
func isZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
