// SPDX-License-Identifier: GPL-2.0-or-later

package proto

import (
	"bytes"
	"testing"
)

func TestPathVectors(t *testing.T) {
	forEachVector(t, "path.txt", func(t *testing.T, v vector) {
		want := Path{
			Flags:   PathFlags(v.num("flags")),
			Layer:   int(v.num("layer")),
			Layers:  int(v.num("layers")),
			Rate:    RateCode(v.num("rate")),
			Sender:  int(v.num("sender")),
			Senders: int(v.num("senders")),
			Seq:     uint32(v.num("seq")),
		}
		word := v.hex("word")
		if got := want.appendTo(nil); !bytes.Equal(got, word) {
			t.Errorf("got %x, want %x", got, word)
		}
		if got := parsePath(word); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if got, want := want.Rate.BitsPerSecond(), int64(v.num("bits-per-second")); got != want {
			t.Errorf("got %d bit/s, want %d", got, want)
		}
	})
}

func TestEveryPathWordMeansSomething(t *testing.T) {
	for i := range 4 {
		for c := range 256 {
			word := []byte{1, 2, 3, 4, 5, 6, 7, 8}
			word[i] = byte(c)
			if got := parsePath(word).appendTo(nil); !bytes.Equal(got, word) {
				t.Fatalf("got %x, want %x", got, word)
			}
		}
	}
}

func TestRateCodeOf(t *testing.T) {
	for _, tt := range []struct {
		bitsPerSecond int64
		want          RateCode
	}{
		{-1, 0}, {0, 0}, {1, 1}, {1000, 1}, {2000, 8}, {1_024_000, 80},
		{10_000_000, 106}, {1_000_000_000, 159}, {1 << 62, 255},
	} {
		if got := RateCodeOf(tt.bitsPerSecond); got != tt.want {
			t.Errorf("RateCodeOf(%d) = %d, want %d", tt.bitsPerSecond, got, tt.want)
		}
	}
	for c := range 256 {
		if got := RateCodeOf(RateCode(c).BitsPerSecond()); got != RateCode(c) {
			t.Errorf("code %d is %d bit/s, which is code %d", c, RateCode(c).BitsPerSecond(), got)
		}
	}
}

func TestARateOfTheLimitIsNotOverItForBeingRounded(t *testing.T) {
	// "nominal rate of this layer: 1000 * 2^(rate/8) bit/s, nearest value"
	for limit := int64(2000); limit < 1<<40; limit += limit / 97 {
		if stated := RateCodeOf(limit).BitsPerSecond(); OverRate(stated, limit) {
			t.Errorf("%d bit/s, stated as %d, is over the limit of %[1]d", limit, stated)
		}
		if next := (RateCodeOf(limit) + 1).BitsPerSecond(); !OverRate(next, limit*20/21) {
			t.Errorf("%d bit/s is not over the limit of %d", next, limit*20/21)
		}
	}
}
