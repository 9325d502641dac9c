// SPDX-License-Identifier: GPL-2.0-or-later

package seal

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"iotupd/proto"
)

// A transfer is what two parties with one key know of an object.
type transfer struct {
	g      *GroupKey
	d      proto.Descriptor
	wire   proto.ObjectID
	cipher *Cipher
}

func newTransfer(key Key) *transfer {
	tr := &transfer{
		g: NewGroupKey(key),
		d: proto.Descriptor{
			Params: proto.Params{Code: proto.CodeLeopard8, K: 4, M: 2, ShardSize: proto.MinShardSize, Size: 100000},
			SHA256: [32]byte{1, 2, 3},
		},
	}
	tr.wire = tr.g.Object(tr.d.Object())
	tr.cipher = tr.g.Cipher(tr.wire)
	return tr
}

// plain returns a datagram before it is sealed, without room for its tag.
func (tr *transfer) plain(typ proto.Type, group uint32, index int, payload []byte) []byte {
	h := proto.Header{
		Type: typ, Sealed: true, KeyHint: tr.g.Hint(), Object: tr.wire, Params: tr.d.Params, Group: group, Index: index,
		Path: proto.Path{Layers: 1, Rate: 106, Sender: 1, Senders: 1, Seq: 5},
	}
	if typ == proto.TypeData {
		h.Offset = (uint64(index)*98 + uint64(group)) * proto.MinShardSize // 98 groups
	}
	return append(h.AppendTo(make([]byte, 0, proto.HeaderLen+len(payload))), payload...)
}

// sealAny seals what is a datagram without tag and checksum, and panics on anything
// else.
func sealAny(c *Cipher, b []byte) []byte {
	var room [1 << 14]byte
	h, _, _ := proto.Parse(append(room[:0], append(b, make([]byte, proto.SealLen)...)...))
	return c.Seal(&h, b)
}

// open opens any bytes.
func open(c *Cipher, dst, b []byte) ([]byte, error) {
	h, payload, err := proto.Parse(b)
	if err != nil {
		return dst, ReasonSeal
	}
	return c.Open(dst, &h, b, payload)
}

func (tr *transfer) sealed(typ proto.Type, group uint32, index int, payload []byte) []byte {
	b := sealAny(tr.cipher, tr.plain(typ, group, index, payload))
	proto.PutChecksum(b)
	return b
}

func (tr *transfer) manifest(t testing.TB, name string) []byte {
	t.Helper()
	m := proto.Manifest{Descriptor: tr.d, Name: name}
	payload, err := m.AppendPayload(nil)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// each returns a datagram of every type and the payload that it opens to.
func (tr *transfer) each(t testing.TB) map[proto.Type][2][]byte {
	shard := bytes.Repeat([]byte{0x5a}, proto.MinShardSize)
	manifest := tr.manifest(t, "fw.bin")
	return map[proto.Type][2][]byte{
		proto.TypeData:     {tr.sealed(proto.TypeData, 3, 2, shard), shard},
		proto.TypeParity:   {tr.sealed(proto.TypeParity, 3, 5, shard), shard},
		proto.TypeDigest:   {tr.sealed(proto.TypeDigest, 3, 1, shard), shard},
		proto.TypeManifest: {tr.sealed(proto.TypeManifest, 0, 0, manifest), manifest},
		proto.TypeOutline:  {tr.sealed(proto.TypeOutline, 1, 0, shard), shard},
	}
}

func (tr *transfer) wantOpen(t *testing.T, what string, datagram, payload []byte) {
	t.Helper()
	if got, err := open(tr.cipher, nil, datagram); !bytes.Equal(got, payload) || err != nil {
		t.Errorf("%s: got %x, %v, want %x", what, got, err, payload)
	}
}

func (tr *transfer) wantRefused(t *testing.T, what string, datagram []byte) {
	t.Helper()
	if got, err := open(tr.cipher, []byte("foo"), datagram); string(got) != "foo" || err != ReasonSeal {
		t.Errorf("%s: got %x, %v, want %v", what, got, err, ReasonSeal)
	}
}

func TestEveryBitThatIsSealedCounts(t *testing.T) {
	// "AAD = bytes 0 to 51 of the header, with byte 7 (hwords) as zero" spec.md
	// 9. Checksum and path word are not part of it.
	tr := newTransfer(Key{1})
	for typ, d := range tr.each(t) {
		datagram, payload := d[0], d[1]
		tr.wantOpen(t, "unchanged", datagram, payload)
		for bit := range 8 * len(datagram) {
			b := bytes.Clone(datagram)
			b[bit/8] ^= 1 << (bit % 8)
			what := fmt.Sprintf("type %d, bit %d of byte %d", typ, bit%8, bit/8)
			if at := bit / 8; at >= aadLen && at < proto.HeaderLen {
				tr.wantOpen(t, what, b, payload)
			} else {
				tr.wantRefused(t, what, b)
			}
		}
		for n := range datagram {
			tr.wantRefused(t, fmt.Sprintf("type %d, %d bytes", typ, n), datagram[:n])
		}
	}
}

func TestLongerHeadersOpen(t *testing.T) {
	// "This is why hwords, which may differ from sender to sender, and the path
	// word stay out of the AAD" spec.md 9
	tr := newTransfer(Key{1})
	for _, d := range tr.each(t) {
		datagram, payload := d[0], d[1]
		for words := 1; words <= 24; words++ {
			b := bytes.Clone(datagram[:proto.HeaderLen])
			b[offHwords] += byte(words)
			b = append(b, bytes.Repeat([]byte{byte(words)}, 8*words)...)
			b = append(b, datagram[proto.HeaderLen:]...)
			tr.wantOpen(t, fmt.Sprintf("%d words more", words), b, payload)
		}
	}
}

func TestSendersSealAlike(t *testing.T) {
	// "repeating the nonce repeats the same packet" spec.md 9
	a, b := newTransfer(Key{1}), newTransfer(Key{1})
	shard := bytes.Repeat([]byte{0x5a}, proto.MinShardSize)
	one, other := a.plain(proto.TypeData, 3, 2, shard), b.plain(proto.TypeData, 3, 2, shard)
	copy(other[56:], []byte{3, 0x21, 40, 0x21, 9, 9, 9, 9}) // its path word
	one, other = sealAny(a.cipher, one), sealAny(b.cipher, other)
	proto.PutChecksum(one)
	proto.PutChecksum(other)
	if !bytes.Equal(one[:56], other[:56]) || !bytes.Equal(one[64:], other[64:]) {
		t.Errorf("got\n%x, want\n%x", one, other)
	}
	if bytes.Contains(one, shard[:32]) {
		t.Error("the shard can be read")
	}
}

func TestSealInPlaceIfThereIsRoom(t *testing.T) {
	tr := newTransfer(Key{1})
	plain := tr.plain(proto.TypeParity, 0, 4, make([]byte, proto.MinShardSize))
	moved := sealAny(tr.cipher, bytes.Clone(plain))
	buf := append(make([]byte, 0, len(plain)+proto.SealLen), plain...)
	if inPlace := sealAny(tr.cipher, buf); &inPlace[0] != &buf[0] || !bytes.Equal(inPlace, moved) {
		t.Errorf("got\n%x, want\n%x", inPlace, moved)
	}
}

func TestSealPanicsOnForeignDatagrams(t *testing.T) {
	tr, other := newTransfer(Key{1}), newTransfer(Key{2})
	shard := make([]byte, proto.MinShardSize)
	open := tr.plain(proto.TypeParity, 0, 4, shard)
	open[4], open[5] = 0, 0 // not to be sealed
	for name, b := range map[string][]byte{
		"another key":  other.plain(proto.TypeParity, 0, 4, shard),
		"not sealed":   open,
		"no datagram":  {},
		"sealed twice": tr.sealed(proto.TypeParity, 0, 4, shard),
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: sealed", name)
				}
			}()
			sealAny(tr.cipher, b)
		}()
	}
}

func TestRotatedKeys(t *testing.T) {
	// "The key hint picks candidates and proves nothing" spec.md 9
	old, next := newTransfer(Key{1}), newTransfer(Key{2})
	if old.wire == next.wire {
		t.Fatal("an object has the same id in two groups")
	}
	same := Key{3} // with the hint of old
	for i := byte(0); NewGroupKey(same).Hint() != old.g.Hint(); i++ {
		same[1], same[2] = i, same[2]+i/255
	}
	collides := newTransfer(same)
	for typ, d := range old.each(t) {
		next.wantRefused(t, fmt.Sprintf("type %d of the old key", typ), d[0])
		collides.wantRefused(t, fmt.Sprintf("type %d of a key with the same hint", typ), d[0])

		// Also if the object id in the header is the one that it expects.
		b := bytes.Clone(d[0])
		copy(b[8:], collides.wire[:])
		collides.wantRefused(t, fmt.Sprintf("type %d with the id of another key", typ), b)
	}
	for typ, d := range next.each(t) {
		next.wantOpen(t, fmt.Sprintf("type %d of the new key", typ), d[0], d[1])
	}
}

func TestManifestMustHaveItsID(t *testing.T) {
	// "MIDw MUST equal the one computed from the decrypted manifest" spec.md 9:
	// even a holder of the key cannot show one manifest under the id of another.
	tr := newTransfer(Key{1})
	a, b := tr.manifest(t, "a.bin"), tr.manifest(t, "b.bin")
	copy(b, a[:idLen])
	tr.wantRefused(t, "a manifest with the id of another", tr.sealed(proto.TypeManifest, 0, 0, b))
	tr.wantRefused(t, "no manifest", tr.sealed(proto.TypeManifest, 0, 0, bytes.Repeat([]byte{0xff}, proto.MinShardSize)))
	tr.wantOpen(t, "the manifest", tr.sealed(proto.TypeManifest, 0, 0, a), a)
}

func TestForgedManifestsPushOutNoKey(t *testing.T) {
	tr := newTransfer(Key{1})
	receiver := tr.g.Cipher(tr.wire)
	var ids [][idLen]byte
	for i := range byte(2 * maxManifestKeys) {
		datagram := tr.sealed(proto.TypeManifest, 0, 0, tr.manifest(t, string('a'+i)))
		if _, err := open(receiver, nil, datagram); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, [idLen]byte(datagram[proto.HeaderLen:]))
		for n := range byte(50) {
			forged := bytes.Clone(datagram)
			forged[proto.HeaderLen] ^= 1 + n
			if _, err := open(receiver, nil, forged); err != ReasonSeal {
				t.Fatalf("got %v, want %v", err, ReasonSeal)
			}
		}
	}
	want := ids[len(ids)-maxManifestKeys:] // the oldest are forgotten
	for _, k := range receiver.manifests {
		if !slices.Contains(want, k.wire) {
			t.Errorf("the key of %x is held, want those of %x", k.wire, want)
		}
	}
}

func TestNoNonceServesTwoPackets(t *testing.T) {
	// "For one key and nonce there is one plaintext and one AAD only" spec.md 9
	const seed = 9
	rnd := rand.New(rand.NewPCG(seed, 0))
	groups := []uint32{0, 1, 255, 256, 65535, 65536, 1 << 24, 1<<32 - 1}
	indices := []int{0, 1, 255, 256, 65534, 65535}
	for range 20 {
		groups = append(groups, rnd.Uint32())
		indices = append(indices, rnd.IntN(1<<16))
	}
	type use struct {
		key   [32]byte
		nonce string
	}
	type packet struct {
		object int
		typ    proto.Type
		group  uint32
		index  int
	}
	used := map[use]packet{}
	g := NewGroupKey(Key{1})
	for object := range 4 {
		wire := g.Object(proto.ObjectID{byte(object)})
		c := g.Cipher(wire)
		key := [32]byte(derive(g.key, wire[:], "iotupd v1 object"))
		for _, typ := range []proto.Type{proto.TypeData, proto.TypeParity, proto.TypeDigest, proto.TypeOutline} {
			for _, group := range groups {
				for _, index := range indices {
					c.prepare(&proto.Header{Type: typ, Group: group, Index: index}, nil)
					u, p := use{key, string(c.nonce[:])}, packet{object, typ, group, index}
					if other, ok := used[u]; ok && other != p {
						t.Fatalf("seed %d: %+v and %+v share key and nonce", seed, other, p)
					}
					used[u] = p
				}
			}
		}
	}
	for id := range 1000 { // all manifests have one nonce, and each its own key
		wire := g.keyed([idLen]byte{byte(id), byte(id >> 8)})
		u := use{key: [32]byte(derive(g.key, wire[:], "iotupd v1 manifest"))}
		if other, ok := used[u]; ok {
			t.Fatalf("manifest %d and %+v share a key", id, other)
		}
		used[u] = packet{object: id}
	}
}

func TestNoAllocs(t *testing.T) {
	tr := newTransfer(Key{1})
	sealed := tr.each(t)[proto.TypeData][0]
	plain := tr.plain(proto.TypeData, 3, 2, make([]byte, proto.MinShardSize))
	out, dst := make([]byte, 0, len(sealed)), make([]byte, 0, proto.MinShardSize)
	foreign := bytes.Clone(sealed)
	foreign[len(foreign)-1]++
	for name, do := range map[string]func(){
		"Seal":          func() { sealAny(tr.cipher, append(out, plain...)) },
		"Open":          func() { open(tr.cipher, dst, sealed) },
		"Open, refused": func() { open(tr.cipher, dst, foreign) },
	} {
		if got := testing.AllocsPerRun(100, do); got != 0 {
			t.Errorf("%s: %v allocations, want 0", name, got)
		}
	}
}

func FuzzOpen(f *testing.F) {
	tr := newTransfer(Key{1})
	for _, d := range tr.each(f) {
		f.Add(d[0], true)
		f.Add(d[0][:len(d[0])-proto.SealLen], false)
	}
	f.Fuzz(func(t *testing.T, in []byte, sealed bool) {
		if !sealed { // no mutation hits on a tag: seal what can be sealed
			h, _, err := proto.Parse(append(bytes.Clone(in), make([]byte, proto.SealLen)...))
			if err != nil || !tr.cipher.owns(&h) {
				return
			}
			in = sealAny(tr.cipher, bytes.Clone(in))
		}
		before := bytes.Clone(in)
		out, err := open(tr.cipher, []byte("foo"), in)
		if !bytes.Equal(in, before) {
			t.Error("the datagram was written to")
		}
		if err != nil {
			if string(out) != "foo" || err != ReasonSeal {
				t.Errorf("got %x, %v, want %v", out, err, ReasonSeal)
			}
			return
		}
		h, payload, err := proto.Parse(in)
		if err != nil || len(out) != len("foo")+h.ShardSize {
			t.Fatalf("opened %x as %x, %v", in, out, err)
		}
		head := len(in) - len(payload)
		again := sealAny(tr.cipher, append(bytes.Clone(in[:head]), out[len("foo"):]...))
		if !bytes.Equal(again, in) {
			t.Errorf("%x is sealed again as %x", in, again)
		}
	})
}

func BenchmarkCipher(b *testing.B) {
	for _, s := range []int{proto.DefaultShardSize, 8832} {
		tr := newTransfer(Key{1})
		tr.d.ShardSize = s
		tr.wire = tr.g.Object(tr.d.Object())
		tr.cipher = tr.g.Cipher(tr.wire)
		plain := tr.plain(proto.TypeParity, 3, 4, make([]byte, s))
		h, _, err := proto.Parse(append(bytes.Clone(plain), make([]byte, proto.SealLen)...))
		if err != nil {
			b.Fatal(err)
		}
		buf := make([]byte, 0, len(plain)+proto.SealLen)
		b.Run(fmt.Sprintf("seal/shard=%d", s), func(b *testing.B) {
			b.SetBytes(int64(s))
			b.ReportAllocs()
			for b.Loop() {
				tr.cipher.Seal(&h, append(buf, plain...))
			}
		})
		sealed := bytes.Clone(tr.cipher.Seal(&h, append(buf, plain...)))
		b.Run(fmt.Sprintf("open/shard=%d", s), func(b *testing.B) {
			b.SetBytes(int64(s))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tr.cipher.Open(buf, &h, sealed, sealed[proto.HeaderLen:]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
