// SPDX-License-Identifier: GPL-2.0-or-later

package proto

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"strconv"
	"testing"
)

// datagramOf completes h and payload with the checksum.
func datagramOf(h Header, payload []byte) []byte {
	b := append(h.AppendTo(nil), payload...)
	PutChecksum(b)
	return b
}

// exampleHeader is a valid DATA header: shard 2*98+3 of 391 in 98 groups.
func exampleHeader() Header {
	return Header{
		Type:   TypeData,
		Object: ObjectID{1, 2, 3},
		Params: Params{Code: CodeLeopard8, K: 4, M: 2, ShardSize: MinShardSize, Size: 100000},
		Offset: 199 * MinShardSize,
		Group:  3,
		Index:  2,
		Path:   Path{Layers: 1, Rate: 106, Sender: 1, Senders: 1, Seq: 5},
	}
}

func exampleDatagram() []byte {
	return datagramOf(exampleHeader(), bytes.Repeat([]byte{0x5a}, MinShardSize))
}

func TestHeaderVectors(t *testing.T) {
	forEachVector(t, "header.txt", func(t *testing.T, v vector) {
		want := Header{
			Type:      Type(v.num("type")),
			Sealed:    v.num("sealed") == 1,
			KeyHint:   byte(v.num("key-hint")),
			Object:    ObjectID(v.hex("object")),
			Params:    v.params(),
			Offset:    v.num("offset"),
			Group:     uint32(v.num("group")),
			Index:     int(v.num("index")),
			Path:      parsePath(v.hex("path")),
			Extension: v.hex("extension"),
		}
		enc := append([]byte("foo"), v.hex("hex")...)
		if got := want.AppendTo([]byte("foo")); !bytes.Equal(got, enc) {
			t.Errorf("AppendTo:\n got %x\nwant %x", got, enc)
		}

		payload := bytes.Repeat([]byte{7}, want.ShardSize)
		if want.Sealed {
			payload = append(payload, make([]byte, SealLen)...)
		}
		got, gotPayload, err := Parse(append(enc[3:], payload...))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("Parse:\n got %+v\nwant %+v", got, want)
		}
		if !bytes.Equal(gotPayload, payload) {
			t.Errorf("payload of %d bytes, want %d", len(gotPayload), len(payload))
		}
	})
}

func TestDatagramVectors(t *testing.T) {
	var object vector // the first block
	forEachVector(t, "datagram.txt", func(t *testing.T, v vector) {
		if object.t == nil {
			object = v
			return
		}
		object.t = t
		want := v.hex("datagram")
		h, payload, err := Parse(want)
		if err != nil {
			t.Fatal(err)
		}
		if sum, _ := strconv.ParseUint(v.text("checksum"), 16, 32); uint32(sum) != checksum(want) || !ChecksumOK(want) {
			t.Errorf("checksum %08x, want %s", checksum(want), v.text("checksum"))
		}
		if got := datagramOf(h, payload); !bytes.Equal(got, want) {
			t.Errorf("encodes again as\n%x, want\n%x", got, want)
		}

		d, err := ParseDescriptor(object.hex("descriptor"))
		if err != nil {
			t.Fatal(err)
		}
		named := Header{
			Type: Type(v.num("type")), Sealed: h.Sealed, KeyHint: h.KeyHint,
			Object: ObjectID(object.hex("object")), Params: d.Params,
			Index: int(v.num("index")), Offset: v.num("offset"), Path: parsePath(v.hex("path")),
			Extension: h.Extension,
		}
		if !reflect.DeepEqual(h, named) {
			t.Errorf("Parse:\n got %+v\nwant %+v", h, named)
		}
		geo, err := d.Geometry()
		if err != nil {
			t.Fatal(err)
		}
		if err := geo.Admits(&h); err != nil {
			t.Error(err)
		}
		if h.Type == TypeData && !h.Sealed {
			file := object.hex("file")
			got, want := payload[:geo.ShardLen(h.Group, h.Index)], file[h.Offset:]
			if !bytes.HasPrefix(want, got) {
				t.Errorf("payload is not the file at offset %d", h.Offset)
			}
		}
	})
}

func TestEveryTruncationIsRefused(t *testing.T) {
	datagram := exampleDatagram()
	for n := range datagram {
		if _, _, err := Parse(datagram[:n]); err != ReasonLength {
			t.Fatalf("%d of %d bytes: got %v, want %v", n, len(datagram), err, ReasonLength)
		}
	}
	if _, _, err := Parse(append(datagram, 0)); err != ReasonLength {
		t.Errorf("one byte too many: got %v, want %v", err, ReasonLength)
	}
}

func TestParseGivesTheReason(t *testing.T) {
	put16 := func(offset int, v uint16) func([]byte) {
		return func(b []byte) { binary.BigEndian.PutUint16(b[offset:], v) }
	}
	set := func(offset int, v byte) func([]byte) {
		return func(b []byte) { b[offset] = v }
	}
	both := func(f, g func([]byte)) func([]byte) {
		return func(b []byte) { f(b); g(b) }
	}
	offset := set(39, 1)
	for _, tt := range []struct {
		name   string
		change func([]byte)
		want   Reason
	}{
		{"magic", set(0, 'i'), ReasonMagic},
		{"magic of LCT version 1", set(0, 0x10), ReasonMagic},
		{"version 0", set(2, 0), ReasonVersion},
		{"version 2", set(2, 2), ReasonVersion},
		{"type 0", set(3, 0), ReasonType},
		{"type 6", set(3, 6), ReasonType},
		{"unknown flag", set(4, 2), ReasonFlags},
		{"key hint without a seal", set(5, 1), ReasonFlags},
		{"sealed without a tag", set(4, flagSealed), ReasonLength},
		{"hwords 0", set(7, 0), ReasonLength},
		{"hwords 7", set(7, 7), ReasonLength},
		{"hwords 9", set(7, 9), ReasonLength},
		{"hwords 255", set(7, 255), ReasonLength},
		{"another shard size", put16(50, 320), ReasonLength},
		{"shard size 0", put16(50, 0), ReasonLength},
		{"shard size 192", both(put16(50, 192), set(7, 16)), ReasonGeometry},
		{"shard size 248", both(put16(50, 248), set(7, 9)), ReasonGeometry},
		{"DATA with index K", put16(44, 4), ReasonGeometry},
		{"DATA with K = 0", both(put16(46, 0), put16(44, 0)), ReasonGeometry},
		{"PARITY with index K-1", both(set(3, 2), put16(44, 3)), ReasonGeometry},
		{"PARITY with index K+M", both(set(3, 2), put16(44, 6)), ReasonGeometry},
		{"PARITY with an offset", both(set(3, 2), both(put16(44, 4), offset)), ReasonGeometry},
		{"DIGEST with an offset", both(set(3, 3), offset), ReasonGeometry},
		{"OUTLINE with an offset", both(set(3, 5), both(put16(44, 0), offset)), ReasonGeometry},
		{"OUTLINE with an index", set(3, 5), ReasonGeometry},
		{"MANIFEST with an offset", both(set(3, 4), both(put16(42, 0), both(put16(44, 0), offset))), ReasonGeometry},
		{"MANIFEST with a group", both(set(3, 4), put16(44, 0)), ReasonGeometry},
		{"MANIFEST with an index", both(set(3, 4), put16(42, 0)), ReasonGeometry},
	} {
		b := exampleDatagram()
		clear(b[32:40]) // the example's own offset
		tt.change(b)
		if _, _, err := Parse(b); err != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}

	long := make([]byte, MaxHeaderLen+8+MinShardSize)
	copy(long, exampleDatagram())
	long[offHwords] = MaxHeaderLen/8 + 1
	if _, _, err := Parse(long); err != ReasonLength {
		t.Errorf("hwords 33: got %v, want %v", err, ReasonLength)
	}
}

func TestDatagramsHaveTheLengthThatTheirHeaderSays(t *testing.T) {
	// "A datagram of any type is exactly 8*hwords + S bytes long, and 16 more if
	// it is sealed." spec.md 2.1
	for _, sealed := range []bool{false, true} {
		for _, words := range []int{0, 1, (MaxHeaderLen - HeaderLen) / 8} {
			h := exampleHeader()
			h.Sealed, h.KeyHint, h.Extension = sealed, 0, make([]byte, 8*words)
			b := h.AppendTo(nil)
			b = append(b, make([]byte, h.ShardSize)...)
			if sealed {
				b = append(b, make([]byte, SealLen)...)
			}
			if got := h.DatagramLen(); got != len(b) {
				t.Errorf("sealed: %v, %d more words: got %d, want %d", sealed, words, got, len(b))
			}
			if _, _, err := Parse(b); err != nil {
				t.Errorf("sealed: %v, %d more words: %v", sealed, words, err)
			}
			for _, wrong := range [][]byte{b[:len(b)-1], append(b, 0)} {
				if _, _, err := Parse(wrong); err != ReasonLength {
					t.Errorf("sealed: %v, %d more words, %d bytes: got %v, want %v", sealed, words, len(wrong), err, ReasonLength)
				}
			}
		}
	}
}

func TestLargestShardFillsADatagram(t *testing.T) {
	for n := HeaderLen + SealLen + MinShardSize; n <= HeaderLen+SealLen+MaxShardSize; n++ {
		h := Header{Sealed: true, Params: Params{ShardSize: LargestShard(n)}}
		if got := h.DatagramLen(); got > n || got+ShardUnit <= n {
			t.Fatalf("shards of %d bytes for datagrams of %d make such of %d", h.ShardSize, n, got)
		}
	}
	for _, test := range []struct{ mtu, headers, want int }{
		{1280, 48, 1152}, {1500, 48, 1344}, {9000, 48, 8832}, {1500, 28, 1344}, {576, 28, 448},
	} {
		if got := LargestShard(test.mtu - test.headers); got != test.want {
			t.Errorf("MTU %d: shards of %d, want %d", test.mtu, got, test.want)
		}
	}
	if got := LargestShard(HeaderLen + SealLen + MinShardSize - 1); got >= MinShardSize {
		t.Errorf("got %d", got)
	}
}

func TestChecksumFindsEveryBitFlip(t *testing.T) {
	// "... over bytes 0 to 51, continued over all bytes from 8*hwords to the end of
	// the datagram." spec.md 2.4
	for bit := range 8 * len(exampleDatagram()) {
		b := exampleDatagram()
		b[bit/8] ^= 1 << (bit % 8)
		_, _, err := Parse(b)
		accepted := err == nil && ChecksumOK(b)
		if inPath := bit/8 >= offPath && bit/8 < HeaderLen; accepted != inPath {
			t.Errorf("bit %d of byte %d: accepted = %v, want %v", bit%8, bit/8, accepted, inPath)
		}
	}
}

func TestChecksumLeavesOutPathAndExtension(t *testing.T) {
	// "The path word and further header words are left out." spec.md 2.4
	h := exampleHeader()
	payload := make([]byte, MinShardSize)
	want := binary.BigEndian.Uint32(datagramOf(h, payload)[offChecksum:])

	h.Path = Path{Flags: PathBye, Layer: 3, Layers: 4, Rate: 9, Sender: 2, Senders: 2, Seq: 1 << 31}
	if got := binary.BigEndian.Uint32(datagramOf(h, payload)[offChecksum:]); got != want {
		t.Errorf("another path word: got %08x, want %08x", got, want)
	}
	h.Extension = make([]byte, 16)
	b := datagramOf(h, payload)
	b[HeaderLen]++
	if !ChecksumOK(b) {
		t.Error("the checksum covers the extension")
	}
}

func TestAdmits(t *testing.T) {
	h := exampleHeader()
	geo, err := h.Params.Geometry()
	if err != nil {
		t.Fatal(err)
	}
	if err := geo.Admits(&h); err != nil {
		t.Fatal(err)
	}
	// 391 shards in 98 groups of 4: the last of group 97 is virtual.
	virtual := geo.Shard(97, 3) * MinShardSize
	for name, change := range map[string]func(*Header){
		"another size":       func(h *Header) { h.Size++ },
		"another K":          func(h *Header) { h.K++ },
		"another M":          func(h *Header) { h.M-- },
		"another code":       func(h *Header) { h.Code = CodeLeopard16 },
		"another shard size": func(h *Header) { h.ShardSize += ShardUnit },
		"no such group":      func(h *Header) { h.Group = 98 },
		"wrong offset":       func(h *Header) { h.Offset += MinShardSize },
		"offset inside":      func(h *Header) { h.Offset++ },
		"virtual shard":      func(h *Header) { h.Group, h.Index, h.Offset = 97, 3, virtual },
		"parity of no group": func(h *Header) { h.Type, h.Index, h.Offset, h.Group = TypeParity, 4, 0, 98 },
		"outline of no data": func(h *Header) { h.Type, h.Index, h.Offset, h.Group = TypeOutline, 0, 0, 49 },
	} {
		h := exampleHeader()
		change(&h)
		if err := geo.Admits(&h); err != ReasonGeometry {
			t.Errorf("%s: got %v, want %v", name, err, ReasonGeometry)
		}
	}

	empty, err := Params{K: 1, ShardSize: MinShardSize}.Geometry()
	if err != nil {
		t.Fatal(err)
	}
	if err := empty.Admits(&Header{Type: TypeData, Params: empty.Params}); err != ReasonGeometry {
		t.Errorf("DATA of an empty file: got %v, want %v", err, ReasonGeometry)
	}
}

func TestReasonIsAnError(t *testing.T) {
	if got, want := ReasonLength.Error(), "datagram ignored: length"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
