// SPDX-License-Identifier: GPL-2.0-or-later

package bench

import (
	"math"
	"time"

	"iotupd/bench/simnet"
	"iotupd/proto"
)

// raptorqMaxSymbols is K'_max of RFC 6330, section 5.1.2.
const raptorqMaxSymbols = 56403

// A fountain sends nothing but new packets, one of every block in turn. There is
// no code behind it: it counts when a decoder would have enough packets, so that
// schemes can be compared with it on the same losses.
type fountain struct {
	shards, blocks uint64
	law            bool // of RaptorQ; else any K packets of a block are enough
}

func newFountain(s Scheme, shards uint64) fountain {
	f := fountain{shards: shards, blocks: 1}
	if s.kind == raptorq {
		f.blocks, f.law = (shards+raptorqMaxSymbols-1)/raptorqMaxSymbols, true
	}
	return f
}

// most returns the size of the largest block.
func (f fountain) most() uint64 { return (f.shards + f.blocks - 1) / f.blocks }

// A fountainSource sends packets of blocks at a steady rate.
type fountainSource struct {
	packet packet
	blocks uint64
	sent   uint64
	every  float64 // seconds
}

// source returns the source number i. Each begins with another block, since two
// that alternate between the same two blocks would send each of them only one.
func (f fountain) source(c *cell, i int) *fountainSource {
	s := &fountainSource{blocks: f.blocks, every: c.airtime()}
	s.packet = packet{from: i, header: proto.Header{Type: proto.TypeData, Group: uint32(uint64(i) % f.blocks)}}
	return s
}

func (s *fountainSource) wake() time.Time {
	return epoch.Add(time.Duration(float64(s.sent) * s.every * float64(time.Second)))
}

func (s *fountainSource) next(time.Time) (*packet, error) {
	s.sent++
	h := &s.packet.header
	h.Group = uint32((uint64(h.Group) + 1) % s.blocks)
	return &s.packet, nil
}

// A fountainSink counts packets.
type fountainSink struct {
	missing []uint64 // packets, of every block
	blocks  int      // that miss some
	heard   uint64
}

func (f fountain) sink(key simnet.Key) (sink, error) {
	s := &fountainSink{missing: make([]uint64, f.blocks), blocks: int(f.blocks)}
	rnd := draw(key, "raptorq")
	for i := range s.missing {
		s.missing[i] = f.shards / f.blocks
		if uint64(i) < f.shards%f.blocks {
			s.missing[i]++
		}
		if f.law {
			s.missing[i] += surplus(rnd.Uint64())
		}
	}
	return s, nil
}

// surplus draws how many packets above K a decoder of RaptorQ needs: more than
// n with probability 100^-(n+1), as its authors state for all K ("RaptorQ
// Technical Overview", Qualcomm 2010).
func surplus(value uint64) (n uint64) {
	for limit := uint64(math.MaxUint64 / 100); value < limit; limit /= 100 {
		n++
	}
	return n
}

func (s *fountainSink) done() bool       { return s.blocks == 0 }
func (s *fountainSink) received() uint64 { return s.heard }

func (s *fountainSink) hear(_ time.Time, p *packet) error {
	s.heard++
	if p.again {
		return nil // of a packet that it has
	}
	switch missing := &s.missing[p.header.Group]; *missing {
	case 0:
	case 1:
		*missing = 0
		s.blocks--
	default:
		*missing--
	}
	return nil
}
