// SPDX-License-Identifier: GPL-2.0-or-later

package golden_test

import (
	"time"

	"iotupd/bench/simnet"
	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/sender"
)

const (
	none = proto.CodeNone
	gf8  = proto.CodeLeopard8
	gf16 = proto.CodeLeopard16
)

// enough is more packets than any scene here needs.
const enough = 100_000

// A lossy scene is one object, its senders, and their ways to the receiver.
type lossy struct {
	size    int
	params  proto.Params
	digests digests
	senders []sender.Config
	ways    []way // one a sender; the last one is for all that follow
	cfg     receiver.Config
	lazy    int // see scene
	beside  bool
	attack  func(*scene, *source) *attacker
}

// play receives the file.
func (l lossy) play(s *scene) {
	src := s.source(l.size, l.params, l.digests)
	s.lazy, s.beside = l.lazy, l.beside
	if l.attack != nil {
		s.attack = l.attack(s, src).forgeries
	}
	s.receive(l.cfg)
	if l.senders == nil {
		l.senders = []sender.Config{{}}
	}
	for i, cfg := range l.senders {
		w := way{}
		if len(l.ways) > 0 {
			w = l.ways[min(i, len(l.ways)-1)]
		}
		s.listen(src, cfg, w)
	}
	s.run(enough)
	s.wantFile(src)
}

var (
	empty    = params(none, 1, 0)
	manyWays = simnet.LinkConfig{
		Delay: 5 * time.Millisecond, Jitter: 3 * time.Millisecond,
		Reorder: 5 * simnet.Percent, HoldUp: 9 * time.Millisecond, Duplicate: 4 * simnet.Percent,
	}
)

var lossScenes = []namedScene{
	{"an empty file without digests", lossy{params: empty}.play},
	{"an empty file with digests", lossy{params: empty, digests: true, ways: []way{{loss: "bernoulli:60%"}}}.play},
	{"one byte", lossy{size: 1, params: params(gf8, 1, 3), ways: []way{{loss: "bernoulli:50%"}}}.play},
	{"one shard and a byte, with digests", lossy{size: 513, params: params(gf8, 2, 2), digests: true, ways: []way{{loss: "bernoulli:40%"}}}.play},
	{"no parity", lossy{size: 70_001, params: params(none, 40, 0), digests: true, ways: []way{{loss: "bernoulli:20%"}}}.play},
	{"nothing is lost", lossy{size: 100_000, params: params(gf8, 30, 30), digests: true}.play},
	{"several groups, independent loss", lossy{size: 150_000, params: params(gf8, 40, 40), ways: []way{{loss: "bernoulli:25%"}}}.play},
	{"several groups, bursts", lossy{size: 250_001, params: params(gf8, 50, 70), digests: true, ways: []way{{loss: "gilbert:20%,burst=15"}}}.play},
	{"one large group over GF(2^16)", lossy{size: 260_000, params: params(gf16, 508, 508), digests: true, ways: []way{{loss: "bernoulli:10%", late: 300}}}.play},
	{"groups over GF(2^16)", lossy{size: 400_000, params: params(gf16, 300, 150), ways: []way{{loss: "gilbert:30%,burst=4", late: 555}}}.play},
	{"periodic loss", lossy{size: 120_000, params: params(gf8, 24, 24), digests: true, ways: []way{{loss: "periodic:10"}}}.play},
	{"reordered and duplicated", lossy{size: 120_000, params: params(gf8, 24, 12), digests: true, ways: []way{{loss: "bernoulli:10%", link: manyWays}}}.play},
	{"joined late, in the middle of parity", lossy{size: 90_000, params: params(gf8, 20, 60), digests: true, ways: []way{{loss: "bernoulli:5%", late: 400}}}.play},
	{"two coordinated senders", lossy{size: 200_000, params: params(gf8, 45, 45), digests: true,
		senders: []sender.Config{{Sender: 1, Senders: 2}, {Sender: 2, Senders: 2, Rate: 7_000_000}},
		ways:    []way{{loss: "bernoulli:15%"}, {loss: "gilbert:25%,burst=6"}}}.play},
	{"two senders that do not know each other", lossy{size: 150_000, params: params(gf8, 45, 45), digests: true,
		senders: []sender.Config{{Start: 2500}, {Start: 2500, Rate: 3_000_000}},
		ways:    []way{{loss: "bernoulli:30%"}}}.play},
	{"jobs beside", lossy{size: 300_000, params: params(gf8, 25, 50), digests: true, beside: true,
		cfg: receiver.Config{Workers: 3}, ways: []way{{loss: "bernoulli:35%", late: 100}}}.play},
	{"jobs beside, without digests, little memory", lossy{size: 300_000, params: params(gf8, 25, 50), beside: true,
		cfg: receiver.Config{Workers: 4, Memory: 40 << 10}, ways: []way{{loss: "bernoulli:35%"}}}.play},
	{"jobs beside, memory for two decoders", lossy{size: 300_000, params: params(gf8, 25, 50), beside: true, lazy: 10,
		cfg: receiver.Config{Workers: 4, Memory: 220 << 10}, ways: []way{{loss: "bernoulli:35%"}}}.play},
	{"jobs that wait long", lossy{size: 300_000, params: params(gf8, 25, 50), digests: true, lazy: 2,
		ways: []way{{loss: "gilbert:35%,burst=8", late: 100}}}.play},
	{"jobs beside that wait long", lossy{size: 300_000, params: params(gf8, 15, 50), digests: true, lazy: 4, beside: true,
		cfg: receiver.Config{Workers: 2}, ways: []way{{loss: "gilbert:35%,burst=8", late: 100}}}.play},
	{"damaged, replayed and misfit packets", lossy{size: 120_000, params: params(gf8, 30, 30), digests: true,
		ways: []way{{loss: "bernoulli:10%", link: manyWays}},
		attack: func(s *scene, src *source) *attacker {
			return &attacker{dice: s.dice, src: src, damage: 20, replayed: 20, wrongGeometry: 10, otherObject: 10}
		}}.play},
}
