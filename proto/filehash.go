// SPDX-License-Identifier: GPL-2.0-or-later

package proto

import (
	"crypto/sha256"

	"iotupd/internal/sha256pair"
)

// A FileHash computes the SHA-256 of a file and the leaves of its shards in one
// pass, on processors where this takes hardly longer than the SHA-256 alone. It
// does not allocate; make one with [NewFileHash].
type FileHash struct{ stream sha256pair.Stream }

// NewFileHash returns a FileHash without any data. If it would not save time on
// this processor, ok is false.
func NewFileHash() (h FileHash, ok bool) {
	h.stream, ok = sha256pair.NewStream()
	return h, ok
}

// Shard adds the next whole shard of the file, and returns its leaf.
func (h *FileHash) Shard(shard []byte) Digest {
	sum := h.stream.Piece(leafTag, shard)
	return Digest(sum[:])
}

// Sum returns the SHA-256 of the file. end is the rest of the file after the last
// whole shard.
func (h *FileHash) Sum(end []byte) [sha256.Size]byte { return h.stream.Sum(end) }
