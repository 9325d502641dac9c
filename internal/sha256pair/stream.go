// SPDX-License-Identifier: GPL-2.0-or-later

package sha256pair

import "crypto/sha256"

// A Stream is the SHA-256 of a message that comes in pieces, and that of each piece
// with a tag. Make one with [NewStream].
type Stream struct {
	states [2]state // of the message, and of a piece
	length uint64   // of the message, in bytes
}

// NewStream returns the stream of an empty message. If this processor cannot do two
// messages at once, ok is false.
func NewStream() (s Stream, ok bool) {
	return Stream{states: [2]state{initial, initial}}, available()
}

// Piece appends a piece to the message, and returns the SHA-256 of tag || piece. The
// piece must have a multiple of 64 bytes, and some. It does not allocate.
func (s *Stream) Piece(tag byte, piece []byte) [sha256.Size]byte {
	if len(piece) == 0 || len(piece)%blockSize != 0 {
		panic("sha256pair: a piece that is not whole blocks")
	}
	s.length += uint64(len(piece))
	s.states[1] = initial
	var end [2 * blockSize]byte // also the first block, with the tag
	end[0] = tag
	copy(end[1:blockSize], piece)
	blocks(&s.states, &piece[0], &end[0], 1)
	last := len(piece) - 1
	if n := len(piece)/blockSize - 1; n > 0 {
		blocks(&s.states, &piece[blockSize], &piece[blockSize-1], n)
	}
	n := pad(&end, piece[last:], uint64(len(piece)))
	alone := [2]state{s.states[1], initial}
	blocks(&alone, &end[0], &end[0], n)
	return alone[0].sum()
}

// Sum returns the SHA-256 of the message with rest after it, of any length. It does
// not change the stream.
func (s *Stream) Sum(rest []byte) [sha256.Size]byte {
	alone := [2]state{s.states[0], initial}
	whole := len(rest) / blockSize
	if whole > 0 {
		blocks(&alone, &rest[0], &rest[0], whole)
	}
	var end [2 * blockSize]byte
	n := pad(&end, rest[whole*blockSize:], s.length+uint64(whole*blockSize))
	blocks(&alone, &end[0], &end[0], n)
	return alone[0].sum()
}
