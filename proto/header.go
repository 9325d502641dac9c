// SPDX-License-Identifier: GPL-2.0-or-later

package proto

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
)

// A Type says what a datagram carries (spec.md 2.2).
type Type uint8

const (
	TypeData     Type = 1
	TypeParity   Type = 2
	TypeDigest   Type = 3
	TypeManifest Type = 4
	TypeOutline  Type = 5

	maxType = TypeOutline
)

const (
	// HeaderLen is the length in bytes of the header that we send, path word included.
	HeaderLen = 64
	// MaxHeaderLen is the longest header that is accepted: a later sender may append words.
	MaxHeaderLen = 256
	// SealLen is the length in bytes of the authentication tag of a sealed datagram.
	SealLen = 16
	// MaxDatagramLen is the length in bytes of the longest datagram that [Parse] accepts.
	MaxDatagramLen = MaxHeaderLen + MaxShardSize + SealLen

	magic      = 0x4955 // "IU"
	version    = 1
	flagSealed = 1

	offHwords   = 7
	offChecksum = 52 // also the number of header bytes under the checksum
	offPath     = 56
)

// A Header is the decoded header of one datagram (spec.md 2.2).
//
//	 0               2       3       4       5       6       7       8
//	+---------------+-------+-------+-------+-------+-------+-------+
//	|     magic     |version| type  | flags |keyhint| code  |hwords |
//	+---------------+-------+-------+-------+-------+-------+-------+
//	|                       object id (16 bytes)                    |
//	+---------------------------------------------------------------+
//	|                           file size                           |
//	+---------------------------------------------------------------+
//	|                           offset                              |
//	+-------------------------------+---------------+---------------+
//	|             group             |     index     |       K       |
//	+---------------+---------------+---------------+---------------+
//	|       M       |       S       |            CRC32C             |
//	+-------+-------+-------+-------+---------------+---------------+
//	|pflags | layer | rate  |sender |              seq              |
//	+-------+-------+-------+-------+-------------------------------+
type Header struct {
	Type    Type
	Sealed  bool
	KeyHint byte // first byte of the key's id; 0 if not sealed
	Object  ObjectID
	Params
	Offset uint64 // DATA: of the shard in the file, in bytes; else 0
	Group  uint32 // OUTLINE: the number of the range
	Index  int    // of the shard, or record, in its group
	Path   Path

	// Extension is what a later sender put between path word and payload:
	// whole 8-byte words, at most 192 bytes. It aliases the parsed datagram.
	Extension []byte
}

// AppendTo appends the encoding of h to b, with a checksum of zero: the
// payload follows, and then [PutChecksum] completes the datagram.
func (h Header) AppendTo(b []byte) []byte {
	var flags byte
	if h.Sealed {
		flags |= flagSealed
	}
	b = binary.BigEndian.AppendUint16(b, magic)
	b = append(b, version, byte(h.Type), flags, h.KeyHint, byte(h.Code), byte((HeaderLen+len(h.Extension))/8))
	b = append(b, h.Object[:]...)
	b = binary.BigEndian.AppendUint64(b, h.Size)
	b = binary.BigEndian.AppendUint64(b, h.Offset)
	b = binary.BigEndian.AppendUint32(b, h.Group)
	b = binary.BigEndian.AppendUint16(b, uint16(h.Index))
	b = binary.BigEndian.AppendUint16(b, uint16(h.K))
	b = binary.BigEndian.AppendUint16(b, uint16(h.M))
	b = binary.BigEndian.AppendUint16(b, uint16(h.ShardSize))
	b = binary.BigEndian.AppendUint32(b, 0)
	b = h.Path.appendTo(b)
	return append(b, h.Extension...)
}

// DatagramLen returns the length in bytes of the datagram that h begins: header,
// shard and, if it is sealed, tag (spec.md 2.1).
func (h *Header) DatagramLen() int {
	n := HeaderLen + len(h.Extension) + h.ShardSize
	if h.Sealed {
		n += SealLen
	}
	return n
}

// LargestShard returns the size in bytes of the largest shard whose datagrams,
// sealed or not, have at most n bytes. If the result is below [MinShardSize],
// there is no such shard.
func LargestShard(n int) int { return (n - HeaderLen - SealLen) / ShardUnit * ShardUnit }

// Parse splits datagram b into its header and its payload, tag included if it
// is sealed. Both alias b. The error is a [Reason].
//
// Parse checks what needs no other knowledge: lengths, known values, ranges.
// Checksum ([ChecksumOK]) and the object's geometry ([Geometry.Admits]) come
// later, since a receiver wants to drop foreign packets before it pays for them.
func Parse(b []byte) (h Header, payload []byte, err error) {
	if len(b) < HeaderLen+MinShardSize {
		return Header{}, nil, ReasonLength
	}
	if binary.BigEndian.Uint16(b) != magic {
		return Header{}, nil, ReasonMagic
	}
	if b[2] != version {
		return Header{}, nil, ReasonVersion
	}
	h.Type = Type(b[3])
	if h.Type < TypeData || h.Type > maxType {
		return Header{}, nil, ReasonType
	}
	h.Sealed = b[4] == flagSealed
	h.KeyHint = b[5]
	if b[4]&^flagSealed != 0 || !h.Sealed && h.KeyHint != 0 {
		return Header{}, nil, ReasonFlags
	}
	h.Code = Code(b[6])
	h.Object = ObjectID(b[8:24])
	h.Size = binary.BigEndian.Uint64(b[24:])
	h.Offset = binary.BigEndian.Uint64(b[32:])
	h.Group = binary.BigEndian.Uint32(b[40:])
	h.Index = int(binary.BigEndian.Uint16(b[44:]))
	h.K = int(binary.BigEndian.Uint16(b[46:]))
	h.M = int(binary.BigEndian.Uint16(b[48:]))
	h.ShardSize = int(binary.BigEndian.Uint16(b[50:]))
	h.Path = parsePath(b[offPath:HeaderLen])

	n := 8 * int(b[offHwords])
	if n < HeaderLen || n > MaxHeaderLen {
		return Header{}, nil, ReasonLength
	}
	if n > HeaderLen {
		h.Extension = b[HeaderLen:n]
	}
	if len(b) != h.DatagramLen() {
		return Header{}, nil, ReasonLength
	}
	if !h.consistent() {
		return Header{}, nil, ReasonGeometry
	}
	return h, b[n:], nil
}

// consistent checks the fields that depend on the type alone.
func (h *Header) consistent() bool {
	if h.ShardSize < MinShardSize || h.ShardSize > MaxShardSize || h.ShardSize%ShardUnit != 0 {
		return false
	}
	switch h.Type {
	case TypeData:
		return h.Index < h.K
	case TypeParity:
		return h.Offset == 0 && h.Index >= h.K && h.Index < h.K+h.M
	case TypeManifest:
		return h.Offset == 0 && h.Group == 0 && h.Index == 0
	case TypeOutline:
		return h.Offset == 0 && h.Index == 0
	}
	return h.Offset == 0
}

// Admits checks a parsed header against the geometry of its object: same
// parameters, a group that exists, for DATA a real shard at its true offset, and
// for OUTLINE, instead of a group, a range that has an OUTLINE (spec.md 4.6). The
// error is [ReasonGeometry].
func (g Geometry) Admits(h *Header) error {
	if h.Params != g.Params {
		return ReasonGeometry
	}
	if h.Type == TypeOutline {
		if t, err := g.Tree(); err != nil || !t.outlined(h.Group) {
			return ReasonGeometry
		}
		return nil
	}
	if uint64(h.Group) >= g.Groups {
		return ReasonGeometry
	}
	if h.Type == TypeData {
		if offset, n := g.Extent(h.Group, h.Index); n == 0 || h.Offset != offset {
			return ReasonGeometry
		}
	}
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is the CRC32C of spec.md 2.4: the first 52 header bytes, then all
// that follows the header. The path word is left out, so that a datagram has
// the same checksum at every sender.
func checksum(b []byte) uint32 {
	sum := crc32.Update(0, castagnoli, b[:offChecksum])
	return crc32.Update(sum, castagnoli, b[8*int(b[offHwords]):])
}

// PutChecksum writes the checksum into datagram b, which consists of a header
// from [Header.AppendTo] and the payload.
func PutChecksum(b []byte) {
	binary.BigEndian.PutUint32(b[offChecksum:], checksum(b))
}

// ChecksumOK reports whether datagram b, which [Parse] accepted, is undamaged.
func ChecksumOK(b []byte) bool { return Checksum(b) == checksum(b) }

// Checksum returns the checksum that datagram b, which [Parse] accepted, carries.
func Checksum(b []byte) uint32 { return binary.BigEndian.Uint32(b[offChecksum:]) }

// SamePacket reports whether two datagrams, which [Parse] accepted, are equal
// except for the path word. Different senders send such copies of one packet.
func SamePacket(a, b []byte) bool {
	return bytes.Equal(a[:offPath], b[:offPath]) && bytes.Equal(a[HeaderLen:], b[HeaderLen:])
}
