// SPDX-License-Identifier: GPL-2.0-or-later

package fec

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"iotupd/proto"
)

// randomParams draws small objects of any code, with odd sizes, a single
// parity shard, more parity than data and groups with virtual shards.
func randomParams(rnd *rand.Rand) proto.Params {
	for {
		p := proto.Params{
			Code:      proto.Code(1 + rnd.IntN(2)),
			K:         1 + rnd.IntN(1<<rnd.IntN(9)),
			M:         1 + rnd.IntN(1<<rnd.IntN(8)),
			ShardSize: proto.ShardUnit * (4 + rnd.IntN(1<<rnd.IntN(6))),
		}
		p.Size = 1 + rnd.Uint64N(uint64(3*p.K*p.ShardSize))
		if p.Validate() == nil {
			return p
		}
	}
}

func TestAnyKShardsRestoreAGroup(t *testing.T) {
	rnd := newRand(t)
	for range 60 {
		o := newObject(t, randomParams(rnd), rnd)
		d := decoder(t, o.Params, DecoderConfig{
			Memory:  1 + rnd.IntN(1<<(10+rnd.IntN(12))),
			Workers: rnd.IntN(4),
		})
		for group := range uint32(o.Groups) {
			// Virtual shards are held from the start; any others make up K.
			held := rnd.Perm(o.K + o.M)
			for i := o.RealShards(group); i < o.K; i++ {
				at := slices.Index(held, i)
				held = slices.Insert(slices.Delete(held, at, at+1), 0, i)
			}
			disk := newDisk(t, o, group, held[:o.K])
			if err := d.Decode(disk.asGroup()); err != nil {
				t.Fatalf("%+v, held %v: %v", o.Params, held[:o.K], err)
			}
			disk.wantRestored("K shards")
		}
	}
}

func TestFewerThanKShardsAreRefused(t *testing.T) {
	rnd := newRand(t)
	none := func(int, int, []byte) error { t.Error("called"); return nil }
	for range 20 {
		p := randomParams(rnd)
		held := rnd.Perm(p.K + p.M)[:p.K-1]
		held = append(held, held...) // no shard counts twice
		err := decoder(t, p, DecoderConfig{}).Decode(Group{Held: held, Read: none, Check: none, Write: none})
		if !errors.Is(err, ErrTooFewShards) {
			t.Errorf("%+v: got %v, want %v", p, err, ErrTooFewShards)
		}
	}
}

func TestAShardThatCannotBeIsRefused(t *testing.T) {
	p := proto.Params{Code: proto.CodeLeopard8, K: 2, M: 2, ShardSize: 256, Size: 512}
	for _, index := range []int{-1, 4} {
		if err := decoder(t, p, DecoderConfig{}).Decode(Group{Held: []int{0, 1, index}}); err == nil {
			t.Errorf("shard %d of a group of 4 was accepted", index)
		}
	}
}

func TestWithoutLossNothingIsReadNorMade(t *testing.T) {
	none := func(int, int, []byte) error { t.Error("called"); return nil }
	for _, p := range []proto.Params{
		{Code: proto.CodeNone, K: 3, ShardSize: 256, Size: 768},
		{Code: proto.CodeLeopard16, K: 3, M: 2, ShardSize: 256, Size: 768},
	} {
		d := decoder(t, p, DecoderConfig{})
		if err := d.Decode(Group{Held: []int{2, 0, 1}, Read: none, Check: none, Write: none}); err != nil {
			t.Errorf("%+v: %v", p, err)
		}
		if d.members != nil {
			t.Errorf("%+v: buffers were made for nothing", p)
		}
	}
}

func TestSurplusParityIsNotRead(t *testing.T) {
	p := proto.Params{Code: proto.CodeLeopard8, K: 4, M: 8, ShardSize: 256, Size: 1024}
	o := newObject(t, p, newRand(t))
	var read []int
	disk := newDisk(t, o, 0, []int{7, 3, 9, 7, 0, 11, 4})
	g := disk.asGroup()
	g.Read = func(index, column int, b []byte) error {
		read = append(read, index)
		return disk.read(index, column, b)
	}
	if err := decoder(t, p, DecoderConfig{}).Decode(g); err != nil {
		t.Fatal(err)
	}
	disk.wantRestored("four of six shards")
	if want := []int{0, 3, 7, 9}; !slices.Equal(slices.Sorted(slices.Values(read)), want) {
		t.Errorf("read shards %v, want %v: the data, then the first parity listed", read, want)
	}
}

func TestStripsEqualWholeShards(t *testing.T) {
	rnd := newRand(t)
	for _, p := range []proto.Params{
		{Code: proto.CodeLeopard8, K: 77, M: 33, ShardSize: 1152, Size: 77 * 1152},
		{Code: proto.CodeLeopard16, K: 77, M: 33, ShardSize: 576, Size: 77 * 576},
	} {
		o := newObject(t, p, rnd)
		held := rnd.Perm(p.K + p.M)[:p.K]
		for width := proto.ShardUnit; width <= p.ShardSize; width += proto.ShardUnit {
			for workers := 1; workers <= 3; workers++ {
				memory := decoderMemory(p, workers, width)
				d := decoder(t, p, DecoderConfig{Memory: memory, Workers: workers})
				disk := newDisk(t, o, 0, held)
				if err := d.Decode(disk.asGroup()); err != nil {
					t.Fatal(err)
				}
				disk.wantRestored(fmt.Sprintf("strips of %d bytes, %d workers", d.columns(), workers))
				if widestPart(d.columns(), proto.ShardUnit, workers) > widestPart(width, proto.ShardUnit, workers) || len(d.team) != workers {
					t.Errorf("strips of %d bytes, %d workers, want at most %d, and %d",
						d.columns(), len(d.team), width, workers)
				}
			}
		}
	}
}

func TestNothingIsWrittenBeforeAllIsChecked(t *testing.T) {
	p := proto.Params{Code: proto.CodeLeopard8, K: 20, M: 20, ShardSize: 1152, Size: 20 * 1152}
	rnd := newRand(t)
	o := newObject(t, p, rnd)
	for _, memory := range []int{DefaultMemory, 64 << 10} {
		d := decoder(t, p, DecoderConfig{Memory: memory})
		disk := newDisk(t, o, 0, rnd.Perm(p.K + p.M)[:p.K])
		before := make([][]byte, p.K)
		for i := range before {
			before[i] = bytes.Clone(disk.places[i])
		}

		checked := make(map[int][]byte)
		bad := errors.New("bad shard")
		g := disk.asGroup()
		g.Check = func(index, column int, b []byte) error {
			if len(checked[index]) != column {
				t.Errorf("shard %d: column %d after %d bytes", index, column, len(checked[index]))
			}
			checked[index] = append(checked[index], b...)
			if len(d.missing) == len(checked) && len(checked[index]) == p.ShardSize && bad != nil {
				return bad
			}
			return nil
		}
		if err := d.Decode(g); !errors.Is(err, bad) {
			t.Errorf("got %v, want %v", err, bad)
		}
		if !slices.EqualFunc(disk.places, before, bytes.Equal) {
			t.Error("a failed check left changes")
		}

		clear(checked)
		bad = nil
		if err := d.Decode(g); err != nil {
			t.Fatal(err)
		}
		disk.wantRestored("after a check")
		for index, b := range checked {
			if !bytes.Equal(b, o.shard(0, index)) {
				t.Errorf("shard %d was checked with other bytes", index)
			}
		}
		if len(checked) != len(d.missing) {
			t.Errorf("%d of %d rebuilt shards were checked", len(checked), len(d.missing))
		}
	}
}

func TestDecodeReportsErrors(t *testing.T) {
	p := proto.Params{Code: proto.CodeLeopard8, K: 20, M: 20, ShardSize: 1152, Size: 20 * 1152}
	rnd := newRand(t)
	o := newObject(t, p, rnd)
	broken := errors.New("broken")
	for workers := 1; workers <= 3; workers++ {
		d := decoder(t, p, DecoderConfig{Workers: workers})
		for name, breakGroup := range map[string]func(*Group){
			"read":  func(g *Group) { g.Read = func(int, int, []byte) error { return broken } },
			"write": func(g *Group) { g.Write = func(int, int, []byte) error { return broken } },
		} {
			g := newDisk(t, o, 0, rnd.Perm(p.K + p.M)[:p.K]).asGroup()
			breakGroup(&g)
			if err := d.Decode(g); !errors.Is(err, broken) {
				t.Errorf("%s: got %v, want %v", name, err, broken)
			}
		}
		disk := newDisk(t, o, 0, rnd.Perm(p.K + p.M)[:p.K])
		if err := d.Decode(disk.asGroup()); err != nil {
			t.Fatal(err)
		}
		disk.wantRestored("after errors")
	}
}

func TestDecoderNeedsValidParams(t *testing.T) {
	if _, err := NewDecoder(proto.Params{}, DecoderConfig{}); !errors.Is(err, proto.ErrParams) {
		t.Errorf("got %v, want %v", err, proto.ErrParams)
	}
}

func TestDecoderKeepsToItsMemory(t *testing.T) {
	rnd := newRand(t)
	for _, p := range []proto.Params{
		{Code: proto.CodeLeopard8, K: 192, M: 64, ShardSize: 8832, Size: 192 * 8832},
		{Code: proto.CodeLeopard16, K: 1000, M: 1000, ShardSize: 1152, Size: 1000 * 1152},
	} {
		o := newObject(t, p, rnd) // which makes the tables
		held := rnd.Perm(p.K + p.M)[:p.K]
		for _, memory := range []int{1 << 20, 8 << 20} {
			for workers := 1; workers <= 2; workers++ {
				d := decoder(t, p, DecoderConfig{Memory: memory, Workers: workers})
				g := newDisk(t, o, 0, held).asGroup()
				// All that is allocated bounds what is live at any time. A call of the
				// library, which has GF(2^8), leaves at most 64 KiB of garbage.
				got := allocated(func() {
					if err := d.Decode(g); err != nil {
						t.Fatal(err)
					}
				})
				calls := (p.ShardSize + d.columns() - 1) / d.columns() * workers
				if p.Code == proto.CodeLeopard16 {
					calls = 0
				}
				if want := memory + calls*64<<10; got > want {
					t.Errorf("%+v: %d bytes for a budget of %d and %d calls", p, got, memory, calls)
				}
			}
		}
	}
}

func TestASecondGroupTakesNoNewMemory(t *testing.T) {
	rnd := newRand(t)
	p := proto.Params{Code: proto.CodeLeopard8, K: 128, M: 128, ShardSize: 8832, Size: 128 * 8832}
	o := newObject(t, p, rnd)
	d := decoder(t, p, DecoderConfig{})
	g := newDisk(t, o, 0, rnd.Perm(p.K + p.M)[:p.K]).asGroup()
	decode := func() {
		if err := d.Decode(g); err != nil {
			t.Fatal(err)
		}
	}
	decode()
	if got := allocated(decode); got > 16<<10 {
		t.Errorf("the second group took %d bytes", got)
	}
}

// allocated returns how many bytes f allocates. Under the race detector
// sync.Pool drops some of what it is given, so that the library allocates more:
// there it runs f and returns 0.
func allocated(f func()) int {
	if raceDetector {
		f()
		return 0
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}
