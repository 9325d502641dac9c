// SPDX-License-Identifier: GPL-2.0-or-later

package proto

import (
	"bytes"
	"io/fs"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func FuzzParse(f *testing.F) {
	h := exampleHeader()
	f.Add(exampleDatagram())
	h.Extension = make([]byte, 24)
	f.Add(datagramOf(h, make([]byte, MinShardSize)))
	h.Type, h.Index, h.Offset = TypeParity, 4, 0
	f.Add(datagramOf(h, make([]byte, MinShardSize)))
	h.Type, h.Group, h.Index, h.Sealed, h.KeyHint = TypeManifest, 0, 0, true, 9
	f.Add(datagramOf(h, make([]byte, MinShardSize+SealLen)))
	f.Fuzz(func(t *testing.T, in []byte) {
		before := bytes.Clone(in)
		h, payload, err := Parse(in)
		if err != nil {
			return
		}
		ok := ChecksumOK(in)
		if !bytes.Equal(in, before) {
			t.Error("the datagram was written to")
		}
		out := datagramOf(h, payload)
		if ok && !bytes.Equal(out, in) {
			t.Errorf("%x encodes again as %x", in, out)
		}
		PutChecksum(before)
		if !bytes.Equal(out, before) || !ChecksumOK(out) {
			t.Errorf("%x with its checksum encodes again as %x", before, out)
		}
		if geo, err := h.Params.Geometry(); err == nil && geo.Admits(&h) == nil {
			checkAdmitted(t, geo, &h)
		}
	})
}

// checkAdmitted checks what a receiver relies on when it has admitted a packet.
func checkAdmitted(t *testing.T, geo Geometry, h *Header) {
	if n := geo.RealShards(h.Group); n < 0 || n > h.K || h.Size > 0 && n == 0 {
		t.Errorf("%d real shards of %d", n, h.K)
	}
	if h.Type != TypeData {
		return
	}
	n := geo.ShardLen(h.Group, h.Index)
	if n < 1 || n > h.ShardSize || h.Offset+uint64(n) > h.Size || h.Size >= 1<<62 {
		t.Errorf("%d bytes at offset %d in a file of %d", n, h.Offset, h.Size)
	}
}

func FuzzManifest(f *testing.F) {
	m := exampleManifest()
	m.Descriptor.ShardSize = 320
	f.Add(m.AppendTo(nil))
	m.Channel, m.Version, m.Targets, m.Notes = "c", "1", []string{"x", "y"}, "n"
	m.Metadata, m.Unknown = []byte{1}, []TLV{{Type: 7, Value: []byte{}}}
	m.Signatures = make([]Signature, 1)
	f.Add(m.AppendTo(nil))
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in)+manifestIDLen > MaxShardSize {
			return
		}
		// The id and the padding are made here: no mutation would hit on them.
		m, n, err := parseManifest(in)
		if err != nil {
			return
		}
		if got := m.AppendTo(nil); !bytes.Equal(got, in[:n]) {
			t.Fatalf("%x encodes again as %x", in[:n], got)
		}
		payload, err := m.AppendPayload(nil)
		if tooLong := manifestIDLen+n > m.Descriptor.ShardSize; tooLong != (err != nil) {
			t.Fatalf("%d bytes for shards of %d: %v", n, m.Descriptor.ShardSize, err)
		} else if tooLong {
			return
		}
		again, err := ParseManifestPayload(payload)
		if err != nil || !reflect.DeepEqual(again, m) {
			t.Errorf("got %+v, %v, want %+v", again, err, m)
		}
	})
}

func FuzzDescriptor(f *testing.F) {
	f.Add(exampleManifest().Descriptor.AppendTo(nil))
	f.Add(Descriptor{Params: Params{K: 1, ShardSize: MinShardSize}}.AppendTo(nil))
	f.Fuzz(func(t *testing.T, in []byte) {
		d, err := ParseDescriptor(in)
		if err != nil {
			return
		}
		if got := d.AppendTo(nil); !bytes.Equal(got, in) {
			t.Errorf("%x encodes again as %x", in, got)
		}
		if _, err := d.Geometry(); err != nil {
			t.Errorf("accepted without a geometry: %v", err)
		}
	})
}

func FuzzCheckName(f *testing.F) {
	for _, name := range []string{"fw.bin", "a b", "../x", "C:x", "a\\b", "\u202e", "-x", ".x", "é"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if CheckName(name) != nil {
			return
		}
		if len(name) > MaxNameLen || !fs.ValidPath(name) || name == "." || !filepath.IsLocal(name) ||
			filepath.Base(name) != name || strings.ContainsFunc(name, unprintable) {
			t.Errorf("%q was accepted", name)
		}
		m := exampleManifest()
		m.Name = name
		payload, err := m.AppendPayload(nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseManifestPayload(payload); err != nil || got.Name != name {
			t.Errorf("got %v, %v, want %q", got, err, name)
		}
	})
}
