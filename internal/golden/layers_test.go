// SPDX-License-Identifier: GPL-2.0-or-later

package golden_test

import (
	"crypto/sha256"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"time"

	"iotupd/internal/simnet"
	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/sender"
)

var layersScenes = []namedScene{
	{"a transfer without a bottleneck", layeredTransfer(way{loss: "bernoulli:1%"}, 4, 0)},
	{"a transfer through a bottleneck of 2.5 times layer 0", layeredTransfer(way{link: simnet.LinkConfig{Rate: 625_000, Queue: 60}}, 4, 0)},
	{"a transfer with a limit on the rate", layeredTransfer(way{loss: "bernoulli:2%", link: manyWays}, 4, 500_000)},
	{"half an hour of a bottleneck", hours{minutes: 30, capacity: 260}.play},
	{"rising loss up to a break", hours{minutes: 30, capacity: 1000, loss: []int{0, 3, 8, 20, 55, 80, 90, 30, 4, 0}}.play},
	{"two senders, one of them behind loss", hours{minutes: 15, capacity: 1000, senders: 2, lossOfSecond: 12}.play},
	{"bursts, sequence numbers that jump, and forged paths", hours{minutes: 15, capacity: 700, loss: []int{1}, jumps: true, forged: true}.play},
	{"at most two layers", hours{minutes: 10, capacity: 900, max: 2}.play},
}

// layeredTransfer receives a file of a sender with several layers.
func layeredTransfer(w way, layers int, maxRate int64) func(*scene) {
	return func(s *scene) {
		src := s.source(1_500_000, params(gf8, 60, 60), withDigests)
		s.resume(receiver.Config{}, nil, newLayersPolicy(0, maxRate, rand.New(newDice(s.seed, 7))))
		s.listen(src, sender.Config{Rate: 250_000, Layers: layers}, w)
		s.run(enough)
		s.wantFile(src)
	}
}

// Hours are a long time in the life of the policy alone, with four layers of which
// layer 0 has 50 packets a second.
type hours struct {
	minutes      int
	capacity     int   // packets a second that get through; more are lost
	loss         []int // percent, in periods of the same length
	senders      int
	lossOfSecond int // percent, of the second sender
	max          int // layers
	jumps        bool
	forged       bool
}

// A layeredStream is a sender of four layers as the policy hears it.
type layeredStream struct {
	slots uint64
	seq   [4]uint32
	from  receiver.Origin
}

// next returns the path word of the next packet.
func (l *layeredStream) next(every int) proto.Path {
	const layers = 4
	layer := max(0, layers-1-bits.TrailingZeros64(l.slots|1<<(layers-1)))
	l.slots++
	l.seq[layer]++
	p := proto.Path{Layer: layer, Layers: layers, Seq: l.seq[layer], Sender: 1, Senders: 1, Rate: proto.RateCodeOf(500_000 << max(0, layer-1))}
	if l.slots/8%uint64(every) < 3 {
		p.Flags = proto.PathSync
	}
	return p
}

func (h hours) play(s *scene) {
	const perSecond = 400 // packets of all layers
	src := s.source(1, params(gf8, 1, 1), withoutDigests)
	s.receive(receiver.Config{}) // not used
	s.hear(stranger, src.manifest())
	policy := newLayersPolicy(h.max, 0, rand.New(newDice(s.seed, 7)))
	streams := make([]layeredStream, max(1, h.senders))
	for i := range streams {
		streams[i].from = receiver.Origin{From: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, 0, byte(i)}), 1), Interface: 1}
	}
	levels, wakes := 0, sha256.New()
	room := 0 // in thousandths of a packet, of the bottleneck's queue
	level, wake := policy.level(), time.Time{}
	total := h.minutes * 60 * perSecond
	for n := range total {
		s.now = s.now.Add(time.Second / perSecond)
		policy.tick(s.now)
		room = min(room+h.capacity*1000/perSecond, 40_000)
		loss := 0
		if len(h.loss) > 0 {
			loss = h.loss[n*len(h.loss)/total]
		}
		for i := range streams {
			st := &streams[i]
			if h.jumps && s.dice.below(200_000) == 0 {
				st.seq[s.dice.below(4)] += 1 << 30
			}
			p := st.next(200)
			if p.Layer > policy.level() {
				continue
			}
			if room < 1000 {
				continue
			}
			room -= 1000
			if s.dice.percent(loss) || i == 1 && s.dice.percent(h.lossOfSecond) {
				continue
			}
			policy.heard(s.now, st.from, p)
			if h.forged && s.dice.below(500) == 0 {
				from := receiver.Origin{From: netip.AddrPortFrom(netip.AddrFrom4([4]byte{172, 16, byte(s.dice.below(3)), byte(s.dice.below(200))}), 1), Interface: 1}
				p.Seq, p.Layer = uint32(s.dice.Uint64()), s.dice.below(16)
				policy.heard(s.now, from, p)
			}
		}
		if now := policy.level(); now != level {
			level = now
			levels++
			s.trace.at(s.now, "level %d", level)
		}
		if at := policy.wake(); !at.Equal(wake) {
			wake = at
			fmt.Fprintln(wakes, at.Sub(s.begin))
		}
	}
	s.trace.line("policy: %d changes of the level, wakes SHA-256 %.16x", levels, wakes.Sum(nil))
}
