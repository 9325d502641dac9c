// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"iotupd/proto"
)

// A memScratch is a Scratch in memory.
type memScratch []byte

func (m memScratch) ReadAt(b []byte, at int64) (int, error)  { return copy(b, m[at:]), nil }
func (m memScratch) WriteAt(b []byte, at int64) (int, error) { return copy(m[at:], b), nil }

func TestATileOfParityIsBounded(t *testing.T) {
	// "tileBytes bounds the parity that is read back at once."
	for _, groups := range []uint64{1, 3, 400, tileBytes / 256, tileBytes/256 + 1} {
		p := proto.Params{Code: proto.CodeLeopard8, K: 1, M: 2, ShardSize: 256, Size: groups * 256}
		geo, err := p.Geometry()
		if err != nil {
			t.Fatal(err)
		}
		parity := make(memScratch, ParityBytes(geo))
		rng := rand.NewChaCha8([32]byte{1})
		rng.Read(parity)
		store := parityStore{geo: geo, place: place{scratch: parity}}
		for row := range geo.M {
			for g := range uint32(geo.Groups) {
				b, err := store.shard(g, row)
				if err != nil || !bytes.Equal(b, parity[store.position(g, row):][:256]) {
					t.Fatalf("%d groups: row %d of group %d is wrong (%v)", groups, row, g, err)
				}
			}
		}
		if cap(store.tile) > tileBytes {
			t.Errorf("%d groups: a tile of %d bytes, want at most %d", groups, cap(store.tile), tileBytes)
		}
	}
}
