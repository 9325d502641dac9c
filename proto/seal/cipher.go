// SPDX-License-Identifier: GPL-2.0-or-later

package seal

import (
	"crypto/cipher"
	"crypto/hmac"
	"encoding/binary"

	"golang.org/x/crypto/chacha20poly1305"

	"iotupd/proto"
)

const (
	idLen     = 16 // of MID and MIDw
	aadLen    = 52 // bytes of the header that the tag covers
	offHwords = 7

	// maxManifestKeys is how many manifests of an object, of several senders,
	// keep their keys. Others cost two derivations each time.
	maxManifestKeys = 4
)

// A Cipher seals and opens the datagrams of one object. It is not safe for
// concurrent use; make one with [GroupKey.Cipher].
type Cipher struct {
	key   *GroupKey
	wire  proto.ObjectID
	shard cipher.AEAD // of all but MANIFEST

	manifests [maxManifestKeys]manifestKey // the last genuine ones
	oldest    int                          // of them

	nonce [chacha20poly1305.NonceSize]byte
	aad   [aadLen]byte
}

// A manifestKey encrypts one manifest and no other.
type manifestKey struct {
	wire [idLen]byte // MIDw
	aead cipher.AEAD // nil: none
}

// Cipher returns the Cipher of the object that has the id wire in the headers
// of its sealed datagrams: the keyed form, see [GroupKey.Object].
func (g *GroupKey) Cipher(wire proto.ObjectID) *Cipher {
	return &Cipher{key: g, wire: wire, shard: newAEAD(derive(g.key, wire[:], "iotupd v1 object"))}
}

func newAEAD(key []byte) cipher.AEAD {
	a, err := chacha20poly1305.New(key)
	if err != nil { // only the length of the key can be wrong
		panic("seal: internal error: " + err.Error())
	}
	return a
}

// Seal seals a datagram with header h that is complete except for tag and
// checksum, with Sealed, KeyHint and the keyed Object in its header. It returns
// the datagram with its tag, which still needs its checksum. If the capacity
// suffices, this happens in place; the caller must not use the argument
// afterwards in any case.
//
// Seal panics if the datagram is not one with that header, as far as its length
// shows, or not of this object.
func (c *Cipher) Seal(h *proto.Header, datagram []byte) []byte {
	if !c.owns(h) || len(datagram) != proto.HeaderLen+len(h.Extension)+h.ShardSize {
		panic("seal: internal error: a datagram of another object, or none")
	}
	sealed := append(datagram, make([]byte, proto.SealLen)...)
	aead, text := c.shard, sealed[len(datagram)-h.ShardSize:len(datagram)]
	if h.Type == proto.TypeManifest {
		k := c.manifestKey(c.key.keyed([idLen]byte(text)))
		c.keep(k)
		copy(text, k.wire[:])
		aead, text = k.aead, text[idLen:]
	}
	c.prepare(h, sealed)
	aead.Seal(text[:0], c.nonce[:], text, c.aad[:])
	return sealed
}

// Open appends the payload of a sealed datagram, as it was before [Cipher.Seal],
// to dst, which must not overlap it. h and payload are what [proto.Parse]
// returned for the datagram, which may come from anybody and is not changed. The
// error is [ReasonSeal]; then dst is returned with its old length and content,
// and only the bytes behind its length may have changed.
//
// A manifest gets its plain id back, so that [proto.ParseManifestPayload] takes
// it. Whether its descriptor belongs to the object is left to the caller.
func (c *Cipher) Open(dst []byte, h *proto.Header, datagram, payload []byte) ([]byte, error) {
	if !c.owns(h) {
		return dst, ReasonSeal
	}
	c.prepare(h, datagram)
	if h.Type == proto.TypeManifest {
		return c.openManifest(dst, payload)
	}
	out, err := c.shard.Open(dst, c.nonce[:], payload, c.aad[:])
	if err != nil {
		return dst, ReasonSeal
	}
	return out, nil
}

// openManifest keeps the key of a genuine manifest only, so that forged ones
// cannot push it out.
func (c *Cipher) openManifest(dst, payload []byte) ([]byte, error) {
	k := c.manifestKey([idLen]byte(payload))
	start := len(dst)
	out, err := k.aead.Open(append(dst, payload[:idLen]...), c.nonce[:], payload[idLen:], c.aad[:])
	if err != nil {
		return dst, ReasonSeal
	}
	id, ok := proto.ManifestID(out[start+idLen:])
	if wire := c.key.keyed(id); !ok || !hmac.Equal(wire[:], k.wire[:]) {
		return dst, ReasonSeal
	}
	c.keep(k)
	copy(out[start:], id[:])
	return out, nil
}

// owns reports whether h is the header of a sealed datagram of this object.
func (c *Cipher) owns(h *proto.Header) bool {
	return h.Sealed && h.KeyHint == c.key.hint && h.Object == c.wire
}

// prepare sets nonce and AAD of a datagram with header h. They are fields of c
// so that they do not escape with every datagram.
//
//	nonce: zeros (4) | type (1) | 0 (1) | index (2) | group (4)
func (c *Cipher) prepare(h *proto.Header, datagram []byte) {
	c.nonce[4] = byte(h.Type)
	binary.BigEndian.PutUint16(c.nonce[6:], uint16(h.Index))
	binary.BigEndian.PutUint32(c.nonce[8:], h.Group)
	copy(c.aad[:], datagram)
	c.aad[offHwords] = 0 // may differ from sender to sender
}

// manifestKey returns the key of the manifest that travels with id wire.
func (c *Cipher) manifestKey(wire [idLen]byte) manifestKey {
	for _, k := range c.manifests {
		if k.aead != nil && k.wire == wire {
			return k
		}
	}
	return manifestKey{wire, newAEAD(derive(c.key.key, wire[:], "iotupd v1 manifest"))}
}

// keep remembers k, in the place of the oldest if it is new.
func (c *Cipher) keep(k manifestKey) {
	for _, held := range c.manifests {
		if held.aead != nil && held.wire == k.wire {
			return
		}
	}
	c.manifests[c.oldest] = k
	c.oldest = (c.oldest + 1) % len(c.manifests)
}
