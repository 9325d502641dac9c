// SPDX-License-Identifier: GPL-2.0-or-later

package simnet

import (
	"encoding/binary"
	"math/rand/v2"
)

// A Key names a stream of outcomes. Every key has a stream of its own: adding
// a receiver or a trial shifts nothing for the others, and schemes that are
// compared under the same key meet the same losses.
type Key struct{ Seed, Trial, Receiver uint64 }

// lossDomain keeps losses apart from other random choices under the same key.
const lossDomain = "loss\x00\x00\x00\x00"

// A Stream says of one packet after another whether it is lost. It is not safe
// for concurrent use.
type Stream struct {
	rng       rand.ChaCha8
	threshold uint64
}

// Stream returns the outcomes of l for the packets to one receiver.
//
// They are defined for other programs, too: packet n is lost if the upper 63
// bits of the n-th Uint64 of Go's ChaCha8 are less than round(p * 2^63). The
// generator's seed is Seed, Trial and Receiver, 64 bits each, little-endian,
// then "loss" and four zero bytes.
func (l Loss) Stream(key Key) *Stream {
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[0:], key.Seed)
	binary.LittleEndian.PutUint64(seed[8:], key.Trial)
	binary.LittleEndian.PutUint64(seed[16:], key.Receiver)
	copy(seed[24:], lossDomain)
	s := &Stream{threshold: l.mean.threshold()}
	s.rng.Seed(seed)
	return s
}

// Lost draws the fate of the next packet.
func (s *Stream) Lost() bool { return s.rng.Uint64()>>1 < s.threshold }
