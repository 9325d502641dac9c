// SPDX-License-Identifier: GPL-2.0-or-later

package fec

import (
	"errors"
	"math"
	"strings"
	"testing"

	"iotupd/proto"
)

const (
	none = proto.CodeNone
	gf8  = proto.CodeLeopard8
	gf16 = proto.CodeLeopard16
)

func TestPolicyTable(t *testing.T) {
	const s = proto.DefaultShardSize
	const gib = 1 << 30
	for _, tt := range []struct {
		profile Profile
		size    uint64
		code    proto.Code
		k, m    int
	}{
		{Standard, 0, none, 1, 0},
		{Standard, 1, none, 1, 0},
		{Standard, s, none, 1, 0},
		{Standard, s + 1, gf8, 2, 128},
		{Standard, 128 * s, gf8, 128, 128},
		{Standard, 128*s + 1, gf16, 129, 512},
		{Standard, 256 * s, gf16, 256, 512},
		{Standard, 257 * s, gf16, 257, 1024},
		{Standard, 4096 * s, gf16, 4096, 8192},
		{Standard, 4096*s + 1, gf16, 4097, 8192},
		{Standard, 8192 * s, gf16, 8192, 8192},
		{Standard, 8192*s + 1, gf16, 4097, 4097}, // two groups of 8193 shards
		{Standard, 64 << 20, gf16, 7282, 7282},   // 58255 shards in 8 groups
		{Standard, gib, gf16, 8177, 8177},        // 932068 in 114
		{Standard, gib + 1, gf16, 6133, 2044},    // in 152
		{Standard, 10 << 30, gf16, 6141, 2047},
		{Standard, 1 << 43, gf16, 6144, 2048},

		{Tiny, 0, none, 1, 0},
		{Tiny, s, none, 1, 0},
		{Tiny, s + 1, gf8, 2, 128},
		{Tiny, 128 * s, gf8, 128, 128},
		{Tiny, 128*s + 1, gf8, 65, 128},
		{Tiny, gib, gf8, 128, 128},
		{Tiny, gib + 1, gf8, 192, 64},

		{Large, 0, none, 1, 0},
		{Large, s, none, 1, 0},
		{Large, 128 * s, gf8, 128, 128},
		{Large, 129 * s, gf16, 129, 512},
		{Large, 4096 * s, gf16, 4096, 8192},
		{Large, 4097 * s, gf16, 4097, 8192},
		{Large, 8193 * s, gf16, 8193, 16384},
		{Large, 32768 * s, gf16, 32768, 32768},
		{Large, 32768*s + 1, gf16, 16385, 16385},
		{Large, gib, gf16, 32141, 32141},
		{Large, gib + 1, gf16, 16353, 5451},

		{Fast, 0, none, 1, 0},
		{Fast, s, none, 1, 0},
		{Fast, s + 1, gf8, 2, 64},
		{Fast, 192 * s, gf8, 192, 64},
		{Fast, 192*s + 1, gf8, 97, 64},
		{Fast, gib + 1, gf8, 192, 64},
	} {
		got, err := Policy{Profile: tt.profile}.Params(tt.size)
		want := proto.Params{Code: tt.code, K: tt.k, M: tt.m, ShardSize: s, Size: tt.size}
		if err != nil || got != want {
			t.Errorf("%v, %d bytes:\n got %+v, %v\nwant %+v", tt.profile, tt.size, got, err, want)
		}
	}
}

func TestParity(t *testing.T) {
	const s = proto.DefaultShardSize
	for _, tt := range []struct {
		profile Profile
		size    uint64
		parity  int
		code    proto.Code
		k, m    int
	}{
		{Standard, 0, 10000, none, 1, 0},
		{Standard, s, 10000, none, 1, 0},
		{Standard, s, -1, none, 1, 0},
		{Standard, 10 * s, -1, none, 10, 0},
		{Standard, 10 * s, math.MinInt, none, 10, 0},
		{Standard, 10 * s, 1, gf8, 10, 1},
		{Standard, 10 * s, 1000, gf8, 10, 1},
		{Standard, 10 * s, 1001, gf8, 10, 2},
		{Standard, 10 * s, 30000, gf8, 10, 30},
		{Standard, 128 * s, 10000, gf8, 128, 128},
		{Standard, 8192 * s, 2500, gf16, 8192, 2048},
		{Standard, 8192 * s, 30000, gf16, 8192, 24576},
		{Standard, 2 << 30, 30000, gf16, 6133, 18399},
		{Large, 32768 * s, 10000, gf16, 32768, 32768},
		{Large, 32768 * s, -1, none, 32768, 0},
		{Fast, 192 * s, 3333, gf8, 192, 64},
		{Fast, 128 * s, 10000, gf8, 128, 128},
	} {
		got, err := Policy{Profile: tt.profile, Parity: tt.parity}.Params(tt.size)
		want := proto.Params{Code: tt.code, K: tt.k, M: tt.m, ShardSize: s, Size: tt.size}
		if err != nil || got != want {
			t.Errorf("%v, %d bytes, parity %d:\n got %+v, %v\nwant %+v", tt.profile, tt.size, tt.parity, got, err, want)
		}
	}
}

func TestPolicyErrors(t *testing.T) {
	const s = proto.DefaultShardSize
	for _, tt := range []struct {
		policy Policy
		size   uint64
		want   string // at the end of the error
	}{
		{Policy{Profile: 4}, 1, "there is no profile 4"},
		{Policy{Parity: 30001}, 1, "parity 300.01 % is more than 300 %"},
		{Policy{Parity: math.MaxInt}, 1, "% is more than 300 %"},
		{Policy{Parity: 10001}, 128 * s, "parity 100.01 % is too much for groups of 128 shards: the highest possible is 100 %"},
		{Policy{Parity: 30000}, 100 * s, "groups of 100 shards: the highest possible is 128 %"},
		{Policy{Profile: Fast, Parity: 3334}, 1 << 30, "parity 33.34 % is too much for groups of 192 shards: the highest possible is 33.33 %"},
		{Policy{Profile: Tiny, Parity: 20000}, 2 << 30, "groups of 192 shards: the highest possible is 33.33 %"},
		{Policy{Profile: Large, Parity: 10001}, 32768 * s, "groups of 32768 shards: the highest possible is 100 %"},
		{Policy{Profile: Large, Parity: 20000}, 20000 * s, "groups of 20000 shards: the highest possible is 163.84 %"},
		{Policy{ShardSize: 100}, 1, "shard size 100 is not a multiple of 64 from 256 to 8896"},
		{Policy{ShardSize: -64}, 1, "shard size -64 is not a multiple of 64 from 256 to 8896"},
		{Policy{Profile: Fast}, math.MaxUint64, "groups do not fit the group number"},
	} {
		_, err := tt.policy.Params(tt.size)
		if !errors.Is(err, ErrPolicy) || !strings.HasSuffix(err.Error(), tt.want) {
			t.Errorf("%+v, %d bytes: got %v, want ... %s", tt.policy, tt.size, err, tt.want)
		}
	}
}

// The highest parity that an error names is accepted, and one more is not.
func TestTheHighestParityIsPossible(t *testing.T) {
	for _, code := range []proto.Code{gf8, gf16} {
		for k := 2; k <= 33000; k += 1 + k/9 {
			if !code.Fits(k, 1) {
				break
			}
			highest := min(MaxParity, maxM(code, k)*10000/k)
			if _, m, err := parity(code, k, highest); err != nil || !code.Fits(k, m) {
				t.Errorf("%v, %d shards, parity %d: %d, %v", code, k, highest, m, err)
			}
			if _, _, err := parity(code, k, highest+1); err == nil && highest < MaxParity {
				t.Errorf("%v, %d shards: parity %d is possible too", code, k, highest+1)
			}
		}
	}
}

func TestEveryPolicyIsValid(t *testing.T) {
	rnd := newRand(t)
	for range 20000 {
		p := Policy{
			Profile:   Profile(rnd.IntN(4)),
			ShardSize: proto.MinShardSize + proto.ShardUnit*rnd.IntN(136),
		}
		size := rnd.Uint64() >> (18 + rnd.IntN(46))
		q, err := p.Params(size)
		if err != nil {
			t.Fatalf("%+v, %d bytes: %v", p, size, err)
		}
		if err := q.Validate(); err != nil {
			t.Fatalf("%+v, %d bytes: %v", p, size, err)
		}
	}
}

func TestProfileNames(t *testing.T) {
	for p := Standard; p <= Fast; p++ {
		if got, err := ParseProfile(p.String()); err != nil || got != p {
			t.Errorf("%v: got %v, %v", p, got, err)
		}
	}
	if got := Profile(0); got != Standard {
		t.Errorf("the zero value is %v, want %v", got, Standard)
	}
	for _, name := range []string{"", "Tiny", "profile 4"} {
		if _, err := ParseProfile(name); !errors.Is(err, ErrPolicy) || !strings.Contains(err.Error(), "standard, tiny, large, fast") {
			t.Errorf("%q: got %v, want an error that lists the profiles", name, err)
		}
	}
}
