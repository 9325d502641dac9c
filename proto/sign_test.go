// SPDX-License-Identifier: GPL-2.0-or-later

package proto

import (
	"bytes"
	"crypto/ed25519"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// trusted reads the keys of a vector: id, public key, seed of the private one.
func trusted(v vector) (keys []PublicKey, seeds [][]byte) {
	for _, line := range v.all("key") {
		part := strings.Fields(line)
		keys = append(keys, PublicKey{
			ID:  KeyID(unhex(v.t, part[0])),
			Key: [ed25519.PublicKeySize]byte(unhex(v.t, part[1])),
		})
		seeds = append(seeds, unhex(v.t, part[2]))
	}
	return keys, seeds
}

func TestSignatureVectors(t *testing.T) {
	forEachVector(t, "sign.txt", func(t *testing.T, v vector) {
		keys, seeds := trusted(v)
		enc := v.hex("manifest")
		payload := append(make([]byte, manifestIDLen), enc...)
		payload = append(payload, 0, 0, 0) // padding
		var want []PublicKey
		var by []int
		for _, signer := range v.all("signer") {
			if i, err := strconv.Atoi(signer); err == nil {
				want, by = append(want, keys[i]), append(by, i)
			} else if signer != "none" {
				t.Fatalf("signer %q", signer)
			}
		}
		if got := Signers(enc, keys); !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
		if got := PayloadSigners(payload, keys); !slices.Equal(got, want) {
			t.Errorf("PayloadSigners: got %v, want %v", got, want)
		}
		if len(want) == 0 {
			return
		}

		m, err := ParseManifest(enc)
		if err != nil {
			t.Fatal(err)
		}
		input := m.SigningInput()
		if want := v.hex("signed"); !bytes.Equal(input, want) {
			t.Errorf("signed:\n got %x\nwant %x", input, want)
		}
		// Ed25519 has one signature for a key and a text: signing gives it again.
		for _, i := range by {
			sig := ed25519.Sign(ed25519.NewKeyFromSeed(seeds[i]), input)
			m.Signatures = []Signature{{KeyID: keys[i].ID, Sig: [64]byte(sig)}}
			if got := Signers(m.AppendTo(nil), keys); !slices.Equal(got, keys[i:i+1]) {
				t.Errorf("signed again: got %v, want %v", got, keys[i])
			}
			if !bytes.Contains(enc, sig) {
				t.Errorf("signed again with another result: %x", sig)
			}
		}
	})
}

func TestEveryBitOfASignedManifestCounts(t *testing.T) {
	// "MUST refuse a manifest without a valid signature of one of them" spec.md 5.5
	enc, key := signedManifest()
	keys := []PublicKey{key}
	if Signers(enc, keys) == nil {
		t.Fatal("the unchanged manifest is refused")
	}
	for bit := range 8 * len(enc) {
		b := bytes.Clone(enc)
		b[bit/8] ^= 1 << (bit % 8)
		if Signers(b, keys) != nil {
			t.Errorf("bit %d of byte %d changed nothing", bit%8, bit/8)
		}
	}
	for n := range enc {
		if Signers(enc[:n], keys) != nil {
			t.Errorf("%d of %d bytes were accepted", n, len(enc))
		}
	}
	for n := range manifestIDLen {
		if PayloadSigners(enc[:n], keys) != nil {
			t.Errorf("a payload of %d bytes was accepted", n)
		}
	}
}

// signedManifest returns a manifest in its encoding, and the key that signed it.
func signedManifest() ([]byte, PublicKey) {
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	key := PublicKey{ID: KeyID{1, 2, 3}, Key: [ed25519.PublicKeySize]byte(private.Public().(ed25519.PublicKey))}
	m := exampleManifest()
	m.Channel = "fw.example.net"
	m.Signatures = []Signature{{KeyID: key.ID, Sig: [64]byte(ed25519.Sign(private, m.SigningInput()))}}
	return m.AppendTo(nil), key
}

func TestManifestIDLooksAtTheManifestAlone(t *testing.T) {
	enc, _ := signedManifest()
	id, ok := ManifestID(append(bytes.Clone(enc), 0, 0))
	if want := manifestID(enc); id != want || !ok {
		t.Errorf("got %x, %v, want %x", id, ok, want)
	}
	for n := range enc {
		if id, ok := ManifestID(enc[:n]); ok || id != (Digest{}) {
			t.Errorf("%d of %d bytes have the id %x", n, len(enc), id)
		}
	}
}

func TestKeyIDText(t *testing.T) {
	if got, want := (KeyID{1, 2, 3, 0xff}).String(), "010203ff"+strings.Repeat("0", 8); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSigningInputIgnoresSignatures(t *testing.T) {
	// So that keys sign one after the other.
	m := exampleManifest()
	want := m.SigningInput()
	for n := 1; n <= MaxSignatures; n++ {
		m.Signatures = make([]Signature, n)
		if got := m.SigningInput(); !bytes.Equal(got, want) {
			t.Errorf("%d signatures changed it", n)
		}
	}
}
