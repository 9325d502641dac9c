// SPDX-License-Identifier: GPL-2.0-or-later

package fec

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"iotupd/proto"
)

// benchObjects are files of about 32 MiB, and one of a single group.
var benchObjects = []struct {
	code         proto.Code
	k, m, groups int
}{
	{gf8, 128, 128, 224},
	{gf8, 192, 64, 150},
	{gf16, 1024, 1024, 28},
	{gf16, 1024, 2048, 28},
	{gf16, 6144, 2048, 4},
	{gf16, 8192, 8192, 1},
	{gf16, 8192, 8192, 4},
}

func benchmark(b *testing.B, run func(b *testing.B, p proto.Params, workers int)) {
	for _, o := range benchObjects {
		p := proto.Params{Code: o.code, K: o.k, M: o.m, ShardSize: proto.DefaultShardSize}
		p.Size = uint64(o.groups * o.k * p.ShardSize)
		for workers := 1; workers <= 2; workers++ {
			b.Run(fmt.Sprintf("k=%d/m=%d/shard=%d/groups=%d/workers=%d", p.K, p.M, p.ShardSize, o.groups, workers),
				func(b *testing.B) { run(b, p, workers) })
		}
	}
}

// BenchmarkEncode encodes a file in memory. MB/s counts the bytes of the file.
func BenchmarkEncode(b *testing.B) { benchmarkEncode(b, nil) }

// BenchmarkEncodeAndHash makes the leaves of the hash tree as well.
func BenchmarkEncodeAndHash(b *testing.B) {
	benchmarkEncode(b, func(uint32, []byte) error { return nil })
}

func benchmarkEncode(b *testing.B, leaves func(uint32, []byte) error) {
	benchmark(b, func(b *testing.B, p proto.Params, workers int) {
		g, err := p.Geometry()
		if err != nil {
			b.Fatal(err)
		}
		file := make([]byte, p.Size)
		rand.NewChaCha8([32]byte{}).Read(file)
		src := bytes.NewReader(file)
		cfg := EncodeConfig{Workers: workers, Put: func(uint32, int, []byte) error { return nil }, Leaves: leaves}
		if _, err := newEncoders(p, columnUnit(p), 1); err != nil { // makes the tables
			b.Fatal(err)
		}
		b.SetBytes(int64(p.Size))
		b.ReportAllocs()
		for b.Loop() {
			if err := Encode(context.Background(), g, src, cfg); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkDecode decodes a file in memory that lost one shard of ten, every
// worker groups of its own, or all of them together a single group.
func BenchmarkDecode(b *testing.B) {
	benchmark(b, func(b *testing.B, p proto.Params, workers int) {
		rnd := rand.New(rand.NewPCG(1, 2))
		o := newObject(b, p, rnd)
		groups := make(chan Group, o.Groups)
		list := make([]Group, o.Groups)
		for i := range list {
			list[i] = lossyGroup(o, uint32(i), rnd)
		}
		alone := DecoderConfig{}
		decoders := make([]*Decoder, workers)
		if o.Groups == 1 {
			alone.Workers, decoders = workers, decoders[:1]
		}
		for i := range decoders {
			decoders[i] = decoder(b, p, alone)
		}
		b.SetBytes(int64(p.Size))
		b.ReportAllocs()
		for b.Loop() {
			for _, g := range list {
				groups <- g
			}
			var wg sync.WaitGroup
			for _, d := range decoders {
				wg.Go(func() {
					for {
						select {
						case g := <-groups:
							if err := d.Decode(g); err != nil {
								b.Error(err)
							}
						default:
							return
						}
					}
				})
			}
			wg.Wait()
		}
	})
}

// lossyGroup is a group in memory without a tenth of its data.
func lossyGroup(o object, group uint32, rnd *rand.Rand) Group {
	shards := make([][]byte, o.K+o.M)
	var held []int
	for i := range shards {
		if i >= o.K || rnd.IntN(10) != 0 {
			shards[i] = o.shard(group, i)
			held = append(held, i)
		}
		if len(held) == o.K {
			break
		}
	}
	rebuilt := make([]byte, o.ShardSize)
	return Group{
		Held:  held,
		Read:  func(index, column int, b []byte) error { copy(b, shards[index][column:]); return nil },
		Write: func(index, column int, b []byte) error { copy(rebuilt[column:], b); return nil },
	}
}

// BenchmarkDecodeMemory decodes the largest group of the standard profile in
// less and less memory.
func BenchmarkDecodeMemory(b *testing.B) {
	p := proto.Params{Code: gf16, K: 8192, M: 8192, ShardSize: 1152, Size: 8192 * 1152}
	rnd := rand.New(rand.NewPCG(1, 2))
	g := lossyGroup(newObject(b, p, rnd), 0, rnd)
	for _, mib := range []int{64, 32, 16, 8, 4} {
		b.Run(fmt.Sprintf("memory=%dMiB", mib), func(b *testing.B) {
			d := decoder(b, p, DecoderConfig{Memory: mib << 20})
			b.SetBytes(int64(p.Size))
			b.ReportAllocs()
			for b.Loop() {
				if err := d.Decode(g); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(d.columns()), "strip-B")
		})
	}
}
