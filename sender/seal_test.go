// SPDX-License-Identifier: GPL-2.0-or-later

package sender_test

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"iotupd/proto"
	"iotupd/proto/keys"
	"iotupd/proto/seal"
	"iotupd/sender"
)

var group = seal.NewGroupKey(seal.Key{1, 2, 3})

// signed makes the object of a signed file, a new one each time.
func signed(t testing.TB, size int, key keys.SecretKey) *sender.Object {
	t.Helper()
	o := prepare(t, randomFile(size), smallest(proto.CodeLeopard8, 9, 4), sender.PrepareConfig{})
	o.Manifest.Name, o.Manifest.Channel, o.Manifest.Sequence = "fw.bin", "iotupd", 7
	o.Manifest.Signatures = []proto.Signature{key.Sign(&o.Manifest)}
	return o
}

// withoutPath is a datagram without the bytes that differ from sender to sender.
func (p packet) withoutPath() string {
	b := bytes.Clone(p.raw)
	clear(b[56:64])
	return string(b)
}

func TestSealedPacketsAreTheSameAtAllSenders(t *testing.T) {
	// "For one key and nonce there is one plaintext and one AAD only, so that
	// repeating the nonce repeats the same packet: senders need no numbers of
	// their own, and a restart changes nothing." spec.md 9
	const size = 23 * proto.MinShardSize
	key := keys.Generate()
	sent := map[string]bool{}
	nonces := map[headerID]string{} // what makes them, of all but manifests
	all := startObject(t, signed(t, size, key), sender.Config{Rate: -1, Loops: 20, Seal: group}).rest()
	for _, p := range all {
		sent[p.withoutPath()] = true
		if other, ok := nonces[idOf(p.Header)]; ok && other != p.withoutPath() {
			t.Fatalf("two packets with the nonce of %s", p.id())
		}
		nonces[idOf(p.Header)] = p.withoutPath()
	}
	// The manifest, then every record, every shard and every outline.
	geo, err := all[0].Geometry()
	if err != nil {
		t.Fatal(err)
	}
	tree, err := geo.Tree()
	if err != nil {
		t.Fatal(err)
	}
	data, parity := geo.LoopPackets()
	if got, want := uint64(len(sent)), 1+tree.Total()+data+parity+uint64(len(ranges(tree))); got != want {
		t.Fatalf("%d different packets, want %d", got, want)
	}
	others := map[string]sender.Config{
		"restarted":  {Rate: -1, Loops: 2},
		"another":    {Rate: 1e6, Loops: 1, Sender: 2, Senders: 3, Start: 1234},
		"and slower": {Rate: sender.MinRate, Loops: 1, Rand: rand.New(rand.NewPCG(1, 2))},
	}
	for name, cfg := range others {
		cfg.Seal = group
		for _, p := range startObject(t, signed(t, size, key), cfg).rest() {
			if !sent[p.withoutPath()] {
				t.Fatalf("%s sender: %s is another packet", name, p.id())
			}
		}
	}
}

func TestASealedCarouselIsTheSealedCarouselInTheClear(t *testing.T) {
	// "In a sealed object the object id here is the plain one." spec.md 6.1
	key := keys.Generate()
	const size = 23 * proto.MinShardSize
	clear := startObject(t, signed(t, size, key), sender.Config{Rate: -1, Loops: 1}).rest()
	sealed := startObject(t, signed(t, size, key), sender.Config{Rate: -1, Loops: 1, Seal: group}).rest()
	if len(clear) != len(sealed) {
		t.Fatalf("%d packets sealed, %d in the clear", len(sealed), len(clear))
	}
	cipher := group.Cipher(group.Object(clear[0].Object))
	for i, p := range sealed {
		if !p.Sealed || p.KeyHint != group.Hint() || p.Object != group.Object(clear[i].Object) || p.id() != clear[i].id() {
			t.Fatalf("packet %d: got header %+v, want that of %s, sealed", i, p.Header, clear[i].id())
		}
		if got, err := cipher.Open(nil, &p.Header, p.raw, p.payload); err != nil || !bytes.Equal(got, clear[i].payload) {
			t.Fatalf("%s does not open to what was sealed: %v", p.id(), err)
		}
	}
	if got := proto.PayloadSigners(clear[0].payload, []proto.PublicKey{key.Public()}); len(got) != 1 {
		t.Error("the manifest lost its signature")
	}
}

func TestTheRateCountsTheTag(t *testing.T) {
	// "The rate is in bits per second of whole IP packets of all types" spec.md 6.3
	const rate = 1_000_000
	o := signed(t, 23*proto.MinShardSize, keys.Generate())
	c := startObject(t, o, sender.Config{Rate: rate, Seal: group})
	bits := 0
	for range 1000 {
		bits += 8 * (len(c.next().raw) + proto.IPv6Overhead)
	}
	got := c.now.Sub(epoch)
	if want := time.Duration(bits) * time.Second / rate; got < want*99/100 || got > want*101/100 {
		t.Errorf("1000 packets took %v, want %v", got, want)
	}
}
