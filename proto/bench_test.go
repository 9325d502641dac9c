// SPDX-License-Identifier: GPL-2.0-or-later

package proto

import (
	"fmt"
	"testing"
)

// TestNoAllocs pins what is done for every datagram.
func TestNoAllocs(t *testing.T) {
	datagram := exampleDatagram()
	broken := exampleDatagram()
	broken[2]++
	h := exampleHeader()
	geo, err := h.Params.Geometry()
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 0, HeaderLen)
	tree, digest, group, index := exampleDigest(t)
	record, err := tree.ParseDigest(digest)
	if err != nil {
		t.Fatal(err)
	}
	hasher, pieces := NewHasher(), NewLeafHash()
	for name, do := range map[string]func(){
		"AppendTo":        func() { buf = h.AppendTo(buf[:0]) },
		"PutChecksum":     func() { PutChecksum(datagram) },
		"ChecksumOK":      func() { ChecksumOK(datagram) },
		"Parse":           func() { Parse(datagram) },
		"Parse, refused":  func() { Parse(broken) },
		"Admits":          func() { geo.Admits(&h) },
		"Params.Geometry": func() { h.Params.Geometry() },
		"Geometry.Tree":   func() { geo.Tree() },
		"Hasher.Leaf":     func() { hasher.Leaf(digest) },
		"Hasher.Leaves":   func() { hasher.Leaves(digest, digest) },
		"LeafHash":        func() { pieces.Reset(); pieces.Write(digest); pieces.Leaf() },
		"ParseDigest":     func() { tree.ParseDigest(digest) },
		"Descriptor":      func() { tree.Descriptor(hasher, group, index, record) },
	} {
		if got := testing.AllocsPerRun(100, do); got != 0 {
			t.Errorf("%s: %v allocations, want 0", name, got)
		}
	}
}

func BenchmarkAppendTo(b *testing.B) {
	h := exampleHeader()
	buf := make([]byte, 0, HeaderLen)
	b.ReportAllocs()
	for b.Loop() {
		buf = h.AppendTo(buf[:0])
	}
}

func BenchmarkParse(b *testing.B) {
	datagram := exampleDatagram()
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Parse(datagram); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAdmits(b *testing.B) {
	h := exampleHeader()
	geo, err := h.Params.Geometry()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := geo.Admits(&h); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkChecksum(b *testing.B) {
	for _, s := range []int{DefaultShardSize, 8832} {
		b.Run(fmt.Sprintf("shard=%d", s), func(b *testing.B) {
			h := exampleHeader()
			h.ShardSize = s
			datagram := datagramOf(h, make([]byte, s))
			b.SetBytes(int64(len(datagram)))
			b.ReportAllocs()
			for b.Loop() {
				if !ChecksumOK(datagram) {
					b.Fatal("damaged")
				}
			}
		})
	}
}

// BenchmarkLeaf hashes one shard, or two at once.
func BenchmarkLeaf(b *testing.B) {
	h := NewHasher()
	x, y := make([]byte, DefaultShardSize), make([]byte, DefaultShardSize)
	b.Run("shards=1", func(b *testing.B) {
		b.SetBytes(DefaultShardSize)
		b.ReportAllocs()
		for b.Loop() {
			h.Leaf(x)
		}
	})
	b.Run("shards=2", func(b *testing.B) {
		b.SetBytes(2 * DefaultShardSize)
		b.ReportAllocs()
		for b.Loop() {
			h.Leaves(x, y)
		}
	})
}

func BenchmarkParseManifestPayload(b *testing.B) {
	payload, err := exampleManifest().AppendPayload(nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseManifestPayload(payload); err != nil {
			b.Fatal(err)
		}
	}
}
