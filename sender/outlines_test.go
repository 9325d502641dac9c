// SPDX-License-Identifier: GPL-2.0-or-later

package sender_test

import (
	"slices"
	"testing"

	"iotupd/proto"
	"iotupd/sender"
)

// ranges lists the ranges of which OUTLINEs are sent.
func ranges(t proto.Tree) (all []uint32) {
	for i, ok := t.NextOutline(0); ok; i, ok = t.NextOutline(i + 1) {
		all = append(all, uint32(i))
	}
	return all
}

func TestOutlinesTravelOnSchedule(t *testing.T) {
	// "Of the packets of the loop (6.1), on layer 0 where there are several, the
	// first 128 are followed by an OUTLINE, and then each 256." spec.md 4.6
	for _, cfg := range []sender.Config{
		{Rate: -1}, {Rate: 1e6}, {Rate: sender.MinRate}, {Rate: -1, Layers: 3}, {Rate: -1, Start: 5000, Sender: 2, Senders: 3},
	} {
		c := startObject(t, headersOnly(300, 300, 1000), cfg)
		turns, want, outlines := 0, 128, 0
		for outlines < 50 {
			switch h := c.nextHeader(); {
			case h.Type == proto.TypeOutline && (turns != want || h.Path.Layer != 0):
				t.Fatalf("%+v: an outline on layer %d after %d packets of the loop, want %d", cfg, h.Path.Layer, turns, want)
			case h.Type == proto.TypeOutline:
				turns, want = 0, 256
				outlines++
			case h.Type != proto.TypeManifest && h.Path.Layer == 0:
				turns++
			}
			if turns > want {
				t.Fatalf("%+v: no outline after %d packets of the loop", cfg, want)
			}
		}
	}
}

func TestOutlinesTravelInTurn(t *testing.T) {
	// "in rising order of their numbers, and after the last one comes the first
	// again." "Sender i of D coordinated senders begins with the first OUTLINE whose
	// number is at least floor(N*(i-1)/D)." spec.md 4.6
	o := headersOnly(600, 300, 20_000)
	for _, senders := range []int{1, 2, 5} {
		for i := 1; i <= senders; i++ {
			c := startObject(t, o, sender.Config{Rate: -1, Sender: i, Senders: senders})
			all := ranges(c.tree())
			if len(all) < 10 {
				t.Fatalf("%d ranges only", len(all))
			}
			at, _ := slices.BinarySearch(all, uint32(int(c.tree().Outlines())*(i-1)/senders))
			for range 2 * len(all) {
				h := c.nextHeader()
				for h.Type != proto.TypeOutline {
					h = c.nextHeader()
				}
				if want := all[at%len(all)]; h.Group != want || h.Index != 0 || h.Offset != 0 {
					t.Fatalf("sender %d/%d: range %d, want %d", i, senders, h.Group, want)
				}
				at++
			}
		}
	}
}

func TestEveryOutlineProvesItself(t *testing.T) {
	// "It proves itself as a DIGEST does" spec.md 4.6
	rnd := newRand(t)
	outlines := 0
	for range 60 {
		p, size := randomParams(rnd)
		o := prepare(t, randomFile(size), p, sender.PrepareConfig{Memory: 1 + rnd.Int64N(20_000), Scratch: scratchInMemory})
		c := startObject(t, o, sender.Config{Rate: -1, Layers: 1 + rnd.IntN(3)})
		tree, seen := c.tree(), map[uint32]bool{}
		all := ranges(tree)
		for range 256*(len(all)+2)*4 + 10 {
			p := c.next()
			if p.Type != proto.TypeOutline {
				continue
			}
			outlines++
			outline, err := tree.ParseOutline(p.payload)
			if err != nil {
				t.Fatal(err)
			}
			if d, err := tree.OutlineDescriptor(p.Group, outline); err != nil || d != o.Manifest.Descriptor {
				t.Fatalf("%+v: %s proves %+v (%v), want %+v", tree, p.id(), d, err, o.Manifest.Descriptor)
			}
			seen[p.Group] = true
		}
		if len(seen) != len(all) {
			t.Errorf("%+v: %d of %d outlines were sent", tree, len(seen), len(all))
		}
	}
	if outlines < 100 {
		t.Errorf("%d outlines only", outlines)
	}
}

func TestWithoutRecordsOfDataThereAreNoOutlines(t *testing.T) {
	// "Of an empty file, and of an object without a tree or without a data record,
	// none is sent." spec.md 4.6
	for name, o := range map[string]*sender.Object{
		"empty":          prepare(t, nil, smallest(proto.CodeNone, 1, 0), sender.PrepareConfig{}),
		"no data record": prepare(t, randomFile(5000), smallest(proto.CodeLeopard8, 5, 5), sender.PrepareConfig{}),
		"no tree":        prepare(t, randomFile(5000), smallest(proto.CodeLeopard8, 20, 5), sender.PrepareConfig{WithoutDigests: true}),
	} {
		c := startObject(t, o, sender.Config{Rate: -1})
		for range 1000 {
			if p := c.next(); p.Type == proto.TypeOutline {
				t.Fatalf("%s: %s", name, p.id())
			}
		}
	}
}
