// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"math/rand/v2"
	"testing"

	"iotupd/fec"
	"iotupd/proto"
)

func TestDecodersShareTheMemoryThereIs(t *testing.T) {
	// "buffers for decoding | 64 MiB" spec.md 7.5, on any number of processors
	p := proto.Params{Code: proto.CodeLeopard16, K: 8192, M: 8192, ShardSize: 1152, Size: 1 << 30}
	for _, workers := range []int{1, 2, 4, 16, 64} {
		d := decoders{params: p, groups: 15, memory: DefaultMemory, workers: workers}
		n := d.atOnce()
		if n < 1 || n > workers || n*fec.DecoderMemory(p, goodStrip) > DefaultMemory {
			t.Errorf("%d processors: %d decoders, which take %d bytes of %d", workers, n, n*fec.DecoderMemory(p, goodStrip), DefaultMemory)
		}
	}
	small := decoders{params: p, groups: 15, memory: 1 << 20, workers: 8}
	if n := small.atOnce(); n != 1 {
		t.Errorf("%d decoders in 1 MiB, want 1", n)
	}
}

func TestABudgetKeepsToTheLimit(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		p, err := fec.Policy{
			Profile:   fec.Profile(rnd.IntN(4)),
			ShardSize: proto.MinShardSize + proto.ShardUnit*rnd.IntN(136),
		}.Params(rnd.Uint64N(1 << (8 + rnd.IntN(31))))
		if err != nil {
			t.Fatal(err)
		}
		geo, err := p.Geometry()
		if err != nil {
			continue
		}
		need, err := NeedOf(p)
		if err != nil || need.Fast < need.Least {
			t.Fatalf("%+v: need %+v, %v", p, need, err)
		}
		limit := int(need.Least) - 1 + rnd.IntN(1<<(1+rnd.IntN(27)))
		cfg := Config{MemoryLimit: limit, Memory: rnd.IntN(2) * (1 + rnd.IntN(1<<27)), LeafMemory: 1 + rnd.IntN(1<<24)}
		b, fits := cfg.budget(geo)
		if want := limit >= int(need.Least); fits != want {
			t.Fatalf("%+v with %d bytes: fits %t, want %t", p, limit, fits, want)
		}
		if !fits {
			continue
		}
		// A decoder takes the least whatever its budget.
		decoders := max(b.decoders, fec.DecoderMemory(p, proto.ShardUnit))
		if got := int(fixedNeed(geo)) + min(b.records, allRecords(geo)) + decoders; got > limit {
			t.Fatalf("%+v with %d bytes: %+v takes %d", p, limit, b, got)
		}
		if b.decoders > cfg.decoderMemory(geo) || b.records > cfg.LeafMemory {
			t.Fatalf("%+v with %+v: %+v is more than allowed", p, cfg, b)
		}
	}
}
