// SPDX-License-Identifier: GPL-2.0-or-later

package simnet

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
)

// A Key names a stream of outcomes. Every key has a stream of its own: adding
// a receiver or a trial shifts nothing for the others, and schemes that are
// compared under the same key meet the same losses.
type Key struct{ Seed, Trial, Receiver uint64 }

// lossDomain keeps losses apart from other random choices under the same key.
const lossDomain = "loss\x00\x00\x00\x00"

// A source yields the random values of one key and domain. They are the Uint64
// of Go's ChaCha8, whose seed is Seed, Trial and Receiver, 64 bits each,
// little-endian, then the eight bytes of the domain.
type source struct{ rand.ChaCha8 }

func newSource(key Key, domain string) *source {
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[0:], key.Seed)
	binary.LittleEndian.PutUint64(seed[8:], key.Trial)
	binary.LittleEndian.PutUint64(seed[16:], key.Receiver)
	copy(seed[24:], domain)
	s := new(source)
	s.Seed(seed)
	return s
}

// yes draws a decision: whether the upper 63 bits of the next value are less
// than round(p * 2^63), the threshold.
func (s *source) yes(threshold uint64) bool { return s.Uint64()>>1 < threshold }

// below draws a number below n: the next value times n, divided by 2^64.
func (s *source) below(n uint64) uint64 {
	hi, _ := bits.Mul64(s.Uint64(), n)
	return hi
}

// A process says of one packet after another whether it is lost.
type process interface{ lost(*source) bool }

// A Stream says of one packet after another whether it is lost. It is not safe
// for concurrent use.
type Stream struct {
	source  *source
	process process
	loss    Loss // the part, of a mix
}

// Stream returns the outcomes of l for the packets to one receiver.
//
// They are defined for other programs, too, by the random values that are drawn
// in this order:
//
//	bernoulli  a packet: whether it is lost (p)
//	gilbert    a packet: whether it is lost (p for the first; 1 - 1/burst after
//	           a lost one; p / burst / (1-p) after a received one)
//	ge         first: whether the state is bad (p / (p+r)); then a packet:
//	           whether it is lost (1-h or 1-k), whether the state changes (p or r)
//	periodic   first: how many packets arrive before the first loss (below N)
//	trace      first: which packet of the trace comes first (below all of them)
//	mix        a value of a generator of its own; then as the first part for which
//	           this value is a yes, with the sum of the shares up to that part
//
// A value is the next Uint64 of Go's ChaCha8 (chacha8rand of C2SP), whose seed is
// Seed, Trial and Receiver, 64 bits each, little-endian, then "loss" and four
// zero bytes, or "loss mix" for the value of a mix. It means yes with probability
// p if its upper 63 bits are less than round(p * 2^63), and below N it means the
// number value * N / 2^64, rounded down.
func (l Loss) Stream(key Key) *Stream {
	l = l.drawn(key)
	s := &Stream{source: newSource(key, lossDomain), process: &chain{}, loss: l}
	if l.start != nil {
		s.process = l.start(s.source)
	}
	return s
}

// Lost draws the fate of the next packet.
func (s *Stream) Lost() bool { return s.process.lost(s.source) }

// MeanLoss returns the share of packets that this stream loses in the long run,
// from 0 to 1. Streams of a mix differ in it.
func (s *Stream) MeanLoss() float64 { return s.loss.MeanLoss() }
