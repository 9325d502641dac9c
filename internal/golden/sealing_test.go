// SPDX-License-Identifier: GPL-2.0-or-later

package golden_test

import (
	"bytes"

	"iotupd/proto"
	"iotupd/proto/seal"
	"iotupd/receiver"
	"iotupd/sender"
)

var sealingScenes = []namedScene{
	{"sealed, with digests, beside a sender in the clear", sealed(withDigests, receiver.Config{GroupKeys: []*seal.GroupKey{groupKey(1)}})},
	{"sealed, without digests, several keys", sealed(withoutDigests, receiver.Config{GroupKeys: []*seal.GroupKey{alike(groupKey(1)), groupKey(2), groupKey(1)}})},
	{"sealed and signed", sealedAndSigned},
	{"sealed, changed on the way", sealedAndChanged},
	{"sealed, and there is no key", sealedWithoutKey},
	{"sealed, killed", sealedAndKilled},
}

// alike returns a group key with the same hint as g.
func alike(g *seal.GroupKey) *seal.GroupKey {
	for i := range 1 << 16 {
		if other := seal.NewGroupKey(seal.Key{9, byte(i), byte(i >> 8)}); other.Hint() == g.Hint() {
			return other
		}
	}
	panic("no key has the same hint")
}

// sealed receives from a sealed sender and one that sends in the clear.
func sealed(with digests, cfg receiver.Config) func(*scene) {
	return func(s *scene) {
		src := s.source(120_000, params(gf8, 40, 40), with)
		s.receive(cfg)
		s.listen(src, sender.Config{Seal: groupKey(1)}, way{loss: "bernoulli:20%"})
		s.listen(src, sender.Config{Start: 3000}, way{})
		s.listen(src, sender.Config{Seal: groupKey(5)}, way{})
		s.run(enough)
		s.wantFile(src)
	}
}

func sealedAndSigned(s *scene) {
	key := newSecretKey(1)
	src := s.source(120_000, params(gf8, 40, 40), withDigests).signed(sequence(3), key)
	s.receive(receiver.Config{
		GroupKeys: []*seal.GroupKey{groupKey(1)}, Object: src.id,
		Trust: &receiver.Policy{Keys: []proto.PublicKey{key.public()}, Channel: "field"},
	})
	s.listen(src, sender.Config{Seal: groupKey(1)}, way{loss: "bernoulli:20%", late: 30})
	s.run(enough)
	s.wantFile(src)
}

// changed returns an attacker who changes what is encrypted.
func changed(s *scene) func([]byte) [][]byte {
	return func(heard []byte) [][]byte {
		if !s.dice.percent(30) {
			return nil
		}
		b := bytes.Clone(heard)
		b[proto.HeaderLen+s.dice.below(len(b)-proto.HeaderLen)] ^= 1
		proto.PutChecksum(b)
		return [][]byte{b}
	}
}

func sealedAndChanged(s *scene) {
	src := s.source(120_000, params(gf8, 40, 40), withDigests)
	s.receive(receiver.Config{GroupKeys: []*seal.GroupKey{groupKey(1)}})
	s.attack = changed(s)
	s.listen(src, sender.Config{Seal: groupKey(1)}, way{loss: "bernoulli:20%", late: 5})
	s.run(enough)
	s.wantFile(src)
}

func sealedWithoutKey(s *scene) {
	src := s.source(20_000, params(gf8, 40, 40), withDigests)
	s.receive(receiver.Config{})
	s.listen(src, sender.Config{Seal: groupKey(1)}, way{})
	s.run(60)
	s.carousels = nil
	s.listen(src, senderDefaults, way{})
	s.run(enough)
	s.wantFile(src)
}

func sealedAndKilled(s *scene) {
	src := s.source(150_000, params(gf8, 40, 40), withDigests)
	cfg := receiver.Config{GroupKeys: []*seal.GroupKey{groupKey(1)}}
	s.receive(cfg)
	s.listen(src, sender.Config{Seal: groupKey(1)}, way{loss: "bernoulli:20%"})
	s.run(300) // a manifest among them
	s.end()
	found := s.store().again()
	s.stores = nil
	s.trace.at(s.now, "killed")
	s.resume(cfg, found, nil)
	s.run(enough)
	s.wantFile(src)
}
