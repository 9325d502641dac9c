// SPDX-License-Identifier: GPL-2.0-or-later

package sender_test

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"iotupd/proto"
	"iotupd/sender"
)

// headersOnly is an object whose bytes nobody asks for.
func headersOnly(k, m, shards int) *sender.Object {
	p := proto.Params{Code: proto.CodeLeopard16, K: k, M: m, ShardSize: 1152, Size: uint64(shards) * 1152}
	return &sender.Object{
		Manifest: proto.Manifest{Descriptor: proto.Descriptor{Params: p}},
		Digests:  struct{ sender.Digests }{},
	}
}

// A headerID says what a packet carries.
type headerID struct {
	proto.Type
	group uint32
	index int
}

func idOf(h proto.Header) headerID { return headerID{h.Type, h.Group, h.Index} }

// nextHeader is next without the bytes.
func (c *carousel) nextHeader() proto.Header {
	c.t.Helper()
	if at := c.s.Wake(); at.After(c.now) {
		c.now = at
	}
	h, ok := c.s.Next(c.now)
	if !ok {
		c.t.Fatal("nothing to send at the time of Wake")
	}
	return h
}

func TestLayersHaveTheirRates(t *testing.T) {
	// "Layer 0 has rate R, layer l >= 1 has R * 2^(l-1), so that each join doubles
	// the sum." spec.md 10. Manifests and outlines come on top, on layer 0.
	const rate, layers = 1_000_000, 5
	c := startObject(t, headersOnly(300, 300, 1000), sender.Config{Rate: rate, Layers: layers})
	const seconds = 20
	var sent [layers]int
	for c.now.Sub(epoch) < seconds*time.Second {
		if h := c.nextHeader(); inLoop(h) {
			sent[h.Path.Layer]++
			if want := rate << max(0, h.Path.Layer-1); h.Path.Rate != proto.RateCodeOf(int64(want)) || h.Path.Layers != layers {
				t.Fatalf("path word %+v, want the rate %d and %d layers", h.Path, want, layers)
			}
		} else if h.Path.Layer != 0 {
			t.Fatalf("type %d on layer %d", h.Type, h.Path.Layer)
		}
	}
	for layer, n := range sent {
		got := float64(n) * 8 * (64 + 1152 + proto.IPv6Overhead) / seconds
		if want := float64(int(rate) << max(0, layer-1)); got < 0.99*want || got > 1.001*want {
			t.Errorf("layer %d: %.0f bit/s, want %.0f", layer, got, want)
		}
	}
}

func TestManifestsTravelOnLayerZeroByItsClock(t *testing.T) {
	// "Manifests travel on layer 0, by its packets as in 5.4" spec.md 10.1
	c := startObject(t, headersOnly(300, 300, 1000), sender.Config{Rate: -1, Layers: 3})
	others := 0
	c.nextHeader()
	for range 5000 {
		switch h := c.nextHeader(); {
		case h.Type != proto.TypeManifest && h.Path.Layer == 0:
			others++
		case h.Type == proto.TypeManifest:
			if others != 256 || h.Path.Layer != 0 {
				t.Fatalf("manifest on layer %d after %d packets of layer 0, want 256", h.Path.Layer, others)
			}
			others = 0
		}
	}
}

func TestLayersStayAbreast(t *testing.T) {
	// "All layers go through a cycle in the same time." spec.md 10.2: manifests and
	// stalls do not let them drift apart.
	const k, m, layers, cycles = 40, 35, 4, 100
	rnd := newRand(t)
	c := startObject(t, headersOnly(k, m, 2*k-5), sender.Config{Rate: 8_000_000, Layers: layers, Start: rnd.IntN(10000)})
	const perLoop = 2*k - 5 + 2*m // shards
	var shards [layers]int
	for shards[0] < cycles*perLoop {
		if rnd.IntN(1000) == 0 {
			c.now = c.now.Add(time.Duration(rnd.IntN(300)) * time.Millisecond) // a stall
		}
		h := c.nextHeader()
		if h.Type == proto.TypeData || h.Type == proto.TypeParity {
			shards[h.Path.Layer]++
		}
	}
	for layer, n := range shards {
		if got, want := float64(n)/float64(int(perLoop)<<max(0, layer-1)), float64(cycles); got < want-0.2 || got > want+0.2 {
			t.Errorf("layer %d is in cycle %.2f when layer 0 is in %.2f", layer, got, want)
		}
	}
}

func TestAnyPrefixOfLayersFinishesAtItsRateFromAnywhere(t *testing.T) {
	// "So layers 0 to i together send each shard once before they repeat any,
	// from any start" spec.md 10.1. Layers that are a few packets apart at the
	// edge of a pass may repeat some.
	const k, m, layers = 500, 500, 4
	rnd := newRand(t)
	for top := range layers {
		for range 5 {
			c := startObject(t, headersOnly(k, m, 3*k-100), sender.Config{Rate: -1, Layers: layers, Start: rnd.IntN(10001)})
			for range rnd.IntN(20000) {
				c.nextHeader()
			}
			want := 3*k - 100 + 3*m + int(c.tree().Total())
			seen, heard := map[headerID]bool{}, 0
			for heard < want*51/50 {
				if h := c.nextHeader(); inLoop(h) && h.Path.Layer <= top {
					heard++
					seen[idOf(h)] = true
				}
			}
			if len(seen) != want {
				t.Errorf("layers 0 to %d: %d packets hold %d of %d different ones", top, heard, len(seen), want)
			}
		}
	}
}

// inLoop reports whether a packet is one of 6.1, and not beside the turns.
func inLoop(h proto.Header) bool { return h.Type != proto.TypeManifest && h.Type != proto.TypeOutline }

// tree returns the tree of the object that c sends.
func (c *carousel) tree() proto.Tree {
	c.t.Helper()
	tree, err := c.geo.Tree()
	if err != nil {
		c.t.Fatal(err)
	}
	return tree
}

func TestSmallObjectsTravelOnAllLayers(t *testing.T) {
	// Most rows of a block do not exist here, and whole passes are empty.
	rnd := newRand(t)
	for range 40 {
		p, size := randomParams(rnd)
		layers := 1 + rnd.IntN(8)
		o := prepare(t, randomFile(size), p, sender.PrepareConfig{Memory: 1 + rnd.Int64N(20_000), Scratch: scratchInMemory})
		const loops = 2
		c := startObject(t, o, sender.Config{Rate: -1, Layers: layers, Loops: loops, Start: rnd.IntN(10000)})
		seen := map[shardID]int{}
		all := c.rest()
		for _, p := range all {
			if p.hasShard() && p.Path.Layer == 0 {
				seen[p.shard()]++
			}
		}
		if got, want := len(seen), int(c.geo.DataShards)+int(c.geo.Groups)*p.M; got != want {
			t.Errorf("%d layers, %+v: layer 0 has %d different shards, want %d", layers, p, got, want)
		}
		for id, n := range seen {
			if n != loops {
				t.Fatalf("%d layers, %+v: layer 0 has %v %d times in %d loops", layers, p, id, n, loops)
			}
		}
	}
}

func TestTheMostLayersOfTheSmallestFile(t *testing.T) {
	// A block has 32768 rows, of which one exists.
	o := prepare(t, randomFile(1), smallest(proto.CodeNone, 1, 0), sender.PrepareConfig{})
	c := startObject(t, o, sender.Config{Layers: proto.MaxLayers})
	for range 3 * 32768 {
		c.nextHeader()
	}
	o = prepare(t, nil, smallest(proto.CodeNone, 1, 0), sender.PrepareConfig{})
	c = startObject(t, o, sender.Config{Layers: 3})
	for i := range 10 {
		if h := c.nextHeader(); h.Type != proto.TypeManifest || h.Path.Layer != 0 || c.now.Sub(epoch) != time.Duration(i)*200*time.Millisecond {
			t.Errorf("an empty file sends %+v after %v", h, c.now.Sub(epoch))
		}
	}
}

func TestSyncPacketsComeOnTime(t *testing.T) {
	// "With c = min(N-2, 3), those of layer l < c are the odd multiples of 4 * 2^l
	// s. Layers c to N-2 have all multiples of 4 * 2^c s." spec.md 10.2
	tests := [][][]int{ // seconds for all layers but the highest
		1: {},
		2: {{4, 8, 12, 16, 20}},
		3: {{4, 12, 20, 28}, {8, 16, 24, 32}},
		4: {{4, 12, 20, 28, 36, 44}, {8, 24, 40}, {16, 32, 48}},
		6: {{4, 12, 20, 28, 36, 44, 52, 60, 68}, {8, 24, 40, 56}, {16, 48}, {32, 64}, {32, 64}},
	}
	for layers, want := range tests {
		if layers == 0 || layers == 5 {
			continue
		}
		until := 0
		for _, at := range want {
			until = max(until, at[len(at)-1]+1)
		}
		c := startObject(t, headersOnly(300, 300, 1000), sender.Config{Rate: 500_000, Layers: layers})
		packets := make([]int, layers)
		for c.now.Sub(epoch) < time.Duration(until)*time.Second {
			h := c.nextHeader()
			if h.Path.Flags&proto.PathSync == 0 {
				continue
			}
			layer := h.Path.Layer
			if layer == layers-1 || packets[layer]/8 >= len(want[layer]) {
				t.Fatalf("%d layers: SP on layer %d after %v", layers, layer, c.now.Sub(epoch))
			}
			due := time.Duration(want[layer][packets[layer]/8]) * time.Second
			if at := c.now.Sub(epoch); at < due || at > due+250*time.Millisecond {
				t.Fatalf("%d layers: SP on layer %d after %v, want %v", layers, layer, at, due)
			}
			packets[layer]++
		}
		for layer, times := range want {
			if n := len(times); packets[layer] != 8*n {
				t.Errorf("%d layers: %d packets with SP on layer %d, want 8 at each of %v s", layers, packets[layer], layer, times)
			}
		}
	}
}

func TestSequenceNumbersCountThePacketsOfALayer(t *testing.T) {
	// "seq ... rises by one with each datagram of this sender on this layer"
	// spec.md 6.4
	const layers = 4
	c := startObject(t, headersOnly(30, 30, 100), sender.Config{Layers: layers})
	next := map[int]uint32{}
	for range 2000 {
		p := c.nextHeader().Path
		if want, ok := next[p.Layer]; ok && p.Seq != want {
			t.Fatalf("layer %d: sequence number %d, want %d", p.Layer, p.Seq, want)
		}
		next[p.Layer] = p.Seq + 1
	}
	if next[0] == next[1] && next[1] == next[2] {
		t.Error("all layers begin with the same sequence number")
	}
}

func TestTheEndIsAnnouncedOnLayerZero(t *testing.T) {
	// "The four manifests with BYE at the end are sent in the same way." spec.md
	// 10.1
	c := startObject(t, headersOnly(30, 30, 100), sender.Config{Rate: 1_000_000, Layers: 3})
	for range 100 {
		c.nextHeader()
	}
	c.s.Stop()
	byes, began := 0, c.now
	for !c.s.Done() {
		h := c.nextHeader()
		if bye := h.Path.Flags&proto.PathBye != 0; bye != (h.Path.Layer == 0) || bye && h.Type != proto.TypeManifest {
			t.Errorf("%+v at the end", h)
		} else if bye {
			byes++
		}
	}
	if took := c.now.Sub(began); byes != 4 || took > 50*time.Millisecond {
		t.Errorf("%d manifests with BYE in %v, want 4 at the usual rate", byes, took)
	}
}

func TestLayersOutOfRangeAreRefused(t *testing.T) {
	o := headersOnly(10, 10, 20)
	for _, cfg := range []sender.Config{
		{Layers: -1}, {Layers: proto.MaxLayers + 1}, {Layers: 2, Order: sender.Rows},
		{Layers: 5, Rate: sender.MaxRate / 8},
	} {
		if _, err := sender.New(cfg, o); err == nil {
			t.Errorf("%+v was accepted", cfg)
		}
	}
	for _, cfg := range []sender.Config{
		{Layers: proto.MaxLayers}, {Layers: proto.MaxLayers, Rate: -1}, {Layers: 4, Rate: sender.MaxRate / 8},
	} {
		if s, err := sender.New(cfg, o); err != nil || s.Layers() != cfg.Layers {
			t.Errorf("%+v was refused: %v", cfg, err)
		}
	}
}

func TestRunSendsEachLayerByItsSocket(t *testing.T) {
	o := prepare(t, randomFile(10_000), smallest(proto.CodeLeopard8, 10, 5), sender.PrepareConfig{})
	synctest.Test(t, func(t *testing.T) {
		c := startObject(t, o, sender.Config{Rate: 4_000_000, Layers: 3, Loops: 50})
		wires := []*wire{{t: t, c: c}, {t: t, c: c}, {t: t, c: c}}
		if err := sender.Run(t.Context(), c.s, wires[0], sender.RunOptions{Upper: []sender.Conn{wires[1]}}); err == nil {
			t.Fatal("a layer without a socket was accepted")
		}
		if err := sender.Run(t.Context(), c.s, wires[0], sender.RunOptions{Upper: []sender.Conn{wires[1], wires[2]}}); err != nil {
			t.Fatal(err)
		}
		for layer, w := range wires {
			for _, p := range w.sent {
				if p.Path.Layer != layer {
					t.Fatalf("a packet of layer %d by the socket of layer %d", p.Path.Layer, layer)
				}
			}
			got, want := len(shards(w.sent)), 50*60<<max(0, layer-1)
			if got < want || got > want+want/20 {
				t.Errorf("layer %d: %d shards, want %d", layer, got, want)
			}
		}
	})
}

func TestAppendLayersIsAppendDatagramsSorted(t *testing.T) {
	o := prepare(t, randomFile(100_000), smallest(proto.CodeLeopard8, 10, 5), sender.PrepareConfig{})
	newCarousel := func() *carousel {
		return startObject(t, o, sender.Config{Rate: -1, Layers: 4, Rand: rand.New(rand.NewPCG(1, 1))})
	}
	mixed, err := newCarousel().s.AppendDatagrams(nil, epoch, 500)
	if err != nil {
		t.Fatal(err)
	}
	c := newCarousel()
	layers := make([][]byte, 4)
	if err := c.s.AppendLayers(layers, epoch, 500); err != nil {
		t.Fatal(err)
	}
	for n := c.s.DatagramLen(); len(mixed) > 0; mixed = mixed[n:] {
		b := &layers[c.parse(mixed[:n]).Path.Layer]
		if len(*b) < n || !bytes.Equal((*b)[:n], mixed[:n]) {
			t.Fatal("the datagrams of a layer are others, or in another order")
		}
		*b = (*b)[n:]
	}
	for layer, b := range layers {
		if len(b) > 0 {
			t.Errorf("%d bytes too many on layer %d", len(b), layer)
		}
	}
}
