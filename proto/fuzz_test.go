// SPDX-License-Identifier: GPL-2.0-or-later

package proto

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"io/fs"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func FuzzParse(f *testing.F) {
	h := exampleHeader()
	f.Add(exampleDatagram())
	h.Extension = make([]byte, 24)
	f.Add(datagramOf(h, make([]byte, MinShardSize)))
	h.Type, h.Index, h.Offset = TypeParity, 4, 0
	f.Add(datagramOf(h, make([]byte, MinShardSize)))
	h.Type, h.Index = TypeOutline, 0
	f.Add(datagramOf(h, make([]byte, MinShardSize)))
	h.Type, h.Group, h.Index, h.Sealed, h.KeyHint = TypeManifest, 0, 0, true, 9
	f.Add(datagramOf(h, make([]byte, MinShardSize+SealLen)))
	f.Fuzz(func(t *testing.T, in []byte) {
		before := bytes.Clone(in)
		h, payload, err := Parse(in)
		if err != nil {
			return
		}
		ok := ChecksumOK(in)
		if !bytes.Equal(in, before) {
			t.Error("the datagram was written to")
		}
		out := datagramOf(h, payload)
		if ok && !bytes.Equal(out, in) {
			t.Errorf("%x encodes again as %x", in, out)
		}
		PutChecksum(before)
		if !bytes.Equal(out, before) || !ChecksumOK(out) {
			t.Errorf("%x with its checksum encodes again as %x", before, out)
		}
		if geo, err := h.Params.Geometry(); err == nil && geo.Admits(&h) == nil {
			checkAdmitted(t, geo, &h)
		}
	})
}

// checkAdmitted checks what a receiver relies on when it has admitted a packet.
func checkAdmitted(t *testing.T, geo Geometry, h *Header) {
	if h.Type == TypeOutline {
		return // of a range, not of a group
	}
	if n := geo.RealShards(h.Group); n < 0 || n > h.K || h.Size > 0 && n == 0 {
		t.Errorf("%d real shards of %d", n, h.K)
	}
	if h.Type != TypeData {
		return
	}
	n := geo.ShardLen(h.Group, h.Index)
	if n < 1 || n > h.ShardSize || h.Offset+uint64(n) > h.Size || h.Size >= 1<<62 {
		t.Errorf("%d bytes at offset %d in a file of %d", n, h.Offset, h.Size)
	}
}

func FuzzManifest(f *testing.F) {
	m := exampleManifest()
	m.Descriptor.ShardSize = 320
	f.Add(m.AppendTo(nil))
	m.Channel, m.Version, m.Targets, m.Notes = "c", "1", []string{"x", "y"}, "n"
	m.Metadata, m.Unknown = []byte{1}, []TLV{{Type: 9, Value: []byte{}}}
	m.Signatures = make([]Signature, 1)
	f.Add(m.AppendTo(nil))
	m.Name, m.Inventory = "d.tar", Descriptor{Params: m.Descriptor.Params}
	f.Add(m.AppendTo(nil))
	f.Add((&Manifest{Descriptor: m.Descriptor, Archive: ObjectID{1}}).AppendTo(nil))
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in)+manifestIDLen > MaxShardSize {
			return
		}
		// The id and the padding are made here: no mutation would hit on them.
		m, n, err := parseManifest(in)
		if err != nil {
			return
		}
		if got := m.AppendTo(nil); !bytes.Equal(got, in[:n]) {
			t.Fatalf("%x encodes again as %x", in[:n], got)
		}
		payload, err := m.AppendPayload(nil)
		if tooLong := manifestIDLen+n > m.Descriptor.ShardSize; tooLong != (err != nil) {
			t.Fatalf("%d bytes for shards of %d: %v", n, m.Descriptor.ShardSize, err)
		} else if tooLong {
			return
		}
		again, err := ParseManifestPayload(payload)
		if err != nil || !reflect.DeepEqual(again, m) {
			t.Errorf("got %+v, %v, want %+v", again, err, m)
		}
	})
}

func FuzzParseManifestFile(f *testing.F) {
	signed, _ := signedManifest()
	f.Add(signed)
	f.Add(exampleManifest().AppendTo(nil))
	f.Fuzz(func(t *testing.T, in []byte) {
		m, err := ParseManifest(in)
		if err != nil {
			if m != nil {
				t.Errorf("an error and %+v", m)
			}
			return
		}
		if got := m.AppendTo(nil); !bytes.Equal(got, in) {
			t.Errorf("%x encodes again as %x", in, got)
		}
		if id, ok := ManifestID(in); !ok || id != manifestID(in) {
			t.Errorf("%x has the id %x, %v", in, id, ok)
		}
		for _, other := range [][]byte{in[:len(in)-1], append(bytes.Clone(in), 0)} {
			if _, err := ParseManifest(other); err == nil {
				t.Errorf("%x: accepted with %d bytes too", in, len(other))
			}
		}
	})
}

func FuzzSigner(f *testing.F) {
	enc, _ := signedManifest()
	f.Add(enc, []byte{})
	f.Add(exampleManifest().AppendTo(nil), exampleManifest().AppendTo(nil)[:manifestFixedLen])
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	_, key := signedManifest()
	f.Fuzz(func(t *testing.T, in, body []byte) {
		check := func(enc []byte) bool {
			signers := Signers(enc, []PublicKey{{ID: key.ID}, key})
			if signers == nil {
				return false
			}
			signer := signers[0]
			if Verifications(append(make([]byte, manifestIDLen), enc...), []PublicKey{key}) == 0 {
				t.Errorf("%x: signed by a key that it does not name", enc)
			}
			m, _, err := parseManifest(enc) // as in a payload, with something behind it
			if err == nil && !slices.ContainsFunc(m.Signatures, func(s Signature) bool {
				return s.KeyID == signer.ID && ed25519.Verify(signer.Key[:], m.SigningInput(), s.Sig[:])
			}) {
				t.Errorf("%x: accepted, but not signed by %v", enc, signer.ID)
			}
			return true
		}
		check(in)
		// No mutation hits on a signature: sign whatever claims to be a body.
		if len(body) < manifestFixedLen || len(body) > math.MaxUint16 {
			return
		}
		body = bytes.Clone(body)
		binary.BigEndian.PutUint16(body[4:], uint16(len(body)))
		sig := ed25519.Sign(private, append([]byte(signedPrefix), body...))
		enc := append(append(append(body, 1), key.ID[:]...), sig...)
		if !check(enc) {
			t.Errorf("%x: not accepted", enc)
		}
	})
}

func FuzzParseDigest(f *testing.F) {
	tree, genuine, group, index := exampleDigest(f)
	f.Add(genuine, group, uint16(index), uint16(0), byte(1))
	f.Add(make([]byte, tree.ShardSize), uint32(3), uint16(4), uint16(255), byte(0x80))
	h := NewHasher()
	f.Fuzz(func(t *testing.T, in []byte, group uint32, index, at uint16, mask byte) {
		r, err := tree.ParseDigest(in)
		if err != nil {
			return
		}
		if got := r.AppendTo(nil, tree.ShardSize); !bytes.Equal(got, in) {
			t.Errorf("%x encodes again as %x", in, got)
		}
		d, err := tree.Descriptor(h, group, int(index), r)
		if err != nil || mask == 0 {
			return
		}
		other := bytes.Clone(in)
		other[int(at)%len(other)] ^= mask
		if r, err = tree.ParseDigest(other); err != nil {
			return
		}
		if od, err := tree.Descriptor(h, group, int(index), r); err != nil || od.Object() == d.Object() {
			t.Errorf("%x and %x prove the same object (%v)", in, other, err)
		}
	})
}

func FuzzParseOutline(f *testing.F) {
	tree, genuine, number := exampleOutline(f)
	f.Add(genuine, number, uint16(0), byte(1))
	f.Add(make([]byte, tree.ShardSize), uint32(2), uint16(255), byte(0x80))
	f.Fuzz(func(t *testing.T, in []byte, number uint32, at uint16, mask byte) {
		o, err := tree.ParseOutline(in)
		if err != nil {
			return
		}
		if got := o.AppendTo(nil, tree.ShardSize); !bytes.Equal(got, in) {
			t.Errorf("%x encodes again as %x", in, got)
		}
		d, err := tree.OutlineDescriptor(number, o)
		if err != nil || mask == 0 {
			return
		}
		other := bytes.Clone(in)
		other[int(at)%len(other)] ^= mask
		if o, err = tree.ParseOutline(other); err != nil {
			return
		}
		if od, err := tree.OutlineDescriptor(number, o); err == nil && od.Object() == d.Object() {
			t.Errorf("%x and %x prove the same object", in, other)
		}
	})
}

func FuzzDescriptor(f *testing.F) {
	f.Add(exampleManifest().Descriptor.AppendTo(nil))
	f.Add(Descriptor{Params: Params{K: 1, ShardSize: MinShardSize}}.AppendTo(nil))
	f.Fuzz(func(t *testing.T, in []byte) {
		d, err := ParseDescriptor(in)
		if err != nil {
			return
		}
		if got := d.AppendTo(nil); !bytes.Equal(got, in) {
			t.Errorf("%x encodes again as %x", in, got)
		}
		if _, err := d.Geometry(); err != nil {
			t.Errorf("accepted without a geometry: %v", err)
		}
	})
}

func FuzzCheckName(f *testing.F) {
	for _, name := range []string{"fw.bin", "a b", "../x", "C:x", "a\\b", "\u202e", "-x", ".x", "é"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if CheckName(name) != nil {
			return
		}
		if len(name) > MaxNameLen || !fs.ValidPath(name) || name == "." || !filepath.IsLocal(name) ||
			filepath.Base(name) != name || strings.ContainsFunc(name, unprintable) {
			t.Errorf("%q was accepted", name)
		}
		m := exampleManifest()
		m.Name = name
		payload, err := m.AppendPayload(nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseManifestPayload(payload); err != nil || got.Name != name {
			t.Errorf("got %v, %v, want %q", got, err, name)
		}
	})
}
