// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"bytes"
	"errors"
	"flag"
	"math/rand/v2"
	"testing"
	"unsafe"

	"iotupd/proto"
)

// aRand returns the generator of a test that runs inside the package. The flag
// -seed is declared outside of it.
func aRand(t *testing.T) *rand.Rand {
	seed := flag.Lookup("seed").Value.(flag.Getter).Get().(uint64)
	for seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("replay with -seed=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// anyParams draws small objects with virtual shards, short last shards, one
// group or several, little parity or much.
func anyParams(rnd *rand.Rand) proto.Geometry {
	for {
		p := proto.Params{Code: proto.CodeLeopard8, K: 1 + rnd.IntN(12), M: 1 + rnd.IntN(16), ShardSize: proto.MinShardSize}
		p.Size = 1 + rnd.Uint64N(uint64(4*p.K*p.ShardSize))
		if rnd.IntN(3) == 0 { // no short last shard
			p.Size = (p.Size + 255) / 256 * 256
		}
		if geo, err := p.Geometry(); err == nil {
			return geo
		}
	}
}

// fill returns the bytes of a shard, which no other shard has.
func fill(geo proto.Geometry, g uint32, shard int) []byte {
	b := bytes.Repeat([]byte{byte(g), byte(shard), byte(shard >> 8), 0x11}, geo.ShardSize/4)
	if shard < geo.K {
		clear(b[geo.ShardLen(g, shard):])
	}
	return b
}

// A parking is an object whose shards arrive in any order.
type parking struct {
	t       *testing.T
	o       *object
	arrived map[[2]int]bool
}

// arrive adds a shard as the receiver does.
func (p *parking) arrive(g uint32, shard int) error {
	b := fill(p.o.geo, g, shard)
	h := proto.Header{Type: proto.TypeParity, Group: g, Index: shard, Params: p.o.geo.Params}
	if shard < p.o.geo.K {
		h.Type, h.Offset = proto.TypeData, p.o.geo.Offset(g, shard)
	}
	return p.o.takeShard(&packet{Header: h, payload: b})
}

// check compares group g with what the comments on group promise.
func (p *parking) check(g uint32) {
	p.t.Helper()
	geo, x := p.o.geo, p.o.index
	grp := &x.groups[g]
	real := geo.RealShards(g)
	held := geo.K - real
	for shard := range geo.K + geo.M {
		if x.hasShard(g, shard) != p.arrived[[2]int{int(g), shard}] {
			p.t.Fatalf("%+v: group %d has shard %d: %v", geo.Params, g, shard, x.hasShard(g, shard))
		}
		if x.hasShard(g, shard) {
			held++
		}
	}
	if held != int(grp.held) {
		p.t.Fatalf("%+v: group %d holds %d shards, and says %d", geo.Params, g, held, grp.held)
	}
	wantState := receiving
	switch {
	case held == geo.K && len(grp.parked) > 0:
		wantState = full
	case held == geo.K:
		wantState = complete
	}
	if grp.state != wantState {
		p.t.Fatalf("%+v: group %d is in state %d, want %d", geo.Params, g, grp.state, wantState)
	}
	if wantState != complete {
		p.checkPlaces(g, real)
	}
}

// checkPlaces checks what is in every place of group g, by the index and in
// the store.
func (p *parking) checkPlaces(g uint32, real int) {
	p.t.Helper()
	geo, grp := p.o.geo, &p.o.index.groups[g]
	parked := map[int]int{}
	last := real
	for _, s := range grp.parked {
		if int(s.place) >= last || p.o.index.hasShard(g, int(s.place)) {
			p.t.Fatalf("%+v: group %d: parity in place %d: next %d, parked %v", geo.Params, g, s.place, grp.next, grp.parked)
		}
		last = int(s.place)
		parked[last] = int(s.index)
	}
	p.write()
	for place := range real {
		shard, isParked := parked[place]
		if !isParked {
			shard = place
			if taken := p.o.index.hasShard(g, place); !taken && place > int(grp.next) {
				p.t.Fatalf("%+v: group %d: place %d is free and above next, %d", geo.Params, g, place, grp.next)
			} else if !taken {
				continue
			}
		}
		got := make([]byte, geo.ShardSize)
		err := p.o.places.read(p.o.places.queue.store, g, place, got)
		if isParked && p.o.places.inTail(g, place) {
			got = p.o.places.tail
		}
		if err != nil || !bytes.Equal(got, fill(geo, g, shard)) {
			p.t.Fatalf("%+v: group %d: place %d does not hold shard %d (%v)", geo.Params, g, place, shard, err)
		}
	}
}

// write does the job of writing to the store.
func (p *parking) write() {
	q := &p.o.places.queue
	if q.settle(q.last) {
		return
	}
	w := newWriteWork(p.o)
	if err := errors.Join(w.run(), w.finish()); err != nil {
		p.t.Fatal(err)
	}
}

func TestParityWaitsInThePlacesOfMissingShards(t *testing.T) {
	// "A parity shard is parked in the place of a data shard of its group that is
	// still missing, the highest that is free. There is one as long as the group
	// is not full. A place that is shorter than S holds no parity; such a shard
	// is kept in memory. A data shard whose place is taken by parity is stored
	// after that parity has moved to another free place." spec.md 7.3
	rnd := aRand(t)
	for range 300 {
		geo := anyParams(rnd)
		store := NewMemStore(int(geo.Size))
		p := &parking{t: t, arrived: map[[2]int]bool{}, o: newOpenObject(new(shared), geo, store, new(proto.Manifest))}
		order := rnd.Perm(int(geo.Groups) * (geo.K + geo.M))
		for _, n := range append(order, order...) { // the second time all are useless
			g, shard := uint32(n/(geo.K+geo.M)), n%(geo.K+geo.M)
			if shard < geo.K && geo.Virtual(g, shard) {
				continue
			}
			id := [2]int{int(g), shard}
			wantErr := error(nil)
			if p.arrived[id] {
				wantErr = ReasonDuplicate
			} else if p.o.index.group(g).state != receiving {
				wantErr = ReasonNotNeeded
			}
			if err := p.arrive(g, shard); err != wantErr {
				t.Fatalf("%+v: shard %d of group %d: %v, want %v", geo.Params, shard, g, err, wantErr)
			}
			p.arrived[id] = p.arrived[id] || wantErr == nil
			p.check(g)
		}
		x := p.o.index
		if x.enough != geo.Groups || x.shards != geo.DataShards {
			t.Fatalf("%+v: %d of %d groups and %d of %d shards at hand", geo.Params, x.enough, geo.Groups, x.shards, geo.DataShards)
		}
	}
}

func TestParityTakesTheHighestFreePlace(t *testing.T) {
	geo, err := proto.Params{Code: proto.CodeLeopard8, K: 6, M: 6, ShardSize: 256, Size: 6*256 - 1}.Geometry()
	if err != nil {
		t.Fatal(err)
	}
	p := &parking{t: t, arrived: map[[2]int]bool{}, o: newOpenObject(new(shared), geo, NewMemStore(int(geo.Size)), new(proto.Manifest))}
	arrive := func(shard int) {
		t.Helper()
		if err := p.arrive(0, shard); err != nil {
			t.Fatal(err)
		}
	}
	want := func(why string, parked ...parkedShard) {
		t.Helper()
		got := p.o.index.groups[0].parked
		if len(got) != len(parked) {
			t.Fatalf("%s: parked %v, want %v", why, got, parked)
		}
		for i := range got {
			if got[i] != parked[i] {
				t.Fatalf("%s: parked %v, want %v", why, got, parked)
			}
		}
	}
	arrive(6)
	want("the last place is the highest, though short", parkedShard{5, 6})
	arrive(4)
	want("a data shard takes its own place", parkedShard{5, 6})
	arrive(7)
	want("place 4 is taken", parkedShard{5, 6}, parkedShard{3, 7})
	arrive(5)
	want("parity makes room for the last shard", parkedShard{3, 7}, parkedShard{2, 6})
	arrive(3)
	want("parity makes room again", parkedShard{2, 6}, parkedShard{1, 7})
	arrive(0)
	if got := p.o.index.groups[0].state; got != full {
		t.Errorf("the group is in state %d after 6 of 12 shards, want %d", got, full)
	}
}

func TestTheIndexIsTwoBitsAShard(t *testing.T) {
	// "Memory holds an index: two bits for each shard, one for each hash record, and
	// which parity is where." spec.md 7.3. That is "two bits a shard, a few words
	// a group, four bytes a parked shard"; the limit is "enough for a file of 256
	// GiB with shards of 1152 bytes and any profile" spec.md 7.5
	for _, p := range []proto.Params{
		{Code: proto.CodeLeopard16, K: 8192, M: 8192, ShardSize: 1152, Size: 1 << 30},
		{Code: proto.CodeLeopard16, K: 6144, M: 2048, ShardSize: 1152, Size: DefaultMaxSize},
		{Code: proto.CodeLeopard8, K: 192, M: 64, ShardSize: 1152, Size: DefaultMaxSize},
	} {
		geo, err := p.Geometry()
		if err != nil {
			t.Fatal(err)
		}
		bits := 2 * geo.Groups * uint64(geo.K+geo.M)
		got, want := indexBytes(geo), bits/8*103/100+56*geo.Groups+8
		if got > want {
			t.Errorf("%+v: the index takes %d bytes for %d bits, want at most %d", p, got, bits, want)
		}
		if got > maxIndex {
			t.Errorf("%+v: the index takes %d bytes, more than the limit of %d", p, got, maxIndex)
		}
	}
	if got := unsafe.Sizeof(parkedShard{}); got != 4 {
		t.Errorf("a parked shard takes %d bytes, want 4", got)
	}
}

func TestParkedParityGrowsWithWhatIsParked(t *testing.T) {
	geo, err := proto.Params{Code: proto.CodeLeopard16, K: 4096, M: 4096, ShardSize: 256, Size: 4096 * 256}.Geometry()
	if err != nil {
		t.Fatal(err)
	}
	x := newIndex(geo)
	for i := range 4096 {
		x.group(0).park(x.freePlace(0), 4096+i)
		x.addShard(0, 4096+i, provisional)
		if grp := &x.groups[0]; cap(grp.parked) > 2*len(grp.parked)+16 {
			t.Fatalf("memory for %d parked shards, %d are", cap(grp.parked), len(grp.parked))
		}
	}
	x.groups[0].apply(decodeStarted)
	x.finish(0, decodeDone)
	if x.groups[0].parked != nil {
		t.Error("a complete group keeps the list of its parity")
	}
}
