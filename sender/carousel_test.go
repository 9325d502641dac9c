// SPDX-License-Identifier: GPL-2.0-or-later

package sender_test

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"iotupd/proto"
	"iotupd/sender"
)

// shardID names a shard of an object.
type shardID struct {
	group uint32
	index int
}

func (p packet) shard() shardID { return shardID{p.Group, p.Index} }

func ids(all []packet) (ids []shardID) {
	for _, p := range shards(all) {
		ids = append(ids, p.shard())
	}
	return ids
}

func TestEveryLoopSendsEveryRealShardOnce(t *testing.T) {
	// "A data shard is real if size > 0 and n < Nd, and virtual otherwise; only
	// real ones are sent." spec.md 3.2
	rnd := newRand(t)
	for range 200 {
		p, size := randomParams(rnd)
		const loops = 3
		c := start(t, size, p, sender.Config{Rate: -1, Loops: loops, Start: rnd.IntN(10001)})
		sent := ids(c.rest())
		data, parity := c.geo.LoopPackets()
		perLoop := int(data + parity)
		if got, want := len(sent), loops*perLoop; got != want {
			t.Fatalf("%+v: %d shards in %d loops, want %d", p, got, loops, want)
		}
		for loop := range loops {
			seen := map[shardID]bool{}
			for _, id := range sent[loop*perLoop:][:perLoop] {
				if seen[id] {
					t.Fatalf("%+v: loop %d sends %v twice", p, loop+1, id)
				}
				seen[id] = true // that it is real, next has checked
			}
		}
	}
}

func TestDataPacketsHoldTheFilePaddedWithZeros(t *testing.T) {
	// "The last real shard is filled up with zeros to S, for transmission and
	// for the code." spec.md 3.3
	file := randomFile(5*proto.MinShardSize + 100)
	o := prepare(t, file, smallest(proto.CodeLeopard8, 3, 2), sender.PrepareConfig{})
	got := make([]byte, 6*proto.MinShardSize)
	for _, p := range shards(startObject(t, o, sender.Config{Rate: -1, Loops: 1}).rest()) {
		if p.Type == proto.TypeData {
			copy(got[p.Offset:], p.payload)
		}
	}
	if want := append(bytes.Clone(file), make([]byte, 156)...); !bytes.Equal(got, want) {
		t.Error("the shards put together are not the file and zeros")
	}
}

func TestRowsGoOverAllGroupsDataFirst(t *testing.T) {
	// "A loop is row 0 of all groups, then row 1 of all groups, and so on up to
	// row K+M-1: all data before all parity. Row r starts at group first(r) ...
	// and goes on with first(r)+1 and so on, back to group 0 after G-1, until
	// every group had its turn." spec.md 6.1
	const groups, k, m = 7, 5, 4
	c := start(t, groups*k*proto.MinShardSize, smallest(proto.CodeLeopard8, k, m), sender.Config{Rate: -1, Loops: 1})
	sent := ids(c.rest())
	firsts := map[uint32]bool{}
	for row := range k + m {
		first := sent[row*groups].group
		firsts[first] = true
		for i, got := range sent[row*groups:][:groups] {
			want := shardID{(first + uint32(i)) % groups, row}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("row %d: packet %d is %v, want %v", row, i, got, want)
			}
		}
	}
	if len(firsts) < 3 {
		t.Errorf("the rows start at %d different groups: they are not rotated", len(firsts))
	}
}

func TestCoordinatedSendersStartApart(t *testing.T) {
	// "sender i = 1..D starts at position floor(L*(i-1)/D) of the loop"
	// spec.md 6.2
	o := prepare(t, randomFile(40*proto.MinShardSize), smallest(proto.CodeLeopard8, 8, 6), sender.PrepareConfig{})
	loop := ids(startObject(t, o, sender.Config{Rate: -1, Loops: 1}).rest())
	for senders := 1; senders <= sender.MaxSenders; senders++ {
		for i := 1; i <= senders; i++ {
			c := startObject(t, o, sender.Config{Rate: -1, Sender: i, Senders: senders})
			got := c.nextShard()
			if want := loop[len(loop)*(i-1)/senders]; got.shard() != want {
				t.Errorf("sender %d/%d starts with %v, want %v", i, senders, got.shard(), want)
			}
			if got.Path.Sender != i || got.Path.Senders != senders {
				t.Errorf("sender %d/%d says it is %d/%d", i, senders, got.Path.Sender, got.Path.Senders)
			}
		}
	}
}

func TestStartMovesTheStart(t *testing.T) {
	// "Start moves the start by so many hundredths of a percent of a loop"
	o := prepare(t, randomFile(40*proto.MinShardSize), smallest(proto.CodeLeopard8, 8, 6), sender.PrepareConfig{})
	loop := ids(startObject(t, o, sender.Config{Rate: -1, Loops: 1}).rest())
	for _, start := range []int{0, 1, 2500, 3333, 9999, 10000} {
		c := startObject(t, o, sender.Config{Rate: -1, Start: start})
		want := loop[len(loop)*start/10000%len(loop)]
		if got := c.nextShard().shard(); got != want {
			t.Errorf("start %d: first shard %v, want %v", start, got, want)
		}
	}
	// Half a loop on, from the second of two senders, is the very start.
	c := startObject(t, o, sender.Config{Rate: -1, Sender: 2, Senders: 2, Start: 5000})
	if got := c.nextShard().shard(); got != loop[0] {
		t.Errorf("sender 2/2 with a start of half a loop: first shard %v, want %v", got, loop[0])
	}
}

func TestSendersOfTheSameFileSendTheSameDatagrams(t *testing.T) {
	// "Senders that do not know of each other, but have the same file and choose
	// the same parameters, MUST send DATA, PARITY and DIGEST packets that are
	// equal except for the path word." spec.md 4.1
	file := randomFile(30*proto.MinShardSize + 1)
	datagrams := func(cfg sender.Config, prep sender.PrepareConfig) map[string][]byte {
		cfg.Loops = 1
		seen := map[string][]byte{}
		for _, p := range startObject(t, prepare(t, file, smallest(proto.CodeLeopard16, 8, 6), prep), cfg).rest() {
			raw := bytes.Clone(p.raw)
			clear(raw[56:64])
			if before, ok := seen[p.id()]; ok && !bytes.Equal(before, raw) {
				t.Fatalf("%s is sent in two forms", p.id())
			}
			seen[p.id()] = raw
		}
		return seen
	}
	one := datagrams(sender.Config{}, sender.PrepareConfig{})
	two := datagrams(sender.Config{Rate: 100_000, Sender: 2, Senders: 3, Start: 77},
		sender.PrepareConfig{Memory: 1, Scratch: scratchInMemory})
	if len(one) != len(two) {
		t.Errorf("one sender sends %d different datagrams, the other %d", len(one), len(two))
	}
	for id, raw := range one {
		if !bytes.Equal(raw, two[id]) {
			t.Errorf("%s differs from sender to sender outside the path word", id)
		}
	}
}

func TestSequenceNumbersCountThePacketsOfAnyType(t *testing.T) {
	// "seq starts at a random value, rises by one with each datagram of this
	// sender on this layer, of all types and objects, and wraps." spec.md 6.4
	rnd := newRand(t)
	cfg := sender.Config{Rate: 1_000_000, Rand: rnd, Loops: 20}
	all := start(t, 100*proto.MinShardSize, smallest(proto.CodeLeopard8, 10, 5), cfg).rest()
	for i, p := range all {
		if want := all[0].Path.Seq + uint32(i); p.Path.Seq != want {
			t.Fatalf("packet %d has sequence number %d, want %d", i, p.Path.Seq, want)
		}
	}
	var firsts []uint32
	for range 4 {
		firsts = append(firsts, start(t, 1, smallest(proto.CodeNone, 1, 0), cfg).next().Path.Seq)
	}
	if slices.Min(firsts) == slices.Max(firsts) {
		t.Errorf("all senders start with the sequence number %d", firsts[0])
	}
}

func TestProgressHasLoopAndFraction(t *testing.T) {
	const k, m, records = 4, 4, 2
	c := start(t, k*proto.MinShardSize, smallest(proto.CodeLeopard8, k, m), sender.Config{Rate: -1})
	for i := range 3 * (k + m) {
		got := c.s.Progress()
		want := sender.Progress{Loop: 1 + i/(k+m), Fraction: float64(i%(k+m)) / (k + m), Packets: got.Packets}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("after %d shards: %+v, want %+v", i, got, want)
		}
		c.nextShard()
	}
	if got := c.s.Progress().Packets; got != 3*(k+m+records)+1 {
		t.Errorf("%d packets, want %d shards, %d digests and a manifest", got, 3*(k+m), 3*records)
	}
}

func TestConfigOutOfRangeIsRefused(t *testing.T) {
	o := prepare(t, randomFile(1000), smallest(proto.CodeNone, 1, 0), sender.PrepareConfig{})
	for _, cfg := range []sender.Config{
		{Rate: 1}, {Rate: sender.MinRate - 1},
		{Sender: 1}, {Senders: 1}, {Sender: 3, Senders: 2}, {Sender: -1, Senders: 2},
		{Sender: 1, Senders: sender.MaxSenders + 1},
		{Start: -1}, {Start: 10001}, {Loops: -1},
	} {
		if _, err := sender.New(cfg, o); err == nil {
			t.Errorf("%+v was accepted", cfg)
		}
	}
	for _, cfg := range []sender.Config{{}, {Rate: sender.MinRate}, {Rate: -1}, {Sender: 16, Senders: 16, Start: 10000}} {
		if _, err := sender.New(cfg, o); err != nil {
			t.Errorf("%+v was refused: %v", cfg, err)
		}
	}
}

func TestAManifestThatDoesNotFitIsRefused(t *testing.T) {
	// "A sender MUST refuse to start if it is longer, by an error that names the
	// bytes too many" spec.md 5.1
	o := prepare(t, randomFile(1000), smallest(proto.CodeNone, 1, 0), sender.PrepareConfig{})
	o.Manifest.Notes = strings.Repeat("x", 256-16-97-4+3)
	if _, err := sender.New(sender.Config{}, o); err == nil || !strings.Contains(err.Error(), "3 bytes too long") {
		t.Errorf("got %v, want an error about a manifest that is 3 bytes too long", err)
	}
}
