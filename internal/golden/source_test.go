// SPDX-License-Identifier: GPL-2.0-or-later

package golden_test

import (
	"bytes"
	"crypto/ed25519"
	"math/rand/v2"
	"testing"

	"iotupd/proto"
	"iotupd/proto/seal"
	"iotupd/sender"
)

// Dice are seeded random numbers, the same on every CPU.
type dice struct{ *rand.PCG }

func newDice(seed, purpose uint64) dice { return dice{rand.NewPCG(seed, purpose)} }

// below returns a number from 0 to n-1.
func (d dice) below(n int) int { return int(d.Uint64() % uint64(n)) }

// percent reports true in p of a hundred calls.
func (d dice) percent(p int) bool { return d.below(100) < p }

// A source is a file and the object that senders make of it.
type source struct {
	t      testing.TB
	file   []byte
	object *sender.Object
	geo    proto.Geometry
	tree   proto.Tree // zero: the object has no digests
	id     proto.ObjectID
}

// params returns parameters with shards of 512 bytes, which have room for a
// hash tree.
func params(code proto.Code, k, m int) proto.Params {
	return proto.Params{Code: code, K: k, M: m, ShardSize: 2 * proto.MinShardSize}
}

// digests says whether an object has a hash tree.
type digests bool

const (
	withDigests    digests = true
	withoutDigests digests = false
)

// randomFile returns size bytes.
func randomFile(seed uint64, size int) []byte {
	file := make([]byte, size)
	key := [32]byte{byte(seed), byte(seed >> 8), byte(size), byte(size >> 8), byte(size >> 16)}
	rand.NewChaCha8(key).Read(file)
	return file
}

// newSource prepares the object of a file.
func newSource(t testing.TB, name string, file []byte, p proto.Params, with digests) *source {
	t.Helper()
	p.Size = uint64(len(file))
	o, err := sender.Prepare(t.Context(), bytes.NewReader(file), p, sender.PrepareConfig{WithoutDigests: with == withoutDigests})
	if err != nil {
		t.Fatal(err)
	}
	o.Manifest.Name = name
	s := &source{t: t, file: file, object: o, id: o.Manifest.Descriptor.Object()}
	if s.geo, err = p.Geometry(); err != nil {
		t.Fatal(err)
	}
	if o.Digests != nil {
		if s.tree, err = s.geo.Tree(); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// with returns a source of the same object whose manifest is changed.
func (s *source) with(change func(m *proto.Manifest)) *source {
	other := *s
	object := *s.object
	change(&object.Manifest)
	other.object, other.id = &object, object.Manifest.Descriptor.Object()
	return &other
}

// signed returns a source of the same object whose manifest is changed and then
// signed.
func (s *source) signed(change func(m *proto.Manifest), by ...secretKey) *source {
	return s.with(func(m *proto.Manifest) {
		m.Channel = "field"
		change(m)
		for _, key := range by {
			m.Signatures = append(m.Signatures, key.sign(m))
		}
	})
}

// sequence is a change of a manifest.
func sequence(n uint64) func(*proto.Manifest) { return func(m *proto.Manifest) { m.Sequence = n } }

// manifest returns the datagram with the manifest.
func (s *source) manifest() []byte {
	s.t.Helper()
	c, err := sender.New(sender.Config{Rand: rand.New(newDice(0, 0))}, s.object)
	if err != nil {
		s.t.Fatal(err)
	}
	b, err := c.AppendDatagrams(nil, epoch, 1)
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

func (s *source) header(t proto.Type, g uint32, index int) proto.Header {
	return proto.Header{Type: t, Object: s.id, Params: s.geo.Params, Group: g, Index: index,
		Path: proto.Path{Layers: 1, Sender: 1, Senders: 1}}
}

// complete turns what a source appended to a header into a datagram.
func (s *source) complete(b []byte, err error) []byte {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
	proto.PutChecksum(b)
	return b
}

// shard returns the datagram with a data or parity shard.
func (s *source) shard(g uint32, index int) []byte {
	h := s.header(proto.TypeParity, g, index)
	if index < s.geo.K {
		h.Type, h.Offset = proto.TypeData, s.geo.Offset(g, index)
	}
	return s.complete(s.object.Shards.AppendShard(h.AppendTo(nil), g, index))
}

// digest returns the datagram with a record of the hash tree.
func (s *source) digest(g uint32, record int) []byte {
	return s.complete(s.object.Digests.AppendDigest(s.header(proto.TypeDigest, g, record).AppendTo(nil), g, record))
}

// outline returns the datagram with the outline of a range of records.
func (s *source) outline(number uint32) []byte {
	return s.complete(s.object.Digests.AppendOutline(s.header(proto.TypeOutline, number, 0).AppendTo(nil), number))
}

// forge returns a changed copy of a datagram, with a correct checksum.
func forge(t testing.TB, datagram []byte, change func(h *proto.Header, payload []byte)) []byte {
	t.Helper()
	h, payload, err := proto.Parse(datagram)
	if err != nil {
		t.Fatal(err)
	}
	payload = bytes.Clone(payload)
	change(&h, payload)
	b := append(h.AppendTo(nil), payload...)
	proto.PutChecksum(b)
	return b
}

// flip changes a bit of the payload.
func flip(_ *proto.Header, payload []byte) { payload[7] ^= 1 }

// An attacker answers packets with forged ones whose checksum is correct. Each
// kind has its share, in percent of the packets that are heard.
type attacker struct {
	dice
	src                                          *source
	data, parity, digests, outlines, manifests   int
	wrongGeometry, otherObject, damage, replayed int
	genuine                                      int // outlines, which a sender has few of
}

// forgeries returns what the attacker sends after it heard a datagram.
func (a *attacker) forgeries(heard []byte) (all [][]byte) {
	s := a.src
	add := func(share int, make func() []byte) {
		if a.percent(share) {
			all = append(all, make())
		}
	}
	g := uint32(a.below(int(s.geo.Groups)))
	add(a.data, func() []byte { return forge(s.t, s.shard(g, a.below(s.geo.RealShards(g))), flip) })
	add(a.parity, func() []byte { return forge(s.t, s.shard(g, s.geo.K+a.below(s.geo.M)), flip) })
	add(a.digests, func() []byte { return forge(s.t, s.digest(g, a.below(s.tree.PerGroup())), flip) })
	add(a.outlines, func() []byte { return forge(s.t, s.outline(uint32(a.below(int(s.tree.Outlines())))), flip) })
	add(a.manifests, func() []byte {
		return forge(s.t, s.manifest(), func(_ *proto.Header, payload []byte) { payload[a.below(len(payload))] ^= 4 })
	})
	add(a.wrongGeometry, func() []byte { return forge(s.t, heard, func(h *proto.Header, _ []byte) { h.Size += 64 }) })
	add(a.otherObject, func() []byte {
		return forge(s.t, heard, func(h *proto.Header, _ []byte) { h.Object[0] ^= byte(1 + a.below(200)) })
	})
	add(a.damage, func() []byte {
		b := bytes.Clone(heard)
		b[a.below(len(b))] ^= 1 << a.below(8)
		return b[:len(b)-a.below(2)]
	})
	add(a.genuine, func() []byte { return s.outline(uint32(a.below(int(s.tree.Outlines())))) })
	add(a.replayed, func() []byte { return heard })
	return all
}

// A secretKey signs manifests.
type secretKey struct {
	id  proto.KeyID
	key ed25519.PrivateKey
}

// newSecretKey returns key number n.
func newSecretKey(n byte) secretKey {
	return secretKey{proto.KeyID{n, 1, 2, 3}, ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))}
}

func (k secretKey) sign(m *proto.Manifest) proto.Signature {
	return proto.Signature{KeyID: k.id, Sig: [64]byte(ed25519.Sign(k.key, m.SigningInput()))}
}

func (k secretKey) public() proto.PublicKey {
	return proto.PublicKey{ID: k.id, Key: [32]byte(k.key.Public().(ed25519.PublicKey))}
}

// groupKey returns group key number n.
func groupKey(n byte) *seal.GroupKey { return seal.NewGroupKey(seal.Key{n}) }
