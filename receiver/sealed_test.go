// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"encoding/binary"
	"testing"
	"time"

	"iotupd/proto"
	"iotupd/proto/keys"
	"iotupd/proto/seal"
	"iotupd/receiver"
	"iotupd/sender"
)

var (
	newKey = seal.NewGroupKey(seal.Key{1, 2, 3})
	oldKey = seal.NewGroupKey(seal.Key{4, 5, 6})
)

// seal returns a datagram of the source as those send it who have the key.
func (s *source) seal(g *seal.GroupKey, datagram []byte) []byte {
	s.t.Helper()
	h, payload, err := proto.Parse(datagram)
	if err != nil {
		s.t.Fatal(err)
	}
	h.Sealed, h.KeyHint, h.Object = true, g.Hint(), g.Object(s.id)
	b := g.Cipher(h.Object).Seal(&h, append(h.AppendTo(nil), payload...))
	proto.PutChecksum(b)
	return b
}

// alike returns a group with another key and the same hint.
func alike(g *seal.GroupKey) *seal.GroupKey {
	for i := uint32(0); ; i++ {
		var key seal.Key
		binary.BigEndian.PutUint32(key[:], i)
		if other := seal.NewGroupKey(key); other.Hint() == g.Hint() {
			return other
		}
	}
}

func TestASealedTransfer(t *testing.T) {
	// "The payload ... is encrypted" spec.md 9. A receiver that has several keys
	// takes what any of them opens, so that keys can be changed in the field.
	vendor := keys.Generate()
	eachKind(t, func(t *testing.T, newSource maker) {
		src := newSource(t, "fw", 200_000, small(proto.CodeLeopard8, 40, 40))
		src.object.Manifest.Channel, src.object.Manifest.Sequence = "iotupd", 3
		src.object.Manifest.Signatures = []proto.Signature{vendor.Sign(&src.object.Manifest)}
		for _, sealedBy := range []*seal.GroupKey{newKey, oldKey} {
			for _, cfg := range []receiver.Config{
				{},
				{Trust: trusting(vendor)},
				{Object: src.id}, // the plain id, as the sender prints it
				{Object: sealedBy.Object(src.id)},
				{SHA256: src.object.Manifest.Descriptor.SHA256, Name: is("fw")},
			} {
				cfg.GroupKeys = []*seal.GroupKey{alike(newKey), newKey, oldKey}
				tr := src.receive(cfg)
				tr.run(percent(20, 1), src.sender(sender.Config{Seal: sealedBy}), src.sender(sender.Config{}))
				tr.wantFile()
				if p := tr.r.Progress(); p.Object != sealedBy.Object(src.id) || tr.ignored[receiver.ReasonUnsealed] == 0 {
					t.Errorf("received %v, ignored %v", p.Object, tr.ignored)
				}
			}
		}
	})
}

func TestWhatIsNotSealedForUsIsIgnored(t *testing.T) {
	src := newTree(t, "fw", 20*512, small(proto.CodeLeopard8, 10, 10))
	all := [][]byte{src.shard(0, 0), src.shard(0, 10), src.digest(0, 0), src.manifest()}
	for name, test := range map[string]struct {
		keys []*seal.GroupKey
		seal func(b []byte) []byte
		want proto.Reason
	}{
		"no key":                     {nil, func(b []byte) []byte { return src.seal(newKey, b) }, receiver.ReasonSealed},
		"another key":                {[]*seal.GroupKey{oldKey}, func(b []byte) []byte { return src.seal(newKey, b) }, receiver.ReasonSealed},
		"another key, the same hint": {[]*seal.GroupKey{oldKey, alike(newKey)}, func(b []byte) []byte { return src.seal(newKey, b) }, seal.ReasonSeal},
		"not sealed":                 {[]*seal.GroupKey{newKey}, func(b []byte) []byte { return b }, receiver.ReasonUnsealed},
		"the plain id": {[]*seal.GroupKey{newKey}, func(b []byte) []byte {
			return forge(t, src.seal(newKey, b), func(h *proto.Header, _ []byte) { h.Object = src.id })
		}, seal.ReasonSeal},
	} {
		t.Run(name, func(t *testing.T) {
			tr := src.receive(receiver.Config{GroupKeys: test.keys})
			for _, b := range all {
				tr.wantRefused(test.want, test.seal(b))
			}
			if len(tr.stores) > 0 || len(tr.events) > 0 {
				t.Errorf("%d stores were opened: %+v", len(tr.stores), tr.events)
			}
		})
	}
}

func TestATamperedPacketIsRefused(t *testing.T) {
	// "AAD = bytes 0 to 51 of the header" spec.md 9, and the tag covers all that
	// is encrypted.
	src := newTree(t, "fw", 30*512, small(proto.CodeLeopard8, 10, 10))
	packets := map[string][]byte{
		"data": src.shard(1, 2), "parity": src.shard(1, 12), "digest": src.digest(1, 0), "manifest": src.manifest(),
	}
	for name, plain := range packets {
		t.Run(name, func(t *testing.T) {
			sealed := src.seal(newKey, plain)
			for _, first := range []bool{true, false} {
				tr := src.receive(receiver.Config{GroupKeys: []*seal.GroupKey{newKey}})
				want := 0
				if !first {
					if plain[3] == byte(proto.TypeManifest) {
						continue // a further one is not looked into
					}
					tr.hearAll(src.seal(newKey, src.manifest()), src.seal(newKey, src.shard(0, 0)))
					want = 1
				}
				for at := proto.HeaderLen; at < len(sealed); at += 5 {
					tr.wantRefused(seal.ReasonSeal, raw(sealed, func(b []byte) { b[at] ^= 0x10 }))
				}
				if plain[3] == byte(proto.TypeParity) { // a place that there is
					tr.wantRefused(seal.ReasonSeal, raw(sealed, func(b []byte) { b[45] ^= 1 }))
				}
				if len(tr.stores) != want || tr.r.Progress().Held != uint64(want) || tr.r.Progress().Records > 0 {
					t.Errorf("it changed something: %+v", tr.r.Progress())
				}
				tr.hearAll(sealed)
				tr.run(percent(10, 1), src.sender(sender.Config{Seal: newKey}))
				tr.wantFile()
			}
		})
	}
}

func TestASealedTransferGoesOn(t *testing.T) {
	// The records of an earlier run prove themselves under the keyed id too.
	src := newTree(t, "fw", 30*512, small(proto.CodeLeopard8, 10, 10))
	cfg := receiver.Config{GroupKeys: []*seal.GroupKey{newKey}}
	first := src.receive(cfg)
	first.hearFor(25, nothing, src.sender(sender.Config{Seal: newKey}))
	first.later(time.Second)
	tr := src.resume(first.killed(), cfg)
	tr.run(nothing, src.sender(sender.Config{Seal: newKey, Start: 1000}))
	tr.wantFile()
	if got := tr.r.Progress().Resumed; got < 15 {
		t.Errorf("%d shards were resumed", got)
	}
}

func TestAFloodOfForgedSealedPacketsTakesNoMemory(t *testing.T) {
	// "No field of a packet sizes anything before it met a limit" spec.md 11
	src := newTree(t, "fw", 20*512, small(proto.CodeLeopard8, 10, 10))
	for _, name := range []string{"another object", "the object"} {
		t.Run(name, func(t *testing.T) {
			tr := src.receive(receiver.Config{GroupKeys: []*seal.GroupKey{newKey, oldKey}})
			tr.hearAll(src.seal(newKey, src.shard(0, 0)))
			manifest, shard := src.seal(newKey, src.manifest()), src.seal(newKey, src.shard(0, 1))
			n := uint64(0)
			if grown := heapGrowth(func() {
				for range 3000 {
					for _, b := range [][]byte{manifest, shard} {
						n++
						b = raw(b, func(b []byte) {
							if name == "another object" {
								binary.BigEndian.PutUint64(b[8:], n)
							}
							binary.BigEndian.PutUint64(b[proto.HeaderLen:], n)
						})
						if err := tr.r.Handle(tr.now, receiver.Origin{}, b); err == nil {
							t.Fatal("accepted")
						}
					}
				}
			}); grown > 32<<10 {
				t.Errorf("%d forged packets took %d bytes", n, grown)
			}
			tr.run(nothing, src.sender(sender.Config{Seal: newKey}))
			tr.wantFile()
		})
	}
}
