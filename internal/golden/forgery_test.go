// SPDX-License-Identifier: GPL-2.0-or-later

package golden_test

import (
	"errors"
	"time"

	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/sender"
)

// forger returns an attacker with shares in percent.
func forger(a attacker) func(*scene, *source) *attacker {
	return func(s *scene, src *source) *attacker {
		a := a
		a.dice, a.src = s.dice, src
		return &a
	}
}

// notReencoded is memory for decoders that is too little for making parity
// again.
var notReencoded = receiver.Config{Memory: 24 << 10}

var forgeryScenes = []namedScene{
	{"data", lossy{size: 150_000, params: params(gf8, 40, 40), digests: true, cfg: notReencoded,
		ways: []way{{loss: "bernoulli:10%"}}, attack: forger(attacker{data: 30})}.play},
	{"parity", lossy{size: 150_000, params: params(gf8, 40, 40), digests: true, cfg: notReencoded,
		ways: []way{{loss: "bernoulli:20%", late: 200}}, attack: forger(attacker{parity: 20})}.play},
	{"digests and outlines", lossy{size: 150_000, params: params(gf8, 40, 40), digests: true,
		ways: []way{{loss: "bernoulli:20%"}}, attack: forger(attacker{digests: 50, outlines: 50})}.play},
	{"manifests", lossy{size: 100_000, params: params(gf8, 40, 40), digests: true,
		ways: []way{{loss: "bernoulli:20%", late: 10}}, attack: forger(attacker{manifests: 30})}.play},
	{"everything, jobs beside", lossy{size: 150_000, params: params(gf8, 40, 60), digests: true, beside: true,
		cfg: receiver.Config{Workers: 3, Memory: 24 << 10}, ways: []way{{loss: "bernoulli:20%", late: 77}},
		attack: forger(attacker{data: 20, parity: 20, digests: 20, outlines: 20, manifests: 5, otherObject: 20})}.play},
	{"everything, few leaves in memory", lossy{size: 150_000, params: params(gf16, 70, 100), digests: true,
		cfg: receiver.Config{LeafMemory: 600, Memory: 60 << 10}, ways: []way{{loss: "gilbert:20%,burst=8"}},
		attack: forger(attacker{data: 30, parity: 30, digests: 30, outlines: 30})}.play},
	{"a forged shard without digests: once", corruptOnce},
	{"forged shards without digests: too often", corruptTooOften},
	{"forged shards that no leaf confirmed", corruptWithDigests},
	{"the object has another SHA-256 than its file", wrongSHA},
	{"the first packet has forged parameters", forgedParameters},
	{"a record of an object without a tree", withoutTree},
}

// corruptOnce stores one forged data shard of an object without digests.
func corruptOnce(s *scene) {
	src := s.source(60_000, params(gf8, 30, 30), withoutDigests)
	s.receive(receiver.Config{})
	s.hear(stranger, src.manifest(), forge(s.t, src.shard(1, 3), flip))
	s.listen(src, senderDefaults, way{loss: "bernoulli:10%"})
	s.run(enough)
	s.wantFile(src)
}

func corruptTooOften(s *scene) {
	src := s.source(60_000, params(gf8, 30, 30), withoutDigests)
	s.attack = (&attacker{dice: s.dice, src: src, data: 5}).forgeries
	s.receive(receiver.Config{})
	s.listen(src, senderDefaults, way{loss: "bernoulli:10%"})
	s.run(enough)
	s.wantError()
	if !errors.Is(s.d.Err(), receiver.ErrIntegrity) {
		s.t.Errorf("error %v, want %v", s.d.Err(), receiver.ErrIntegrity)
	}
}

// corruptWithDigests completes groups before any leaf of them is known, one of
// them with a forged shard, so that only the final SHA-256 shows it.
func corruptWithDigests(s *scene) {
	src := s.source(60_000, params(gf8, 30, 30), withDigests)
	s.receive(receiver.Config{})
	s.hear(stranger, src.manifest(), forge(s.t, src.shard(2, 5), flip))
	for g := range uint32(src.geo.Groups) {
		for i := range src.geo.RealShards(g) {
			s.hear(stranger, src.shard(g, i))
		}
	}
	s.listen(src, senderDefaults, way{loss: "bernoulli:10%"})
	s.run(enough)
	s.wantFile(src)
}

// wrongSHA is an object whose sender is wrong about the SHA-256, without
// digests, and whose file arrives.
func wrongSHA(s *scene) {
	src := s.source(30_000, params(gf8, 30, 30), withoutDigests).with(func(m *proto.Manifest) { m.Descriptor.SHA256[0] ^= 1 })
	s.receive(receiver.Config{})
	s.listen(src, senderDefaults, way{})
	s.run(enough)
	s.wantError()
}

// forgedParameters begins with a shard of the object, as if the file were longer
// than it is.
func forgedParameters(s *scene) {
	src := s.source(60_000, params(gf8, 30, 30), withDigests)
	s.receive(receiver.Config{})
	s.hear(stranger, forge(s.t, src.shard(0, 0), func(h *proto.Header, _ []byte) { h.Size += 100_000 }))
	s.hear(stranger, src.shard(0, 1))
	s.later(time.Second)
	s.listen(src, senderDefaults, way{loss: "bernoulli:10%"})
	s.run(enough)
	s.wantFile(src)
}

// withoutTree has forged records wait for the manifest, which says that there are
// none.
func withoutTree(s *scene) {
	src := s.source(60_000, params(gf8, 30, 30), withoutDigests)
	other := newSource(s.t, "other", src.file, src.geo.Params, withDigests)
	s.receive(receiver.Config{})
	for i := range 20 {
		s.hear(stranger, src.shard(0, i), src.shard(1, i+15))
		s.hear(stranger, forge(s.t, other.digest(0, 0), func(h *proto.Header, _ []byte) { h.Object = src.id }))
	}
	s.hear(stranger, src.manifest())
	s.hear(stranger, forge(s.t, other.digest(0, 0), func(h *proto.Header, _ []byte) { h.Object = src.id }))
	s.listen(src, senderDefaults, way{loss: "bernoulli:10%"})
	s.run(enough)
	s.wantFile(src)
}

// reencodeScenes are those in which the parity of a group is made again, after
// the group was decoded from forged shards.
var reencodeScenes = []namedScene{
	{"one forged shard before its leaf", reencodeOne},
	{"forged parity, joined late", lossy{size: 200_000, params: params(gf8, 40, 80), digests: true,
		ways: []way{{loss: "gilbert:30%,burst=20", late: 300}}, attack: forger(attacker{parity: 25})}.play},
	{"everything, jobs beside", lossy{size: 200_000, params: params(gf8, 30, 60), digests: true, beside: true,
		cfg: receiver.Config{Workers: 3}, ways: []way{{loss: "gilbert:30%,burst=20", late: 300}},
		attack: forger(attacker{data: 20, parity: 40, digests: 10})}.play},
	{"everything, jobs that wait long", lossy{size: 200_000, params: params(gf8, 30, 60), digests: true, lazy: 3,
		ways: []way{{loss: "gilbert:30%,burst=20", late: 300}}, attack: forger(attacker{data: 20, parity: 40, digests: 10})}.play},
	{"everything, jobs beside that wait long", lossy{size: 200_000, params: params(gf8, 15, 60), digests: true, lazy: 5, beside: true,
		cfg: receiver.Config{Workers: 4}, ways: []way{{loss: "gilbert:30%,burst=20", late: 300}},
		attack: forger(attacker{data: 20, parity: 40, digests: 10})}.play},
}

// reencodeOne decodes a group from seven data shards, a forged and a genuine
// parity shard, and then reports the leaves. Nothing is received of the other group
// before, so that the file is not hashed.
func reencodeOne(s *scene) {
	p := params(gf8, 9, 27)
	src := s.source(2*9*p.ShardSize, p, withDigests)
	s.receive(receiver.Config{})
	s.hear(stranger, src.manifest())
	for i := range 6 {
		s.hear(stranger, src.shard(0, i))
	}
	s.hear(stranger, src.shard(0, 20), forge(s.t, src.shard(0, 30), flip), src.shard(0, 15))
	for record := range src.tree.PerGroup() {
		s.hear(stranger, src.digest(0, record), src.shard(0, 21))
	}
	s.hear(stranger, src.shard(0, 7), src.shard(0, 8), src.shard(0, 22))
	s.listen(src, sender.Config{Start: 5000}, way{})
	s.run(enough)
	s.wantFile(src)
}
