// SPDX-License-Identifier: GPL-2.0-or-later

package proto

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
)

var seed = flag.Uint64("seed", 1, "seed of the random tests")

func TestGeometryVectors(t *testing.T) {
	forEachVector(t, "geometry.txt", func(t *testing.T, v vector) {
		g, err := v.params().Geometry()
		if err != nil {
			t.Fatal(err)
		}
		if got, want := [3]uint64{g.DataShards, g.Groups, g.segmentGroups},
			[3]uint64{v.num("data-shards"), v.num("groups"), v.num("segment-groups")}; got != want {
			t.Errorf("Nd, G, W are %v, want %v", got, want)
		}
		for _, line := range v.all("shard") {
			var group uint32
			var index int
			var offset, length uint64
			scan(t, line, &group, &index, &offset, &length)
			if g.Virtual(group, index) || g.Offset(group, index) != offset || g.ShardLen(group, index) != int(length) {
				t.Errorf("shard %s: got offset %d, %d bytes, virtual %v", line,
					g.Offset(group, index), g.ShardLen(group, index), g.Virtual(group, index))
			}
		}
		for _, line := range v.all("virtual") {
			var group uint32
			var index int
			scan(t, line, &group, &index)
			if !g.Virtual(group, index) || g.ShardLen(group, index) != 0 {
				t.Errorf("shard %s is not virtual", line)
			}
		}
		for _, line := range v.all("real") {
			var group uint32
			var want int
			scan(t, line, &group, &want)
			if got := g.RealShards(group); got != want {
				t.Errorf("group %d: %d real shards, want %d", group, got, want)
			}
		}
	})
}

func scan(t *testing.T, line string, values ...any) {
	t.Helper()
	if _, err := fmt.Sscan(line, values...); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
}

func TestEveryShardHasOnePlace(t *testing.T) {
	check := func(k, s int, size uint64) {
		t.Helper()
		p := Params{Code: CodeNone, K: k, ShardSize: s, Size: size}
		if err := checkPlaces(p); err != nil {
			t.Fatalf("%+v: %v", p, err)
		}
	}
	check(1, 256, 0)
	for _, k := range []int{1, 2, 3, 65535} {
		for _, s := range []int{256, 1152, 8896} {
			for _, shards := range []uint64{1, 2, 3, 7} {
				for _, more := range []int{-1, 0, 1} {
					check(k, s, shards*uint64(s)+uint64(more))
				}
			}
		}
	}
	// Segments of one group, of three, of four; whole ones and others.
	check(65535, 8896, 2*65535*8896+1)
	check(10000, 8896, 7*10000*8896)
	check(10000, 8896, 7*10000*8896+8895)
	check(16384, 4096, 8*16384*4096)
	check(16384, 4096, 8*16384*4096-3*4096-1)

	rnd := rand.New(rand.NewPCG(*seed, 0))
	for range 20 {
		k, s := 1+rnd.IntN(30000), randomShardSize(rnd)
		check(k, s, 1+rnd.Uint64N(200_000*uint64(s)))
	}
}

func randomShardSize(rnd *rand.Rand) int {
	return MinShardSize + ShardUnit*rnd.IntN((MaxShardSize-MinShardSize)/ShardUnit+1)
}

// checkPlaces walks all groups of a geometry in file order.
func checkPlaces(p Params) error {
	g, err := p.Geometry()
	if err != nil {
		return err
	}
	var next, bytes, groups, packets uint64
	for groups < g.Groups {
		seg := g.SegmentOf(uint32(groups))
		if seg.First != groups || seg.Groups == 0 {
			return fmt.Errorf("segment %+v does not start at group %d", seg, groups)
		}
		for row := range g.K {
			for group := uint32(seg.First); uint64(group) < seg.First+seg.Groups; group++ {
				if got := g.Shard(group, row); got != next {
					return fmt.Errorf("group %d, row %d: shard %d, want %d", group, row, got, next)
				}
				real := p.Size > 0 && next < g.DataShards
				if g.Virtual(group, row) == real || row < g.RealShards(group) != real {
					return fmt.Errorf("group %d, row %d: virtual %v, real shards %d, want real %v",
						group, row, g.Virtual(group, row), g.RealShards(group), real)
				}
				if real && g.Offset(group, row) != bytes {
					return fmt.Errorf("group %d, row %d: offset %d, want %d", group, row, g.Offset(group, row), bytes)
				}
				if real {
					packets++
				}
				bytes += uint64(g.ShardLen(group, row))
				next++
			}
		}
		groups += seg.Groups
	}
	if bytes != p.Size || next != g.Groups*uint64(g.K) {
		return fmt.Errorf("%d bytes in %d shards, want %d in %d", bytes, next, p.Size, g.Groups*uint64(g.K))
	}
	if data, parity := g.LoopPackets(); data != packets || parity != 0 {
		return fmt.Errorf("%d DATA and %d PARITY packets in a loop, want %d and none", data, parity, packets)
	}
	return nil
}

func TestEveryGroupOfAFileHasARealShard(t *testing.T) {
	// "A group of a file that is not empty has at least one real shard ..." spec.md 3.2
	rnd := rand.New(rand.NewPCG(*seed, 1))
	for range 10000 {
		p := Params{
			K:         1 + rnd.IntN(MaxK),
			ShardSize: randomShardSize(rnd),
			Size:      1 + rnd.Uint64()>>rnd.IntN(64),
		}
		g, err := p.Geometry()
		if err != nil {
			continue
		}
		group := uint32(rnd.Uint64N(g.Groups))
		n := g.RealShards(group)
		if n < 1 || n > g.K || g.Virtual(group, n-1) || n < g.K && !g.Virtual(group, n) {
			t.Fatalf("-seed=%d %+v: group %d has %d real shards", *seed, p, group, n)
		}
		if end := g.Offset(group, n-1) + uint64(g.ShardLen(group, n-1)); end > p.Size {
			t.Fatalf("-seed=%d %+v: group %d ends at %d", *seed, p, group, end)
		}
	}
}

func TestDataShardIsTheInverseOfShard(t *testing.T) {
	for _, p := range []Params{
		{Code: CodeLeopard8, K: 3, M: 3, ShardSize: 512, Size: 10*512 - 1},
		{Code: CodeLeopard8, K: 192, M: 64, ShardSize: 8832, Size: 700 << 20},
		{Code: CodeLeopard16, K: 8192, M: 8192, ShardSize: 1152, Size: 600 << 20},
	} {
		geo, err := p.Geometry()
		if err != nil {
			t.Fatal(err)
		}
		for n := range geo.DataShards {
			if g, i := geo.DataShard(n); geo.Shard(g, i) != n || i >= geo.RealShards(g) {
				t.Fatalf("%+v: shard %d is %d of group %d", p, n, i, g)
			}
		}
	}
}
