// SPDX-License-Identifier: GPL-2.0-or-later

// Package seal encrypts and authenticates the datagrams of senders and receivers
// that share a group key (spec.md 9). The same datagram is sealed to the same bytes by every
// sender, always: nothing is counted and nothing has to be remembered.
package seal

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"

	"iotupd/proto"
)

// ReasonSeal is the reason to ignore a datagram that no holder of the key made.
const ReasonSeal proto.Reason = "seal"

// A GroupKey is a key with all that is derived from it alone. It does not change,
// so that it is safe for concurrent use. Make one with [NewGroupKey].
type GroupKey struct {
	key   Key
	idKey []byte // K_id
	hint  byte
}

// NewGroupKey derives what belongs to a key.
func NewGroupKey(key Key) *GroupKey {
	return &GroupKey{
		key:   key,
		idKey: derive(key, nil, "iotupd v1 id"),
		hint:  derive(key, nil, "iotupd v1 keyid")[0],
	}
}

// Hint returns the key hint of the header. One in 256 foreign keys has the
// same one: it only picks the keys that are worth a try.
func (g *GroupKey) Hint() byte { return g.hint }

// Object returns the keyed form of an object id, OIDw, that stands in the
// header of a sealed datagram. A receiver that knows a descriptor compares the
// keyed form of its id.
func (g *GroupKey) Object(id proto.ObjectID) proto.ObjectID { return g.keyed(id) }

// keyed returns the form in which an id travels in the clear, so that only
// holders of the key recognise it.
func (g *GroupKey) keyed(id [16]byte) [16]byte {
	mac := hmac.New(sha256.New, g.idKey)
	mac.Write(id[:])
	return [16]byte(mac.Sum(nil))
}

// derive returns 32 bytes of HKDF-SHA256.
func derive(key Key, salt []byte, info string) []byte {
	b, err := hkdf.Key(sha256.New, key[:], salt, info, 32)
	if err != nil { // only lengths that are constant here can be wrong
		panic("seal: internal error: " + err.Error())
	}
	return b
}
