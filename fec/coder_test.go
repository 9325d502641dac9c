// SPDX-License-Identifier: GPL-2.0-or-later

package fec

import (
	"bytes"
	"math"
	"testing"

	"github.com/klauspost/reedsolomon"

	"iotupd/proto"
)

func TestEqualDataLossWithOtherParityIsAnotherGroup(t *testing.T) {
	// With the library's inversion cache the second group comes out wrong, and
	// no error says so. It is at work up to 64 shards.
	p := proto.Params{Code: proto.CodeLeopard8, K: 8, M: 8, ShardSize: 256, Size: 2 * 8 * 256}
	o := newObject(t, p, newRand(t))
	d := decoder(t, p, DecoderConfig{})
	for group, held := range [][]int{{2, 3, 4, 5, 6, 7, 8, 9}, {2, 3, 4, 5, 6, 7, 12, 15}} {
		disk := newDisk(t, o, uint32(group), held)
		if err := d.Decode(disk.asGroup()); err != nil {
			t.Fatal(err)
		}
		disk.wantRestored("shards 0 and 1 lost")
	}
}

func TestTheFieldNeverChangesSilently(t *testing.T) {
	// The library uses GF(2^16) for more than 256 shards whatever its options
	// say, and another code for fewer unless an option asks for Leopard.
	for _, p := range []proto.Params{
		{Code: proto.CodeLeopard8, K: 200, M: 100},
		{Code: proto.CodeLeopard8, K: 129, M: 65},
		{Code: proto.CodeLeopard16, K: 40000, M: 30000},
		{Code: proto.CodeLeopard16, K: 5, M: 0},
		{Code: proto.CodeNone, K: 5, M: 3},
		{Code: 77, K: 5, M: 3},
	} {
		if _, err := newEncoders(p, proto.ShardUnit, 1); err == nil {
			t.Errorf("%v %d+%d: an encoder was made", p.Code, p.K, p.M)
		}
		if _, err := newRebuilder(p, proto.ShardUnit); err == nil {
			t.Errorf("%v %d+%d: a rebuilder was made", p.Code, p.K, p.M)
		}
	}
	// 128+128 shards are the most of GF(2^8), 5+3 far below the least that
	// makes the library think of GF(2^16).
	for _, shards := range [][2]int{{128, 128}, {5, 3}} {
		p := proto.Params{Code: proto.CodeLeopard8, K: shards[0], M: shards[1], ShardSize: 256}
		p.Size = uint64(p.K * p.ShardSize)
		q := p
		q.Code = proto.CodeLeopard16
		file := bytes.NewReader(goldenFile(p.K, p.ShardSize))
		if bytes.Equal(encodeOne(t, p, file), encodeOne(t, q, file)) {
			t.Errorf("%d+%d: both fields give the same parity", p.K, p.M)
		}
	}
}

func TestWorkspaceIsAsSmallAsTheShards(t *testing.T) {
	// What the library asks for to decode 128+128 shards, 8 MiB, in 300 KB.
	w := &workspace{distinct: 256, width: 1152}
	buffers := w.Get(256, 32<<10)
	for i, b := range buffers {
		if len(b) != 32<<10 {
			t.Fatalf("buffer %d has %d bytes, want %d", i, len(b), 32<<10)
		}
		b[0], b[w.width-1] = byte(i), byte(i)
	}
	for i, b := range buffers {
		if b[0] != byte(i) || b[w.width-1] != byte(i) {
			t.Errorf("buffer %d overlaps with another in its first %d bytes", i, w.width)
		}
	}
	if got, want := len(w.memory), 255*1152+32<<10; got != want {
		t.Errorf("%d bytes, want %d", got, want)
	}
	memory := &w.memory[0]
	if w.Get(256, 32<<10); memory != &w.memory[0] {
		t.Error("the second call took new memory")
	}
}

func TestPartsCoverAllOnce(t *testing.T) {
	for members := 1; members <= 7; members++ {
		for n := range 20 {
			for _, unit := range []int{64, 128} {
				next := 0
				for i := range members {
					from, to := columnPart(n*unit, unit, i, members)
					if from != next || to < from || to-from > widestPart(n*unit, unit, members) {
						t.Errorf("part %d of %d: %d to %d of %d columns after %d", i, members, from, to, n*unit, next)
					}
					next = to
				}
				if next != n*unit {
					t.Errorf("%d members get %d of %d columns", members, next, n*unit)
				}
			}
		}
	}
}

// The library has several implementations: those for the vector units of this
// machine, and one in plain Go. GF(2^16) is our own.
func TestEveryImplementationMakesTheSameParity(t *testing.T) {
	plain := []reedsolomon.Option{
		reedsolomon.WithSSE2(false), reedsolomon.WithSSSE3(false), reedsolomon.WithAVX2(false),
		reedsolomon.WithAVX512(false), reedsolomon.WithAVXGFNI(false), reedsolomon.WithNEON(false),
	}
	for _, p := range []proto.Params{
		{Code: proto.CodeLeopard8, K: 100, M: 37, ShardSize: 256},
		{Code: proto.CodeLeopard16, K: 300, M: 200, ShardSize: 256},
	} {
		p.Size = uint64(p.K * p.ShardSize)
		options := append(plain, reedsolomon.WithLeopardGF(true))
		if p.Code == proto.CodeLeopard16 {
			options = append(plain, reedsolomon.WithLeopardGF16(true))
		}
		rs, err := reedsolomon.New(p.K, p.M, options...)
		if err != nil {
			t.Fatal(err)
		}
		file := goldenFile(p.K, p.ShardSize)
		shards := reedsolomon.AllocAligned(p.K+p.M, p.ShardSize)
		for i := range p.K {
			copy(shards[i], file[i*p.ShardSize:])
		}
		if err := rs.Encode(shards); err != nil {
			t.Fatal(err)
		}
		want := bytes.Join(shards[p.K:], nil)
		if !bytes.Equal(encodeOne(t, p, bytes.NewReader(file)), want) {
			t.Errorf("%v %d+%d: the library in plain Go makes other parity", p.Code, p.K, p.M)
		}
	}
}

// Every size of a file has its own shape, within the rules of spec.md 3.4.
func TestShapesOfOddSizes(t *testing.T) {
	rnd := newRand(t)
	for i := range 24 {
		policy := Policy{Profile: []Profile{Standard, Large}[i%2], ShardSize: proto.MinShardSize}
		shards := 129 + int(math.Pow(2, 6+6*rnd.Float64()))
		p, err := policy.Params(uint64(shards*policy.ShardSize - rnd.IntN(policy.ShardSize)))
		if err != nil || p.Code != proto.CodeLeopard16 {
			t.Fatalf("%d shards: %+v, %v", shards, p, err)
		}
		o := newObject(t, p, rnd)
		rs, err := reedsolomon.New(p.K, p.M, reedsolomon.WithLeopardGF16(true))
		if err != nil {
			t.Fatal(err)
		}
		want := make([][]byte, p.K+p.M)
		for i := range want {
			want[i] = o.shard(0, i)
		}
		for _, parity := range want[p.K:] {
			clear(parity)
		}
		if err := rs.Encode(want); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(o.parity[0], bytes.Join(want[p.K:], nil)) {
			t.Errorf("%+v: other parity than the library's", p)
		}
		disk := newDisk(t, o, 0, rnd.Perm(p.K + p.M)[:p.K])
		if err := decoder(t, p, DecoderConfig{}).Decode(disk.asGroup()); err != nil {
			t.Fatal(err)
		}
		disk.wantRestored("an odd size")
	}
}

// encodeOne returns the parity of a file of one group.
func encodeOne(t testing.TB, p proto.Params, file *bytes.Reader) []byte {
	t.Helper()
	g, err := p.Geometry()
	if err != nil {
		t.Fatal(err)
	}
	return encode(t, g, file, EncodeConfig{})[0]
}
