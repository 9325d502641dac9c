// SPDX-License-Identifier: GPL-2.0-or-later

package archive

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// large returns an inventory of n files of size bytes each, in directories of a hundred.
func large(b *testing.B, n int, size uint64) *Inventory {
	b.Helper()
	x := NewBuilder(nil)
	add := func(e Entry) {
		if err := x.Add(&e); err != nil {
			b.Fatal(err)
		}
	}
	add(Entry{Type: Directory, Mode: 0o755})
	for i := range n {
		if i%100 == 0 {
			add(Entry{Path: fmt.Sprintf("%06d", i/100), Type: Directory, Mode: 0o755})
		}
		add(Entry{Path: fmt.Sprintf("%06d/file-%02d.dat", i/100, i%100), Type: File, Mode: 0o644, Seconds: 1_700_000_000 + int64(i), Nanoseconds: rand.Uint32N(1e9), Size: size})
	}
	inv, err := x.Inventory()
	if err != nil {
		b.Fatal(err)
	}
	return inv
}

func BenchmarkParse(b *testing.B) {
	inv := large(b, 100_000, 2000)
	b.SetBytes(int64(len(inv.Bytes())))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(inv.Bytes(), MaxEntries); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReadShards reads an archive as a sender does, without the disk.
func BenchmarkReadShards(b *testing.B) {
	for _, size := range []uint64{2000, 200 << 20} {
		b.Run(fmt.Sprintf("files of %d bytes", size), func(b *testing.B) {
			inv := large(b, int(200<<20/size), size)
			r := &Reader{Inventory: inv, Content: func(_ int, b []byte, _ int64) (int, error) { return len(b), nil }}
			shard := make([]byte, 1152)
			b.SetBytes(int64(len(shard)))
			b.ReportAllocs()
			for i := uint64(0); b.Loop(); i++ {
				if _, err := r.ReadAt(shard, int64(i*1152%(inv.ArchiveSize()-1152))); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
