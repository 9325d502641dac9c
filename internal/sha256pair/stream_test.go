// SPDX-License-Identifier: GPL-2.0-or-later

package sha256pair

import (
	"crypto/sha256"
	"math/rand/v2"
	"testing"
)

func TestAStreamHasTheSHA256OfTheMessageAndOfEachPiece(t *testing.T) {
	s, ok := NewStream()
	if !ok {
		t.Skip("this machine has no instructions for SHA-256")
	}
	random := rand.New(rand.NewChaCha8([32]byte{2}))
	var message []byte
	for i := range 300 {
		piece := make([]byte, 64*(1+random.IntN(40)))
		for j := range piece {
			piece[j] = byte(random.Uint32())
		}
		if got, want := s.Piece(byte(i), piece), sha256.Sum256(append([]byte{byte(i)}, piece...)); got != want {
			t.Fatalf("piece %d of %d bytes: %x, want %x", i, len(piece), got, want)
		}
		message = append(message, piece...)
		for _, rest := range []int{0, i, 64 * (i % 5)} {
			whole := append(message[:len(message):len(message)], make([]byte, rest)...)
			if got, want := s.Sum(whole[len(message):]), sha256.Sum256(whole); got != want {
				t.Fatalf("%d and %d bytes: %x, want %x", len(message), rest, got, want)
			}
		}
	}
	piece := make([]byte, 1152)
	if n := testing.AllocsPerRun(100, func() { s.Piece(0, piece) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkStream hashes a message and its pieces.
func BenchmarkStream(b *testing.B) {
	s, ok := NewStream()
	if !ok {
		b.Skip("this machine has no instructions for SHA-256")
	}
	piece := make([]byte, 1152)
	b.SetBytes(int64(len(piece)))
	b.ReportAllocs()
	for b.Loop() {
		s.Piece(0, piece)
	}
}
