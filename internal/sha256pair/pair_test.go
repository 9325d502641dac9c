// SPDX-License-Identifier: GPL-2.0-or-later

package sha256pair

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestTaggedIsTheSHA256OfBothMessages(t *testing.T) {
	random := rand.NewChaCha8([32]byte{1})
	memory := make([]byte, 2*2000+64)
	random.Read(memory)
	for n := range 2000 {
		at := n % 61 // at any alignment
		a, b := memory[at:][:n], memory[at+n+1:][:n]
		gotA, gotB, ok := Tagged(byte(n), a, b)
		if want := available() && n >= 63; ok != want {
			t.Fatalf("%d bytes: ok is %t, want %t", n, ok, want)
		}
		if !ok {
			continue
		}
		for i, got := range [][sha256.Size]byte{gotA, gotB} {
			want := sha256.Sum256(append([]byte{byte(n)}, [][]byte{a, b}[i]...))
			if got != want {
				t.Fatalf("message %d of %d bytes: %x, want %x", i, n, got, want)
			}
		}
	}
	if !available() {
		t.Log("this machine has no instructions for SHA-256: nothing was hashed")
	}
}

func TestTaggedDoesNotAllocate(t *testing.T) {
	a, b := make([]byte, 1152), make([]byte, 1152)
	if available() {
		if n := testing.AllocsPerRun(100, func() { Tagged(0, a, b) }); n != 0 {
			t.Errorf("%v allocations", n)
		}
	}
}

func TestMessagesHaveOneLength(t *testing.T) {
	if _, _, ok := Tagged(0, make([]byte, 100), make([]byte, 101)); ok {
		t.Error("messages of different lengths were hashed")
	}
}

// BenchmarkTagged compares two messages at once with one after the other.
func BenchmarkTagged(b *testing.B) {
	for _, size := range []int{256, 1152, 8896} {
		x, y := make([]byte, size), make([]byte, size)
		b.Run(fmt.Sprintf("at-once/shard=%d", size), func(b *testing.B) {
			b.SetBytes(int64(2 * size))
			b.ReportAllocs()
			for b.Loop() {
				Tagged(0, x, y)
			}
		})
		b.Run(fmt.Sprintf("in-turn/shard=%d", size), func(b *testing.B) {
			h := sha256.New()
			var sum [sha256.Size]byte
			b.SetBytes(int64(2 * size))
			b.ReportAllocs()
			for b.Loop() {
				for _, m := range [][]byte{x, y} {
					h.Reset()
					h.Write(m)
					h.Sum(sum[:0])
				}
			}
		})
	}
}
