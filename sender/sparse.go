// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import (
	"crypto/sha256"
	"io"

	"iotupd/proto"
)

// sparseShards are the shards of a file that is one of very many. They keep nothing of what
// they read: by the time of the next packet of this file, it would have been replaced. They
// are safe for concurrent use.
type sparseShards struct {
	geo    proto.Geometry
	src    io.ReaderAt
	parity place
}

// AppendShard implements [Shards].
func (s *sparseShards) AppendShard(b []byte, group uint32, index int) ([]byte, error) {
	start, size := len(b), s.geo.ShardSize
	var err error
	if index < s.geo.K {
		b = append(b, make([]byte, size)...)
		err = readFull(s.src, b[start:][:s.geo.ShardLen(group, index)], int64(s.geo.Offset(group, index)))
	} else {
		store := parityStore{geo: s.geo}
		b, err = s.parity.appendFrom(b, store.position(group, index-s.geo.K), size)
	}
	if err != nil {
		return b[:start], err
	}
	return b, nil
}

// sparseDigests are the digests of a file that is one of very many. They are safe for
// concurrent use.
type sparseDigests struct {
	sum     [sha256.Size]byte
	tree    proto.Tree
	nodes   *proto.Nodes
	records place
}

// AppendDigest implements [Digests].
func (s *sparseDigests) AppendDigest(b []byte, group uint32, index int) ([]byte, error) {
	store := recordStore{tree: s.tree}
	record, err := s.records.appendFrom(nil, store.position(group, index), s.tree.RecordLen())
	if err != nil {
		return b, err
	}
	proof := s.nodes.AppendProof(nil, s.tree.Number(group, index))
	return proto.DigestRecord{SHA256: s.sum, Proof: proof, Record: record}.AppendTo(b, s.tree.ShardSize), nil
}

// AppendOutline implements [Digests].
func (s *sparseDigests) AppendOutline(b []byte, number uint32) ([]byte, error) {
	o := s.nodes.AppendOutline(proto.Outline{SHA256: s.sum}, s.tree, number)
	return o.AppendTo(b, s.tree.ShardSize), nil
}
