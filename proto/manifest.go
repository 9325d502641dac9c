// SPDX-License-Identifier: GPL-2.0-or-later

package proto

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// MaxSignatures is the number of signatures for which a manifest has room
// (spec.md 5.2).
const MaxSignatures = 4

// Limits of a manifest's fields, in bytes (spec.md 5.2).
const (
	maxChannelLen = 253
	maxVersionLen = 64
	maxTargetLen  = 64

	maxComponentLen = 64

	manifestFixedLen = 96
	signatureLen     = 72
	manifestIDLen    = 16
)

// A Manifest describes an object in one packet: its parameters and hashes, its
// name, its release, and signatures (spec.md 5). Empty fields are left out on the
// wire.
type Manifest struct {
	Sequence   uint64 // anti-rollback counter; 0 if unsigned
	Created    uint64 // Unix seconds, informative; 0 if unsigned
	Expires    uint64 // Unix seconds; 0: never
	Descriptor Descriptor

	Channel  string
	Name     string   // of the file; see [CheckName]
	Version  string   // free text
	Targets  []string // hardware the file is for
	Metadata []byte   // for the install hook
	Notes    string

	// Component names what this is a release of. Releases of different components do not
	// replace each other.
	Component string

	// Inventory describes the object that lists the content of this one, if this one is the
	// archive of a directory (spec.md 6.7); else the zero value.
	Inventory Descriptor

	Unknown []TLV // fields of a later version, not critical

	// Catalogue is how many objects the object lists, if that is a catalogue (see
	// [ParseCatalogue]); else 0.
	Catalogue uint32

	// Archive is the object whose inventory the object is; else the zero value.
	Archive ObjectID

	Signatures []Signature
}

// A TLV is a manifest field that this version does not know.
type TLV struct {
	Type  uint16
	Value []byte
}

// A Signature is an Ed25519 signature over the body of a manifest, not
// verified here.
type Signature struct {
	KeyID KeyID
	Sig   [64]byte
}

// Types of the manifest's fields; those with the critical bit must be known.
const (
	tlvChannel  = 1
	tlvName     = 2
	tlvVersion  = 3
	tlvTarget   = 4
	tlvMetadata = 5
	tlvNotes    = 6

	tlvComponent = 7
	tlvInventory = 8

	tlvCritical  = 1 << 15
	tlvCatalogue = tlvCritical | 1
	tlvArchive   = tlvCritical | 2
)

var errManifest = errors.New("proto: invalid manifest")

// AppendTo appends the encoding of m to b (spec.md 5.2).
//
//	"IUM1" | body length (2) | flags 0 (2) | sequence (8) | created (8) | expires (8)
//	descriptor (64) | TLVs: type (2) length (2) value, ascending | n (1) | n * (key id (8), signature (64))
func (m *Manifest) AppendTo(b []byte) []byte {
	start := len(b)
	b = append(b, "IUM1\x00\x00\x00\x00"...)
	b = binary.BigEndian.AppendUint64(b, m.Sequence)
	b = binary.BigEndian.AppendUint64(b, m.Created)
	b = binary.BigEndian.AppendUint64(b, m.Expires)
	b = m.Descriptor.AppendTo(b)
	b = appendTLV(b, tlvChannel, m.Channel)
	b = appendTLV(b, tlvName, m.Name)
	b = appendTLV(b, tlvVersion, m.Version)
	for _, t := range m.Targets {
		b = appendTLV(b, tlvTarget, t)
	}
	b = appendTLV(b, tlvMetadata, m.Metadata)
	b = appendTLV(b, tlvNotes, m.Notes)
	b = appendTLV(b, tlvComponent, m.Component)
	if m.IsArchive() {
		b = appendTLV(b, tlvInventory, m.Inventory.AppendTo(nil))
	}
	for _, u := range m.Unknown {
		b = binary.BigEndian.AppendUint16(b, u.Type)
		b = binary.BigEndian.AppendUint16(b, uint16(len(u.Value)))
		b = append(b, u.Value...)
	}
	if m.Catalogue > 0 {
		b = appendTLV(b, tlvCatalogue, binary.BigEndian.AppendUint32(nil, m.Catalogue))
	}
	if m.Archive != (ObjectID{}) {
		b = appendTLV(b, tlvArchive, m.Archive[:])
	}
	binary.BigEndian.PutUint16(b[start+4:], uint16(len(b)-start))
	b = append(b, byte(len(m.Signatures)))
	for _, s := range m.Signatures {
		b = append(b, s.KeyID[:]...)
		b = append(b, s.Sig[:]...)
	}
	return b
}

func appendTLV[T string | []byte](b []byte, typ uint16, value T) []byte {
	if len(value) == 0 {
		return b
	}
	b = binary.BigEndian.AppendUint16(b, typ)
	b = binary.BigEndian.AppendUint16(b, uint16(len(value)))
	return append(b, value...)
}

// AppendPayload appends the payload of a MANIFEST packet to b: manifest id,
// manifest, and zero padding to the object's shard size (spec.md 5.1). It
// fails if a field is out of its limits or the manifest does not fit; it never
// truncates.
func (m *Manifest) AppendPayload(b []byte) ([]byte, error) {
	enc := m.AppendTo(nil)
	size := m.Descriptor.ShardSize
	if over := manifestIDLen + len(enc) - size; over > 0 {
		return b, tooLong(over, size)
	}
	if _, n, err := parseManifest(enc); err != nil {
		return b, err
	} else if n != len(enc) {
		return b, fmt.Errorf("%w: more than %d signatures", errManifest, MaxSignatures)
	}
	id := manifestID(enc)
	b = append(b, id[:]...)
	b = append(b, enc...)
	return append(b, make([]byte, size-manifestIDLen-len(enc))...), nil
}

// tooLong returns an error for a manifest that exceeds shards of size bytes by
// over bytes, with a hint what to do.
func tooLong(over, size int) error {
	hint := "shorten its texts or metadata"
	if enough := (size + over + ShardUnit - 1) / ShardUnit * ShardUnit; enough <= MaxShardSize {
		hint += fmt.Sprintf(", or use shards of %d bytes", enough)
	}
	return fmt.Errorf("the manifest is %d bytes too long for shards of %d bytes; %s", over, size, hint)
}

// ManifestID returns the id, MID of spec.md 5.1, of the encoded manifest that b
// starts with. ok is false if the lengths in it are wrong. Bytes behind it are
// ignored.
func ManifestID(b []byte) (id Digest, ok bool) {
	body, signatures, ok := splitManifest(b)
	if !ok {
		return Digest{}, false
	}
	return manifestID(b[:len(body)+1+len(signatures)]), true
}

func manifestID(enc []byte) Digest { return t16("iotupd manifest id v1\x00", enc) }

// ParseManifestPayload reads what [Manifest.AppendPayload] wrote. Byte slices
// of the result alias payload. The caller must compare Descriptor.Object() with
// the object id of the packet.
func ParseManifestPayload(payload []byte) (*Manifest, error) {
	if len(payload) < manifestIDLen {
		return nil, errManifest
	}
	id, rest := Digest(payload[:manifestIDLen]), payload[manifestIDLen:]
	m, n, err := parseManifest(rest)
	if err != nil {
		return nil, err
	}
	if manifestID(rest[:n]) != id || m.Descriptor.ShardSize != len(payload) {
		return nil, errManifest
	}
	for _, c := range rest[n:] {
		if c != 0 {
			return nil, errManifest
		}
	}
	return m, nil
}

// ParseManifest reads a manifest that stands alone, in a file: what
// [Manifest.AppendTo] wrote and nothing else. Byte slices of the result alias b.
func ParseManifest(b []byte) (*Manifest, error) {
	m, n, err := parseManifest(b)
	if err == nil && n != len(b) {
		err = errManifest
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

// splitManifest finds the body of the encoded manifest that b starts with, and
// its signatures. Between the two is one byte, the number of signatures. It
// looks at lengths only.
func splitManifest(b []byte) (body, signatures []byte, ok bool) {
	if len(b) < manifestFixedLen+1 {
		return nil, nil, false
	}
	at := int(binary.BigEndian.Uint16(b[4:]))
	if at < manifestFixedLen || at >= len(b) {
		return nil, nil, false
	}
	n := int(b[at])
	end := at + 1 + n*signatureLen
	if n > MaxSignatures || end > len(b) {
		return nil, nil, false
	}
	return b[:at], b[at+1 : end], true
}

// parseManifest reads one manifest from the front of b and returns its length.
func parseManifest(b []byte) (*Manifest, int, error) {
	body, signatures, ok := splitManifest(b)
	if !ok || string(b[:4]) != "IUM1" || b[6] != 0 || b[7] != 0 {
		return nil, 0, errManifest
	}
	m := &Manifest{
		Sequence: binary.BigEndian.Uint64(b[8:]),
		Created:  binary.BigEndian.Uint64(b[16:]),
		Expires:  binary.BigEndian.Uint64(b[24:]),
	}
	var err error
	if m.Descriptor, err = ParseDescriptor(b[32:manifestFixedLen]); err != nil {
		return nil, 0, err
	}
	if err := m.parseTLVs(body[manifestFixedLen:]); err != nil {
		return nil, 0, err
	}
	if m.Archive != (ObjectID{}) && len(signatures) > 0 {
		return nil, 0, fmt.Errorf("%w: a signed inventory", errManifest)
	}
	for s := signatures; len(s) > 0; s = s[signatureLen:] {
		m.Signatures = append(m.Signatures, Signature{KeyID: KeyID(s), Sig: [64]byte(s[8:signatureLen])})
	}
	return m, len(body) + 1 + len(signatures), nil
}

func (m *Manifest) parseTLVs(b []byte) error {
	last := -1
	for len(b) > 0 {
		if len(b) < 4 {
			return errManifest
		}
		typ, n := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		b = b[4:]
		ordered := int(typ) > last || typ == tlvTarget && last == tlvTarget
		if n > len(b) || !ordered {
			return errManifest
		}
		if err := m.setTLV(typ, b[:n]); err != nil {
			return err
		}
		last, b = int(typ), b[n:]
	}
	return nil
}

// setTLV stores one field. An empty value of a known type is refused, since it
// would not encode again.
func (m *Manifest) setTLV(typ uint16, value []byte) error {
	var text *string
	what, limit := "", math.MaxUint16
	switch typ {
	case tlvChannel:
		text, what, limit = &m.Channel, "channel", maxChannelLen
	case tlvName:
		if err := CheckName(string(value)); err != nil {
			return err
		}
		text = &m.Name
	case tlvVersion:
		text, what, limit = &m.Version, "version", maxVersionLen
	case tlvTarget:
		m.Targets = append(m.Targets, "")
		text, what, limit = &m.Targets[len(m.Targets)-1], "target", maxTargetLen
	case tlvMetadata:
		if len(value) == 0 {
			return errManifest
		}
		m.Metadata = value
		return nil
	case tlvNotes:
		text, what = &m.Notes, "notes"
	case tlvComponent:
		text, what, limit = &m.Component, "component", maxComponentLen
	case tlvInventory:
		return m.setInventory(value)
	case tlvArchive:
		if len(value) != len(m.Archive) || ObjectID(value) == (ObjectID{}) || m.Name != "" || m.IsArchive() || m.Catalogue > 0 {
			return fmt.Errorf("%w: inventory of %x", errManifest, value)
		}
		m.Archive = ObjectID(value)
		return nil
	case tlvCatalogue:
		if m.IsArchive() {
			return fmt.Errorf("%w: a catalogue with an inventory", errManifest)
		}
		if len(value) != 4 || binary.BigEndian.Uint32(value) == 0 {
			return fmt.Errorf("%w: a catalogue cannot have %x objects", errManifest, value)
		}
		m.Catalogue = binary.BigEndian.Uint32(value)
		return nil
	default:
		if typ&tlvCritical != 0 || typ == 0 {
			return fmt.Errorf("%w: field %#x is unknown and critical", errManifest, typ)
		}
		m.Unknown = append(m.Unknown, TLV{Type: typ, Value: value})
		return nil
	}
	if len(value) == 0 || len(value) > limit || !utf8.Valid(value) {
		return fmt.Errorf("%w: %s of %d bytes is not 1 to %d bytes of UTF-8", errManifest, what, len(value), limit)
	}
	*text = string(value)
	return nil
}
