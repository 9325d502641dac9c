// SPDX-License-Identifier: GPL-2.0-or-later

package proto

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

// An ObjectID names the content and the parameters of an object (spec.md 4.4).
// Senders that do not know of each other compute the same id.
type ObjectID [16]byte

// String returns id as 32 hexadecimal digits.
func (id ObjectID) String() string { return hex.EncodeToString(id[:]) }

// Short returns the first 8 digits, enough for a person to distinguish objects.
func (id ObjectID) Short() string { return hex.EncodeToString(id[:4]) }

// ParseObjectID reads the 32 hexadecimal digits of [ObjectID.String].
func ParseObjectID(s string) (id ObjectID, err error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(id) {
		return ObjectID{}, fmt.Errorf("object id %q is not %d hexadecimal digits", s, 2*len(id))
	}
	return ObjectID(b), nil
}

// A Digest is a SHA-256 truncated to 16 bytes, T16 of spec.md 1.
type Digest [16]byte

func t16(prefix string, b []byte) (d Digest) {
	h := sha256.New()
	h.Write([]byte(prefix))
	h.Write(b)
	copy(d[:], h.Sum(nil))
	return d
}

const (
	descriptorLen = 64
	suite         = 1 // SHA-256, Ed25519, ChaCha20-Poly1305, HKDF-SHA256
)

// A Descriptor is all that the object id commits to (spec.md 4.3).
//
//	 0       1       2               4               6               8
//	+-------+-------+---------------+---------------+---------------+
//	| code  | suite |       S       |       K       |       M       |
//	+-------+-------+---------------+---------------+---------------+
//	|                           file size                           |
//	+---------------------------------------------------------------+
//	|                  SHA-256 of the file (32 bytes)               |
//	+---------------------------------------------------------------+
//	|                root of the hash tree (16 bytes)               |
//	+---------------------------------------------------------------+
type Descriptor struct {
	Params
	SHA256 [sha256.Size]byte
	Root   Digest // zero: the object is sent without digests
}

// AppendTo appends the 64 bytes of d to b.
func (d Descriptor) AppendTo(b []byte) []byte {
	b = append(b, byte(d.Code), suite)
	b = binary.BigEndian.AppendUint16(b, uint16(d.ShardSize))
	b = binary.BigEndian.AppendUint16(b, uint16(d.K))
	b = binary.BigEndian.AppendUint16(b, uint16(d.M))
	b = binary.BigEndian.AppendUint64(b, d.Size)
	b = append(b, d.SHA256[:]...)
	return append(b, d.Root[:]...)
}

var errDescriptor = errors.New("proto: invalid descriptor")

// ParseDescriptor reads a descriptor of exactly 64 bytes whose parameters are
// valid.
func ParseDescriptor(b []byte) (d Descriptor, err error) {
	if len(b) != descriptorLen || b[1] != suite {
		return Descriptor{}, errDescriptor
	}
	d.Code = Code(b[0])
	d.ShardSize = int(binary.BigEndian.Uint16(b[2:]))
	d.K = int(binary.BigEndian.Uint16(b[4:]))
	d.M = int(binary.BigEndian.Uint16(b[6:]))
	d.Size = binary.BigEndian.Uint64(b[8:])
	copy(d.SHA256[:], b[16:])
	copy(d.Root[:], b[48:])
	return d, d.Params.Validate()
}

// Object returns the id of the object that d describes.
func (d Descriptor) Object() ObjectID {
	return ObjectID(t16("iotupd object v1\x00", d.AppendTo(make([]byte, 0, descriptorLen))))
}
