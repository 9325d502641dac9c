// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	encoding "encoding/binary"
	"math/rand/v2"

	"iotupd/proto"
)

// datagram completes a header and a payload.
func datagram(h proto.Header, payload []byte) []byte {
	b := append(h.AppendTo(nil), payload...)
	proto.PutChecksum(b)
	return b
}

// junk returns n random bytes.
func junk(rnd *rand.Rand, n int) []byte {
	b := make([]byte, (n+7)/8*8)
	for i := 0; i < n; i += 8 {
		encoding.LittleEndian.PutUint64(b[i:], rnd.Uint64())
	}
	return b[:n]
}

// header returns that of packet number n of a type.
func (k known) header(typ proto.Type, n int) proto.Header {
	return proto.Header{Type: typ, Object: k.object, Params: k.geo.Params, Path: proto.Path{Seq: uint32(n)}}
}

// data forges data shards, any of the object.
func (k known) data() forger {
	return func(rnd *rand.Rand, n int) []byte {
		h := k.header(proto.TypeData, n)
		h.Group = uint32(rnd.Uint64N(k.geo.Groups))
		h.Index = rnd.IntN(k.geo.RealShards(h.Group))
		h.Offset = k.geo.Offset(h.Group, h.Index)
		return datagram(h, junk(rnd, k.geo.ShardSize))
	}
}

// parity forges parity shards, any of the object.
func (k known) parity() forger {
	return func(rnd *rand.Rand, n int) []byte {
		h := k.header(proto.TypeParity, n)
		h.Group = uint32(rnd.Uint64N(k.geo.Groups))
		h.Index = k.geo.K + rnd.IntN(k.geo.M)
		return datagram(h, junk(rnd, k.geo.ShardSize))
	}
}

// digest forges records of leaves and of parity, with the SHA-256 of the file and
// a proof of nothing.
func (k known) digest() forger {
	tree, err := k.geo.Tree()
	if err != nil {
		k.t.Fatal(err)
	}
	sum := k.parsed().Descriptor.SHA256
	return func(rnd *rand.Rand, n int) []byte {
		h := k.header(proto.TypeDigest, n)
		h.Group, h.Index = uint32(rnd.Uint64N(k.geo.Groups)), rnd.IntN(tree.PerGroup())
		r := proto.DigestRecord{SHA256: sum, Proof: junk(rnd, tree.Depth*proto.DigestLen), Record: junk(rnd, tree.RecordLen())}
		return datagram(h, r.AppendTo(nil, k.geo.ShardSize))
	}
}

// parsed returns the manifest of the object.
func (k known) parsed() *proto.Manifest {
	m, err := proto.ParseManifestPayload(k.manifest)
	if err != nil {
		k.t.Fatal(err)
	}
	return m
}

// announced returns packet number n of a manifest.
func announced(m *proto.Manifest, n int) []byte {
	payload, err := m.AppendPayload(nil)
	if err != nil {
		panic(err)
	}
	return datagram(proto.Header{
		Type: proto.TypeManifest, Object: m.Descriptor.Object(), Params: m.Descriptor.Params, Path: proto.Path{Seq: uint32(n)},
	}, payload)
}

// unsigned forges manifests without a signature, by turns of the object and of
// others.
func (k known) unsigned() forger {
	m := k.parsed()
	m.Signatures = nil
	sum := m.Descriptor.SHA256
	return func(rnd *rand.Rand, n int) []byte {
		m.Descriptor.SHA256 = sum
		if n%2 == 1 {
			m.Descriptor.SHA256 = [32]byte(junk(rnd, len(sum)))
		}
		return announced(m, n)
	}
}

// badlySigned forges manifests that seem to be signed by the right key, by turns of the
// object and of others: once that is chosen, nobody looks at more of its manifests.
func (k known) badlySigned() forger {
	m := k.parsed()
	sum := m.Descriptor.SHA256
	return func(rnd *rand.Rand, n int) []byte {
		m.Descriptor.SHA256 = sum
		if n%2 == 1 {
			m.Descriptor.SHA256 = [32]byte(junk(rnd, len(sum)))
		}
		copy(m.Signatures[0].Sig[:], junk(rnd, len(m.Signatures[0].Sig)))
		return announced(m, n)
	}
}

// newer forges manifests of releases to come that seem to be signed by the right
// key.
func (k known) newer() forger {
	m := k.parsed()
	return func(rnd *rand.Rand, n int) []byte {
		m.Sequence++
		m.Descriptor.SHA256 = [32]byte(junk(rnd, len(m.Descriptor.SHA256)))
		return announced(m, n)
	}
}

// bombs forges headers that promise too much, of another kind each time.
func (k known) bombs() forger {
	return func(rnd *rand.Rand, n int) []byte {
		h := k.header(proto.TypeData, n)
		other := proto.ObjectID(junk(rnd, len(h.Object)))
		payload := junk(rnd, k.geo.ShardSize)
		switch n % 9 {
		case 0:
			h.Object, h.Size = other, 1<<63
		case 1:
			h.Object, h.Size = other, 1<<40
		case 2: // the largest index that is admitted
			h.Object, h.Index = other, rnd.IntN(65535)
			h.Params = proto.Params{Code: proto.CodeLeopard16, K: 65535, M: 1, ShardSize: k.geo.ShardSize, Size: 1 << 37}
			h.Offset = k.offset(h)
		case 3: // a million objects
			h.Object, h.Index = other, rnd.IntN(k.geo.RealShards(0))
			h.Offset = k.offset(h)
		case 4:
			h.ShardSize = 0
		case 5:
			h.Index = k.geo.K
		case 6:
			h.Offset = 1<<63 - uint64(k.geo.ShardSize)
		case 7:
			h.Group = 1<<32 - 1
		case 8: // hwords = 255, in two fragments
			b := h.AppendTo(nil)
			b[7] = 255
			b = append(b, make([]byte, 8*255-len(b)+len(payload))...)
			proto.PutChecksum(b)
			return b
		}
		return datagram(h, payload)
	}
}

// offset returns the offset of the shard that h is of.
func (k known) offset(h proto.Header) uint64 {
	geo, err := h.Params.Geometry()
	if err != nil {
		k.t.Error(err)
	}
	return geo.Offset(h.Group, h.Index)
}
