// SPDX-License-Identifier: GPL-2.0-or-later

package golden_test

import (
	"crypto/sha256"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"iotupd/bench/simnet"
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
	{"a transfer with a limit just below the rate of two layers", layeredTransfer(way{loss: "bernoulli:1%"}, 4, 480_000)},
	{"loss that changes every few seconds", hours{minutes: 60, capacity: 1000, changing: true}.play},
	{"packets that are late by about as many as are waited for", hours{minutes: 20, capacity: 1000, late: true, loss: []int{3}}.play},
	{"two senders that fall silent, and a limit on the rate", hours{minutes: 30, capacity: 1000, senders: 2, silences: true, maxRate: 2_200_000}.play},
	{"more streams than are measured", hours{minutes: 6, capacity: 1000, flood: 600}.play},
	{"almost more streams than are measured", hours{minutes: 6, capacity: 1000, flood: 251}.play},
	{"a few more streams than are measured", hours{minutes: 6, capacity: 1000, flood: 254}.play},
	{"levels that fail twice, hold, and fail again", hours{minutes: 10, capacity: 1000, loss: failing}.play},
	{"outages just after a join", hours{minutes: 30, capacity: 1000, outages: true}.play},
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
	changing     bool  // loss is another one every few seconds
	senders      int
	lossOfSecond int // percent, of the second sender
	max          int // layers
	maxRate      int64
	jumps        bool // of sequence numbers
	late         bool // some packets are held up
	silences     bool // of the senders
	forged       bool // packets of some hundred other senders
	flood        int  // so many other senders, for half of the time
	outages      bool // nothing arrives for a moment after a join
}

// failing is the loss of periods of 5 s in which layers are left again and
// again, and then hold.
var failing = slices.Concat(
	fives(40, 0), fives(5, 70), fives(20, 0), fives(5, 70), fives(90, 0), fives(5, 70), fives(90, 0),
	fives(5, 70), fives(25, 0), fives(5, 70), fives(30, 0), fives(5, 70), fives(275, 0),
)

// fives returns the same loss in percent for so many seconds.
func fives(seconds, loss int) []int { return slices.Repeat([]int{loss}, seconds/5) }

const (
	perSecond = 400 // packets of all four layers of a sender
	queued    = 40  // packets that the bottleneck holds
)

// A layeredStream is a sender of four layers as the policy hears it.
type layeredStream struct {
	slots  uint64
	seq    [4]uint32
	from   receiver.Origin
	silent int        // slots until it goes on
	held   []heldPath // packets that come late
}

// A heldPath arrives with a later slot.
type heldPath struct {
	slot uint64
	path proto.Path
}

// next returns the path word of the next packet. Sync points come every 4 s.
func (l *layeredStream) next() proto.Path {
	const layers = 4
	layer := max(0, layers-1-bits.TrailingZeros64(l.slots|1<<(layers-1)))
	l.slots++
	l.seq[layer]++
	p := proto.Path{Layer: layer, Layers: layers, Seq: l.seq[layer], Sender: 1, Senders: 1, Rate: proto.RateCodeOf(500_000 << max(0, layer-1))}
	if l.slots/8%200 < 3 {
		p.Flags = proto.PathSync
	}
	return p
}

// A weather is the state of the network in an hours.
type weather struct {
	hours
	*scene
	policy *layersPolicy
	room   int // left in the bottleneck's queue, in thousandths of a packet
	loss   int // percent
	change int // slots until the loss changes
	outage int // slots until nothing arrives
	gap    int // slots for which nothing arrives then
}

func (h hours) play(s *scene) {
	s.receive(receiver.Config{}) // hears nothing
	w := weather{hours: h, scene: s, policy: newLayersPolicy(h.max, h.maxRate, rand.New(newDice(s.seed, 7)))}
	streams := make([]layeredStream, max(1, h.senders))
	for i := range streams {
		streams[i].from = origin(10, 1, 0, byte(i))
	}
	changes, wakes := 0, sha256.New()
	level, wake := w.policy.level(), time.Time{}
	total := h.minutes * 60 * perSecond
	for n := range total {
		s.now = s.now.Add(time.Second / perSecond)
		w.policy.tick(s.now)
		w.room = min(w.room+h.capacity*1000/perSecond, queued*1000)
		w.setLoss(n, total)
		for i := range streams {
			w.slot(i, &streams[i])
		}
		if h.forged && s.dice.below(500) == 0 || h.flood > 0 && n < total/2 && s.dice.below(4) == 0 {
			w.forge()
		}
		if now := w.policy.level(); now != level {
			if h.outages && now > level {
				w.outage = s.dice.below(20)
				w.gap = 20 + s.dice.below(60)
			}
			level = now
			changes++
			s.trace.at(s.now, "level %d", level)
		}
		if at := w.policy.wake(); !at.Equal(wake) {
			wake = at
			fmt.Fprintln(wakes, at.Sub(s.begin))
		}
	}
	s.trace.line("policy: %d changes of the level, wakes SHA-256 %.16x", changes, wakes.Sum(nil))
}

func origin(a, b, c, d byte) receiver.Origin {
	return receiver.Origin{From: netip.AddrPortFrom(netip.AddrFrom4([4]byte{a, b, c, d}), 1), Interface: 1}
}

// setLoss sets the loss of slot n.
func (w *weather) setLoss(n, total int) {
	switch {
	case !w.changing && len(w.hours.loss) > 0:
		w.loss = w.hours.loss[n*len(w.hours.loss)/total]
	case w.changing && w.change == 0:
		w.loss = []int{0, 0, 0, 0, 1, 1, 6, 9, 20, 63}[w.dice.below(10)]
		w.change = perSecond / 4 * (8 + w.dice.below(200))
	case w.changing:
		w.change--
	}
}

// slot lets a sender send one packet.
func (w *weather) slot(i int, st *layeredStream) {
	if w.silences && st.silent == 0 && w.dice.below(60*perSecond) == 0 {
		st.silent = perSecond * (5 + w.dice.below(10))
	}
	if st.silent > 0 {
		st.silent--
		return
	}
	if w.jumps && w.dice.below(200_000) == 0 {
		st.seq[w.dice.below(4)] += 1 << 30
	}
	p := st.next()
	if p.Layer > w.policy.level() || w.room < 1000 {
		return
	}
	w.room -= 1000
	switch {
	case w.outage > 0:
		w.outage--
		w.policy.heard(w.now, st.from, p)
	case w.gap > 0:
		w.gap--
	case w.dice.percent(w.loss) || i == 1 && w.dice.percent(w.lossOfSecond):
	case w.late && w.dice.below(25) == 0:
		every := uint64(8) // slots from one packet of the layer to the next
		if p.Layer > 0 {
			every = 16 >> p.Layer
		}
		st.held = append(st.held, heldPath{st.slots + every*uint64(50+w.dice.below(30)), p})
	default:
		w.policy.heard(w.now, st.from, p)
	}
	rest := st.held[:0]
	for _, h := range st.held {
		if h.slot > st.slots {
			rest = append(rest, h)
		} else {
			w.policy.heard(w.now, st.from, h.path)
		}
	}
	st.held = rest
}

// forge lets the policy hear a packet of one of many senders.
func (w *weather) forge() {
	p := proto.Path{Flags: proto.PathSync, Layer: w.dice.below(16), Layers: 16, Seq: uint32(w.dice.Uint64()), Rate: 100, Sender: 1, Senders: 1}
	from := w.dice.below(600)
	if w.flood > 0 {
		p.Layer, from = 0, from%w.flood
	}
	w.policy.heard(w.now, origin(172, 16, byte(from>>8), byte(from)), p)
}
