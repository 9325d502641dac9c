// SPDX-License-Identifier: GPL-2.0-or-later

package fec

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"iotupd/proto"
)

func TestParityDependsOnNothingButTheFile(t *testing.T) {
	rnd := newRand(t)
	for range 30 {
		o := newObject(t, randomParams(rnd), rnd)
		want := encode(t, o.Geometry, bytes.NewReader(o.file), EncodeConfig{Workers: 1})
		for range 5 {
			cfg := EncodeConfig{Workers: 1 + rnd.IntN(9), Memory: 1 + rnd.IntN(1<<(8+rnd.IntN(14)))}
			if got := encode(t, o.Geometry, bytes.NewReader(o.file), cfg); !slices.EqualFunc(got, want, bytes.Equal) {
				t.Fatalf("%+v: other parity with %+v, %+v", o.Params, cfg, planEncode(o.Geometry, cfg))
			}
		}
	}
}

func TestLeavesCoverAllShards(t *testing.T) {
	// "leaf = T16(0x00 || shard) of all K+M shards, virtual ones too" spec.md 4.2
	rnd := newRand(t)
	h := proto.NewHasher()
	strips := 0
	for range 40 {
		p := randomParams(rnd)
		if rnd.IntN(4) == 0 {
			p.Code, p.M = proto.CodeNone, 0
		}
		o := newObject(t, p, rnd)
		cfg := EncodeConfig{Workers: 1 + rnd.IntN(5), Memory: 1 + rnd.IntN(1<<(8+rnd.IntN(14)))}
		got := make([][]byte, o.Groups)
		cfg.Put = func(uint32, int, []byte) error { return nil }
		cfg.Leaves = func(group uint32, leaves []byte) error {
			got[group] = bytes.Clone(leaves)
			return nil
		}
		cfg.ParityLeaves = rnd.IntN(3) == 0
		if err := Encode(context.Background(), o.Geometry, bytes.NewReader(o.file), cfg); err != nil {
			t.Fatal(err)
		}
		plan := planEncode(o.Geometry, cfg)
		if plan.width < p.ShardSize {
			strips++
		}
		for group, leaves := range got {
			if got, want := len(leaves), (p.K+p.M)*proto.DigestLen; got != want {
				t.Fatalf("%+v, %+v: %d bytes of leaves, want %d", p, plan, got, want)
			}
			for i := range p.K + p.M {
				want := h.Leaf(o.shard(uint32(group), i))
				if cfg.ParityLeaves && i < p.K {
					want = proto.Digest{}
				}
				if got := leaves[i*proto.DigestLen:][:proto.DigestLen]; !bytes.Equal(got, want[:]) {
					t.Fatalf("%+v, %+v: leaf %d of group %d is %x, want %x", p, plan, i, group, got, want)
				}
			}
		}
	}
	if strips == 0 || strips == 40 {
		t.Errorf("%d of 40 objects in strips, want some", strips)
	}
}

func TestEncodeInSegments(t *testing.T) {
	// A segment of 157 groups, and one of 17 whose last row is not full.
	const k, s = 192, proto.MaxShardSize
	g, err := proto.Params{
		Code: proto.CodeLeopard8, K: k, M: 1, ShardSize: s, Size: (157+17)*k*s - 3*s - 100,
	}.Geometry()
	if err != nil {
		t.Fatal(err)
	}
	if got := g.SegmentOf(0).Groups; got != 157 {
		t.Fatalf("%d groups in a segment, want 157", got)
	}
	parity := encode(t, g, numberedFile{size: g.Size, shard: s}, EncodeConfig{})

	// One parity shard is the sum of the data shards.
	for group := range uint32(g.Groups) {
		want := uint64(0)
		for i := range g.RealShards(group) {
			want ^= g.Shard(group, i) + 1
		}
		if got := binary.BigEndian.Uint64(parity[group]); got != want {
			t.Errorf("group %d: the sum of its shard numbers is %#x, want %#x", group, got, want)
		}
	}
}

// A numberedFile has the number of a shard, counted from 1, in the first eight
// bytes of the shard. The rest is zero.
type numberedFile struct{ size, shard uint64 }

func (f numberedFile) ReadAt(b []byte, offset int64) (n int, err error) {
	clear(b)
	for at := uint64(offset); at < uint64(offset)+uint64(len(b)); at += f.shard {
		if at%f.shard != 0 {
			return 0, errors.New("a read that does not start with a shard")
		}
		binary.BigEndian.PutUint64(b[at-uint64(offset):], at/f.shard+1)
	}
	if uint64(offset)+uint64(len(b)) > f.size {
		return 0, io.EOF
	}
	return len(b), nil
}

func TestEncodeWithoutParityDoesNothing(t *testing.T) {
	for _, p := range []proto.Params{
		{Code: proto.CodeNone, K: 1, ShardSize: 256},
		{Code: proto.CodeNone, K: 4, ShardSize: 256, Size: 5000},
	} {
		g, err := p.Geometry()
		if err != nil {
			t.Fatal(err)
		}
		if err := Encode(context.Background(), g, nil, EncodeConfig{}); err != nil {
			t.Errorf("%+v: %v", p, err)
		}
	}
}

// A badFile fails on reads past its good bytes.
type badFile struct {
	io.ReaderAt
	good int64
	err  error
}

func (f badFile) ReadAt(b []byte, offset int64) (int, error) {
	if offset+int64(len(b)) > f.good {
		return 0, f.err
	}
	return f.ReaderAt.ReadAt(b, offset)
}

func TestEncodeReportsErrors(t *testing.T) {
	rnd := newRand(t)
	p := proto.Params{Code: proto.CodeLeopard8, K: 7, M: 5, ShardSize: 1152, Size: 10*7*1152 - 5}
	o := newObject(t, p, rnd)
	broken := errors.New("broken")
	for _, tt := range []struct {
		name string
		src  io.ReaderAt
		want error
	}{
		{"short file", bytes.NewReader(o.file[:len(o.file)-1]), io.ErrUnexpectedEOF},
		{"empty file", bytes.NewReader(nil), io.ErrUnexpectedEOF},
		{"broken file", badFile{bytes.NewReader(o.file), 20000, broken}, broken},
		{"a reader that gives too little", badFile{bytes.NewReader(o.file), 20000, nil}, io.ErrUnexpectedEOF},
	} {
		for _, cfg := range []EncodeConfig{{Workers: 1}, {Workers: 3}, {Workers: 2, Memory: 1}} {
			cfg.Put = func(uint32, int, []byte) error { return nil }
			if err := Encode(context.Background(), o.Geometry, tt.src, cfg); !errors.Is(err, tt.want) {
				t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
			}
		}
	}
	fail := func(uint32, []byte) error { return broken }
	failPut := func(uint32, int, []byte) error { return broken }
	for name, cfg := range map[string]EncodeConfig{
		"Put":    {Put: failPut},
		"Leaves": {Leaves: fail, Put: func(uint32, int, []byte) error { return nil }},
	} {
		if err := Encode(context.Background(), o.Geometry, bytes.NewReader(o.file), cfg); err != broken {
			t.Errorf("%s fails: got %v, want %v", name, err, broken)
		}
	}
}

func TestEncodeCanBeStopped(t *testing.T) {
	p := proto.Params{Code: proto.CodeLeopard8, K: 7, M: 5, ShardSize: 1152, Size: 1000 * 7 * 1152}
	o := newObject(t, p, newRand(t))
	const workers, batch = 3, readSize / 1152
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(context.Background())
	var puts atomic.Int64
	err := Encode(ctx, o.Geometry, bytes.NewReader(o.file), EncodeConfig{
		Workers: workers,
		Put: func(uint32, int, []byte) error {
			puts.Add(1)
			cancel(why)
			return nil
		},
	})
	if !errors.Is(err, why) {
		t.Errorf("got %v, want %v", err, why)
	}
	if n := puts.Load(); n > workers*batch {
		t.Errorf("%d groups were encoded, want no more than the batches at hand", n)
	}
	if err := Encode(ctx, o.Geometry, nil, EncodeConfig{}); !errors.Is(err, why) {
		t.Errorf("stopped before the start: got %v, want %v", err, why)
	}
}

func TestEncodePlansUseTheCoresAndKeepToTheMemory(t *testing.T) {
	for _, tt := range []struct {
		policy  Policy
		size    uint64
		memory  int
		workers int
		want    encodePlan
	}{
		{Policy{}, 64 << 20, 0, 2, encodePlan{teams: 2, members: 1, batch: 3, width: 1152}},
		{Policy{}, 64 << 20, 256 << 20, 2, encodePlan{teams: 2, members: 1, batch: 4, width: 1152}},
		{Policy{}, 64 << 20, 32 << 20, 3, encodePlan{teams: 3, members: 1, batch: 1, width: 1152}},
		{Policy{}, 1 << 20, 0, 8, encodePlan{teams: 1, members: 6, batch: 1, width: 1152}},
		{Policy{Profile: Fast}, 1 << 30, 0, 2, encodePlan{teams: 2, members: 1, batch: 14, width: 1152}},
		{Policy{Profile: Tiny}, 100 << 20, 1 << 20, 4, encodePlan{teams: 1, members: 4, batch: 1, width: 1152}},
		{Policy{Profile: Large, ShardSize: 1024}, 64 << 20, 0, 2, encodePlan{teams: 1, members: 2, batch: 1, width: 512}},
		{Policy{}, 8192 * 1152, 8 << 20, 2, encodePlan{teams: 1, members: 1, batch: 1, width: 1152}},
	} {
		p, err := tt.policy.Params(tt.size)
		if err != nil {
			t.Fatal(err)
		}
		g, err := p.Geometry()
		if err != nil {
			t.Fatal(err)
		}
		if got := planEncode(g, EncodeConfig{Memory: tt.memory, Workers: tt.workers}); got != tt.want {
			t.Errorf("%v, %d MiB, %d bytes of memory, %d workers: got %+v, want %+v",
				tt.policy.Profile, tt.size>>20, tt.memory, tt.workers, got, tt.want)
		}
	}

	rnd := newRand(t)
	for range 2000 {
		p, err := Policy{
			Profile:   Profile(rnd.IntN(4)),
			ShardSize: proto.MinShardSize + proto.ShardUnit*rnd.IntN(136),
		}.Params(rnd.Uint64N(1 << (10 + rnd.IntN(32))))
		if err != nil {
			t.Fatal(err)
		}
		g, err := p.Geometry()
		if err != nil || g.M == 0 {
			continue
		}
		cfg := EncodeConfig{Memory: 1 + rnd.IntN(1<<30), Workers: 1 + rnd.IntN(64)}
		if rnd.IntN(2) == 0 {
			cfg.Leaves = func(uint32, []byte) error { return nil }
		}
		plan := planEncode(g, cfg)
		least := encodeMemory(g, encodePlan{
			teams: 1, members: plan.members, batch: 1, width: columnUnit(p), leaves: plan.leaves,
		})
		if got, want := encodeMemory(g, plan), max(least, cfg.Memory); got > want {
			t.Fatalf("%+v, %+v: %+v takes %d bytes, want at most %d", p, cfg, plan, got, want)
		}
		if plan.teams*plan.members > cfg.Workers || plan.batch < 1 || plan.batch > 1 && plan.width < p.ShardSize {
			t.Fatalf("%+v, %+v: impossible plan %+v", p, cfg, plan)
		}
	}
}

func TestEncodeKeepsToItsMemory(t *testing.T) {
	for _, p := range []proto.Params{
		{Code: proto.CodeLeopard8, K: 128, M: 128, ShardSize: 1152, Size: 30 * 128 * 1152},
		{Code: proto.CodeLeopard16, K: 1000, M: 1000, ShardSize: 1152, Size: 4 * 1000 * 1152},
	} {
		o := newObject(t, p, rand.New(rand.NewPCG(1, 2))) // which makes the tables
		for _, memory := range []int{3 << 20, 16 << 20} {
			// All that is allocated bounds what is live at any time. A call of the
			// library leaves at most 16 KiB of garbage.
			cfg := EncodeConfig{
				Memory: memory, Workers: 2,
				Put:    func(uint32, int, []byte) error { return nil },
				Leaves: func(uint32, []byte) error { return nil },
			}
			plan := planEncode(o.Geometry, cfg)
			got := allocated(func() {
				if err := Encode(context.Background(), o.Geometry, bytes.NewReader(o.file), cfg); err != nil {
					t.Fatal(err)
				}
			})
			calls := int(o.Groups) * plan.members * ((p.ShardSize + plan.width - 1) / plan.width)
			if want := memory + calls*16<<10; got > want {
				t.Errorf("%+v, %+v: %d bytes for a budget of %d and %d calls", p, plan, got, memory, calls)
			}
		}
	}
}
