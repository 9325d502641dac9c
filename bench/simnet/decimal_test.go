// SPDX-License-Identifier: GPL-2.0-or-later

package simnet

import (
	"math/big"
	"math/rand/v2"
	"testing"
)

func TestDecimalsAreReadAsTheLibraryDoes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		text := make([]byte, rnd.IntN(42))
		for i := range text {
			text[i] = "0123456789."[rnd.IntN(11)]
		}
		got := parseDecimal(string(text))
		want, ok := new(big.Rat).SetString(string(text))
		switch {
		case !ok || len(text) > 40:
			if got != nil {
				t.Errorf("%q: got %v, want none", text, got)
			}
		case got == nil || got.Cmp(want) != 0:
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
	for _, text := range []string{"", ".", "1/3", "1e-3", "-1", "+1", "0x1", "1_0", " 1", "1 ", "inf"} {
		if got := parseDecimal(text); got != nil {
			t.Errorf("%q: got %v, want none", text, got)
		}
	}
}
