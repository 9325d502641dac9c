// SPDX-License-Identifier: GPL-2.0-or-later

package proto

import (
	"crypto/ed25519"
	"encoding/binary"
	"encoding/hex"
)

// A KeyID names the key that a signature was made with. It is drawn at random
// together with the key and proves nothing.
type KeyID [8]byte

// String returns id as 16 hexadecimal digits.
func (id KeyID) String() string { return hex.EncodeToString(id[:]) }

// A PublicKey verifies signatures of manifests.
type PublicKey struct {
	ID  KeyID
	Key [ed25519.PublicKeySize]byte
}

// signedPrefix keeps a signature of a manifest from being valid for anything else.
const signedPrefix = "iotupd manifest v1\x00"

// SigningInput returns the bytes that a signature of m covers (spec.md 5.5). It
// does not depend on the signatures that m has.
func (m *Manifest) SigningInput() []byte {
	enc := m.AppendTo([]byte(signedPrefix))
	body := binary.BigEndian.Uint16(enc[len(signedPrefix)+4:])
	return enc[:len(signedPrefix)+int(body)]
}

// Signers returns the keys that signed an encoded manifest, in the order of the
// argument, because anybody can change the order of the signatures. The bytes are
// verified before they are parsed; bytes behind the manifest are ignored.
func Signers(manifest []byte, keys []PublicKey) (signers []PublicKey) {
	body, signatures, _ := splitManifest(manifest)
	signed := append([]byte(signedPrefix), body...)
	for _, key := range keys {
		for s := signatures; len(s) > 0; s = s[signatureLen:] {
			if key.ID == KeyID(s) && ed25519.Verify(key.Key[:], signed, s[len(key.ID):signatureLen]) {
				signers = append(signers, key)
				break
			}
		}
	}
	return signers
}

// PayloadSigners is [Signers] of the payload of a MANIFEST packet.
func PayloadSigners(payload []byte, keys []PublicKey) (signers []PublicKey) {
	if len(payload) < manifestIDLen {
		return nil
	}
	return Signers(payload[manifestIDLen:], keys)
}

// Verifications returns how often [PayloadSigners] verifies a signature at
// most: once for every pair of a signature and one of keys that have the same
// key id. The call is much cheaper than PayloadSigners. An attacker can raise
// the number as far as a manifest has room for signatures.
func Verifications(payload []byte, keys []PublicKey) (n int) {
	if len(payload) < manifestIDLen {
		return 0
	}
	_, signatures, _ := splitManifest(payload[manifestIDLen:])
	for s := signatures; len(s) > 0; s = s[signatureLen:] {
		for _, key := range keys {
			if key.ID == KeyID(s) {
				n++
			}
		}
	}
	return n
}
