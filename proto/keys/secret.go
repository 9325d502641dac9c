// SPDX-License-Identifier: GPL-2.0-or-later

package keys

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/blake2b"

	"iotupd/proto"
)

// A SecretKey signs manifests. It never prints itself. The zero value is not a
// key.
type SecretKey struct {
	ID  proto.KeyID
	key ed25519.PrivateKey
}

// Generate draws a new key.
func Generate() SecretKey {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		panic("keys: internal error: " + err.Error()) // the system's random numbers never fail
	}
	k := SecretKey{key: key}
	rand.Read(k.ID[:])
	return k
}

// Public returns the key that verifies what k signs.
func (k SecretKey) Public() proto.PublicKey {
	return proto.PublicKey{ID: k.ID, Key: [32]byte(k.key.Public().(ed25519.PublicKey))}
}

// Sign returns a signature of m (spec.md 5.5), which it leaves as it is.
func (k SecretKey) Sign(m *proto.Manifest) proto.Signature {
	return proto.Signature{KeyID: k.ID, Sig: [64]byte(ed25519.Sign(k.key, m.SigningInput()))}
}

// Format implements [fmt.Formatter] for every verb: no mistake prints a secret.
func (k SecretKey) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "secret key %v", k.ID) }

// The file of a secret key, once decoded:
//
//	algorithm "Ed" (2) | kdf (2) | checksum "B2" (2) | salt (32) | operations (8) | memory (8)
//	key id (8) | seed (32) | public key (32) | BLAKE2b-256 (32)
//
// Numbers are little-endian. The hash is over algorithm, id, seed and public
// key. The second line is what a password encrypts.
const (
	kdfNone   = "\x00\x00"
	kdfScrypt = "Sc"
	checksum  = "B2"

	kdfAt      = 2
	checksumAt = 4
	saltAt     = 6
	saltLen    = 32
	costAt     = saltAt + saltLen
	sealedAt   = costAt + 16
	sealedLen  = 8 + ed25519.PrivateKeySize + blake2b.Size256
	secretLen  = sealedAt + sealedLen
)

var (
	errSecret   = errors.New("not a secret key file of minisign: want a comment line and 212 characters of base64")
	errDamaged  = errors.New("the key file is damaged")
	errPassword = errors.New("wrong password, or a damaged key file")
)

// ParseSecretKey reads the file of a secret key. If it is encrypted, password is
// called once; a failure of it is returned.
func ParseSecretKey(b []byte, password func() ([]byte, error)) (SecretKey, error) {
	comment, raw, err := parseLines(b)
	if err != nil || comment == "" || len(raw) != secretLen || string(raw[:kdfAt]) != algorithm || string(raw[checksumAt:saltAt]) != checksum {
		return SecretKey{}, errSecret
	}
	sealed := raw[sealedAt:]
	switch string(raw[kdfAt:checksumAt]) {
	case kdfNone:
		// A key that never had a password has no checksum.
		if !checksumOK(sealed) && !empty(sealed[sealedLen-blake2b.Size256:]) {
			return SecretKey{}, errDamaged
		}
	case kdfScrypt:
		if err := decrypt(raw, password); err != nil {
			return SecretKey{}, err
		}
	default:
		return SecretKey{}, errSecret
	}
	k := SecretKey{ID: proto.KeyID(sealed), key: ed25519.NewKeyFromSeed(sealed[8:40])}
	if !k.key.Equal(ed25519.PrivateKey(sealed[8 : 8+ed25519.PrivateKeySize])) {
		return SecretKey{}, errDamaged
	}
	return k, nil
}

// decrypt decrypts a decoded file in place.
func decrypt(raw []byte, password func() ([]byte, error)) error {
	cost := costOf(raw)
	if err := cost.validate(); err != nil {
		return err
	}
	phrase, err := password()
	if err != nil {
		return err
	}
	cost.xor(raw[sealedAt:], phrase, raw[saltAt:costAt])
	if !checksumOK(raw[sealedAt:]) {
		return errPassword
	}
	return nil
}

// AppendText appends the file of k to b, encrypted if there is a password. That
// takes a gigabyte of memory, and seconds.
func (k SecretKey) AppendText(b, password []byte) []byte {
	return k.appendText(b, password, minisignCost)
}

func (k SecretKey) appendText(b, password []byte, cost scryptCost) []byte {
	raw := make([]byte, sealedAt, secretLen)
	copy(raw, algorithm+kdfNone+checksum)
	raw = slices.Concat(raw, k.ID[:], k.key)
	sum := keyChecksum(raw[sealedAt:])
	raw = append(raw, sum[:]...)
	if len(password) == 0 {
		return appendLines(b, "iotupd secret key "+k.ID.String(), raw)
	}
	copy(raw[kdfAt:], kdfScrypt)
	rand.Read(raw[saltAt:costAt])
	binary.LittleEndian.PutUint64(raw[costAt:], cost.operations)
	binary.LittleEndian.PutUint64(raw[costAt+8:], cost.memory)
	cost.xor(raw[sealedAt:], password, raw[saltAt:costAt])
	return appendLines(b, "iotupd encrypted secret key "+k.ID.String(), raw)
}

func costOf(raw []byte) scryptCost {
	return scryptCost{
		operations: binary.LittleEndian.Uint64(raw[costAt:]),
		memory:     binary.LittleEndian.Uint64(raw[costAt+8:]),
	}
}

// keyChecksum is the hash over a decrypted key.
func keyChecksum(sealed []byte) [blake2b.Size256]byte {
	return blake2b.Sum256(append([]byte(algorithm), sealed[:8+ed25519.PrivateKeySize]...))
}

func checksumOK(sealed []byte) bool {
	sum := keyChecksum(sealed)
	return subtle.ConstantTimeCompare(sum[:], sealed[len(sealed)-len(sum):]) == 1
}

func empty(b []byte) bool { return !slices.ContainsFunc(b, func(c byte) bool { return c != 0 }) }
