// SPDX-License-Identifier: GPL-2.0-or-later

// Package sha256pair computes the SHA-256 of two messages at once. The
// instructions for SHA-256 have to wait for each other: instructions for a second
// message cost little in these pauses.
package sha256pair

import (
	"crypto/sha256"
	"encoding/binary"
)

const (
	blockSize = 64
	lengthLen = 8 // of the length of a message in bits, which ends the last block
)

// A state is the state of the hash of one message, in the order of the
// instructions: the words F, E, B, A, H, G, D, C.
type state [8]uint32

var initial = state{0x9b05688c, 0x510e527f, 0xbb67ae85, 0x6a09e667, 0x5be0cd19, 0x1f83d9ab, 0xa54ff53a, 0x3c6ef372}

// sum returns the SHA-256.
func (s *state) sum() (sum [sha256.Size]byte) {
	for i, word := range [8]int{3, 2, 7, 6, 1, 0, 5, 4} {
		binary.BigEndian.PutUint32(sum[4*i:], s[word])
	}
	return sum
}

// Tagged returns the SHA-256 of tag || a and of tag || b. It does not allocate. If
// this processor cannot do that, or the messages have not the same length of 63
// bytes at least, ok is false.
func Tagged(tag byte, a, b []byte) (sumA, sumB [sha256.Size]byte, ok bool) {
	if !available() || len(a) != len(b) || len(a) < blockSize-1 {
		return sumA, sumB, false
	}
	states := [2]state{initial, initial}
	var endA, endB [2 * blockSize]byte // also the first block, with the tag
	endA[0], endB[0] = tag, tag
	copy(endA[1:blockSize], a)
	copy(endB[1:blockSize], b)
	blocks(&states, &endA[0], &endB[0], 1)

	a, b = a[blockSize-1:], b[blockSize-1:]
	whole := len(a) / blockSize
	if whole > 0 {
		blocks(&states, &a[0], &b[0], whole)
	}
	before := uint64(blockSize * (1 + whole))
	n := pad(&endA, a[whole*blockSize:], before)
	pad(&endB, b[whole*blockSize:], before)
	blocks(&states, &endA[0], &endB[0], n)
	return states[0].sum(), states[1].sum(), true
}

// pad fills end with the rest of a message that follows so many bytes, and with
// what ends it. It returns the number of blocks.
func pad(end *[2 * blockSize]byte, rest []byte, before uint64) (blocks int) {
	clear(end[copy(end[:], rest):])
	end[len(rest)] = 0x80
	blocks = 1
	if len(rest)+1+lengthLen > blockSize {
		blocks = 2
	}
	binary.BigEndian.PutUint64(end[blocks*blockSize-lengthLen:], (before+uint64(len(rest)))*8)
	return blocks
}
