// SPDX-License-Identifier: GPL-2.0-or-later

package golden_test

import (
	"errors"
	"time"

	"iotupd/proto"
	"iotupd/receiver"
)

var trustScenes = []namedScene{
	{"what the policy says of every kind of manifest", policies},
	{"a newer release takes over", newerRelease},
	{"an unsigned object before the signed one", unsignedFirst},
	{"a flood of forged signatures", signatureFlood},
	{"a forged object that does not fit on the disk", forgedAndTooLarge},
	{"a forged object that cannot be opened", forgedAndNotOpened},
	{"a signed object that does not fit on the disk", signedAndTooLarge},
	{"several keys, installed releases, an attacker", installedReleases},
	{"by name, beside another object", byName},
	{"by SHA-256, beside another object", bySHA},
	{"an object without a manifest, and another one", uncertified},
	{"too large", tooLarge},
	{"releases of the same sequence", sameSequence},
	{"more refused objects than are remembered", manyRefused},
}

// vendor is the key that is trusted, partner another one, and foreign is not
// trusted.
var vendor, partner, foreign = newSecretKey(1), newSecretKey(2), newSecretKey(3)

// trusting returns a policy for the channel of signed sources.
func trusting(change func(p *receiver.Policy)) *receiver.Policy {
	p := &receiver.Policy{Channel: "field", Keys: []proto.PublicKey{vendor.public(), partner.public()}}
	if change != nil {
		change(p)
	}
	return p
}

func installed(n uint64, id proto.ObjectID) func(p *receiver.Policy) {
	return func(p *receiver.Policy) {
		p.Installed = map[receiver.Series]receiver.Release{{Key: vendor.id}: {Sequence: n, Object: id}}
	}
}

// policies gives one manifest each to receivers with various policies, with and
// without a shard before it.
func policies(s *scene) {
	src := s.source(10_000, params(gf8, 10, 10), withDigests)
	other := proto.ObjectID{1}
	cases := []struct {
		name   string
		change func(m *proto.Manifest)
		by     secretKey
		policy func(p *receiver.Policy)
	}{
		{"accepted", sequence(7), vendor, nil},
		{"unsigned", sequence(7), foreign, nil},
		{"another channel", func(m *proto.Manifest) { m.Channel = "lab" }, vendor, nil},
		{"no channel", func(m *proto.Manifest) { m.Channel = "" }, vendor, nil},
		{"this hardware", func(m *proto.Manifest) { m.Targets = []string{"a", "b"} }, vendor, func(p *receiver.Policy) { p.Targets = []string{"b"} }},
		{"other hardware", func(m *proto.Manifest) { m.Targets = []string{"a"} }, vendor, func(p *receiver.Policy) { p.Targets = []string{"b"} }},
		{"expired", func(m *proto.Manifest) { m.Expires = uint64(epoch.Unix()) }, vendor, nil},
		{"not expired", func(m *proto.Manifest) { m.Expires = uint64(epoch.Unix()) + 1 }, vendor, nil},
		{"older", sequence(6), vendor, installed(7, other)},
		{"older, signed by the partner", sequence(6), partner, installed(7, other)},
		{"the same", sequence(7), vendor, installed(7, src.id)},
		{"another object of the same sequence", sequence(7), vendor, installed(7, other)},
		{"newer", sequence(8), vendor, installed(7, other)},
		{"downgrade", sequence(6), vendor, func(p *receiver.Policy) { installed(7, other)(p); p.AllowDowngrade = true }},
		{"below the minimum", sequence(6), vendor, func(p *receiver.Policy) { p.MinSequence, p.AllowDowngrade = 7, true }},
	}
	for _, c := range cases {
		signed := src.signed(c.change, c.by)
		for _, first := range []bool{false, true} {
			s.trace.line("-- %s, a shard first: %v", c.name, first)
			s.receive(receiver.Config{Trust: trusting(c.policy)})
			if first {
				s.hear(stranger, src.shard(0, 1))
			}
			s.hear(stranger, signed.manifest(), src.shard(0, 2), signed.manifest())
		}
	}
}

// newerRelease receives a release, until a sender of a newer one begins.
func newerRelease(s *scene) {
	old := s.source(100_000, params(gf8, 30, 30), withDigests).signed(sequence(5), vendor)
	next := newSource(s.t, "next", randomFile(77, 80_000), params(gf8, 30, 30), withDigests).signed(sequence(6), vendor)
	s.receive(receiver.Config{Trust: trusting(nil)})
	s.listen(old, senderDefaults, way{loss: "bernoulli:10%"})
	s.run(120)
	s.listen(next, senderDefaults, way{})
	s.run(enough)
	s.wantFile(next)
}

func unsignedFirst(s *scene) {
	ghost := newSource(s.t, "ghost", randomFile(78, 50_000), params(gf8, 30, 30), withDigests)
	src := s.source(100_000, params(gf8, 30, 30), withDigests).signed(sequence(5), vendor)
	s.receive(receiver.Config{Trust: trusting(nil)})
	s.listen(ghost, senderDefaults, way{loss: "bernoulli:10%"})
	s.run(300)
	s.listen(src, senderDefaults, way{loss: "bernoulli:10%"})
	s.run(enough)
	s.wantFile(src)
}

// signatureFlood has so many forged signatures that not all are verified.
func signatureFlood(s *scene) {
	src := s.source(50_000, params(gf8, 30, 30), withDigests).signed(sequence(5), vendor)
	impostor := foreign
	impostor.id = vendor.id
	forged := src.signed(sequence(9), impostor, impostor, impostor).manifest()
	s.receive(receiver.Config{Trust: trusting(nil), SignatureRate: 20})
	s.attack = func([]byte) [][]byte {
		if s.dice.percent(3) {
			return [][]byte{forged}
		}
		return nil
	}
	s.listen(src, senderDefaults, way{loss: "bernoulli:10%", late: 1})
	s.run(enough)
	s.wantFile(src)
}

// limited opens stores that fail beyond so many bytes.
func (s *scene) limited(end int64) func(proto.ObjectID, proto.Params) (receiver.Store, error) {
	return func(_ proto.ObjectID, p proto.Params) (receiver.Store, error) {
		store := newMemStore(s.ops, int(p.Size))
		store.fail = func(op string, to int64) error {
			if (op == "write" || op == "reserve") && to > end {
				return errors.New("disk full")
			}
			return nil
		}
		s.stores = append(s.stores, store)
		return store, nil
	}
}

func forgedAndTooLarge(s *scene) {
	ghost := newSource(s.t, "ghost", randomFile(79, 400_000), params(gf8, 30, 30), withDigests)
	src := s.source(100_000, params(gf8, 30, 30), withDigests).signed(sequence(5), vendor)
	s.receive(receiver.Config{Trust: trusting(nil), Open: s.limited(300_000)})
	s.listen(ghost, senderDefaults, way{})
	s.run(900)
	s.listen(src, senderDefaults, way{loss: "bernoulli:10%", late: 5})
	s.run(enough)
	s.wantFile(src)
}

func forgedAndNotOpened(s *scene) {
	ghost := newSource(s.t, "ghost", randomFile(79, 40_000), params(gf8, 30, 30), withDigests)
	src := s.source(100_000, params(gf8, 30, 30), withDigests).signed(sequence(5), vendor)
	open := s.limited(1 << 20)
	s.receive(receiver.Config{Trust: trusting(nil), Open: func(id proto.ObjectID, p proto.Params) (receiver.Store, error) {
		if id == ghost.id {
			return nil, errors.New("no permission")
		}
		return open(id, p)
	}})
	s.hear(stranger, ghost.shard(0, 0), ghost.shard(0, 1), src.shard(0, 1))
	s.listen(src, senderDefaults, way{loss: "bernoulli:10%"})
	s.run(enough)
	s.wantFile(src)
}

func signedAndTooLarge(s *scene) {
	src := s.source(100_000, params(gf8, 30, 30), withDigests).signed(sequence(5), vendor)
	s.receive(receiver.Config{Trust: trusting(nil), Open: s.limited(50_000)})
	s.listen(src, senderDefaults, way{loss: "bernoulli:10%"})
	s.run(enough)
	s.wantError()
}

func installedReleases(s *scene) {
	src := s.source(100_000, params(gf8, 30, 30), withDigests).signed(sequence(8), foreign, partner, vendor)
	s.receive(receiver.Config{Memory: 16 << 10, Trust: trusting(func(p *receiver.Policy) {
		p.Installed = map[receiver.Series]receiver.Release{{Key: vendor.id}: {Sequence: 7}, {Key: foreign.id}: {Sequence: 70}}
		p.MinSequence = 3
	})})
	s.attack = (&attacker{dice: s.dice, src: src, data: 20, parity: 20, digests: 20, manifests: 20}).forgeries
	s.listen(src, senderDefaults, way{loss: "bernoulli:10%", late: 40})
	s.run(enough)
	s.wantFile(src)
}

// twoObjects are what two senders send to the same multicast group.
func (s *scene) twoObjects() (a, b *source) {
	a = newSource(s.t, "other", randomFile(80, 60_000), params(gf8, 30, 30), withoutDigests)
	return a, s.source(100_000, params(gf8, 30, 30), withDigests)
}

func (s *scene) receiveSecond(a, b *source, cfg receiver.Config) {
	s.receive(cfg)
	s.listen(a, senderDefaults, way{loss: "bernoulli:20%"})
	s.listen(b, senderDefaults, way{loss: "bernoulli:20%", late: 20})
	s.run(enough)
	s.wantFile(b)
}

func byName(s *scene) {
	a, b := s.twoObjects()
	s.receiveSecond(a, b, receiver.Config{Name: func(name string) bool { return name == "fw" }})
}

func bySHA(s *scene) {
	a, b := s.twoObjects()
	s.receiveSecond(a, b, receiver.Config{SHA256: b.object.Manifest.Descriptor.SHA256})
}

// uncertified hears an object of which no manifest comes, and manifests of another one.
func uncertified(s *scene) {
	a, b := s.twoObjects()
	s.receive(receiver.Config{})
	s.hear(stranger, a.shard(0, 0))
	for range 14 {
		s.hear(stranger, b.manifest(), a.shard(0, 1+s.dice.below(9)))
		s.later(time.Second)
	}
	s.listen(b, senderDefaults, way{loss: "bernoulli:20%"})
	s.run(enough)
	s.wantFile(b)
}

func tooLarge(s *scene) {
	a, b := s.twoObjects()
	s.receive(receiver.Config{MaxSize: 100_000})
	s.hear(stranger, forge(s.t, a.shard(0, 0), func(h *proto.Header, _ []byte) { h.Size = 1 << 50 }))
	s.hear(stranger, forge(s.t, a.shard(0, 0), func(h *proto.Header, _ []byte) { h.Size = 100_001 }))
	s.listen(b, senderDefaults, way{loss: "bernoulli:20%"})
	s.run(enough)
	s.wantFile(b)
}

// sameSequence hears a second release of the sequence that is being received.
func sameSequence(s *scene) {
	src := s.source(60_000, params(gf8, 30, 30), withDigests).signed(sequence(5), vendor)
	other := newSource(s.t, "other", randomFile(81, 60_000), params(gf8, 30, 30), withDigests)
	s.receive(receiver.Config{Trust: trusting(nil)})
	s.hear(stranger, src.manifest(), src.shard(0, 1))
	for n := range uint64(6) {
		s.hear(stranger, other.signed(sequence(n), vendor).manifest(), other.shard(0, 1))
	}
	s.listen(src, senderDefaults, way{})
	s.run(enough)
	s.wantFile(src)
}

// manyRefused hears manifests of many objects, none of which is followed, and
// then their shards.
func manyRefused(s *scene) {
	s.receive(receiver.Config{Trust: trusting(nil), SignatureRate: 1 << 20})
	var all []*source
	for n := range uint64(70) {
		src := newSource(s.t, "refused", randomFile(1000+n, 300), params(gf8, 1, 1), withDigests)
		all = append(all, src.signed(func(m *proto.Manifest) { m.Channel = "lab" }, vendor))
	}
	for range 2 {
		for _, src := range all {
			s.hear(stranger, src.manifest(), src.with(func(m *proto.Manifest) { m.Signatures = nil }).manifest())
		}
	}
	for _, src := range all {
		s.hear(stranger, src.shard(0, 0))
	}
}
