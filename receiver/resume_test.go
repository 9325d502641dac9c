// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/sender"
)

// hearFor lets the receiver hear a carousel for n datagrams.
func (tr *transfer) hearFor(n int, lost func() bool, s *sender.Sender) {
	tr.t.Helper()
	for range n {
		if b := tr.next(s); !lost() && !tr.r.Done() {
			tr.hear(b, 0)
		}
	}
}

// killed returns what a later run finds: what was written, but not what the
// receiver had in memory.
func (tr *transfer) killed() *receiver.MemStore { return tr.store().Again() }

// intact returns the shards that b holds, as group and index: data in their
// places, and parity in the places of others.
func (s *source) intact(b []byte) map[[2]int]bool {
	held := map[[2]int]bool{}
	for g := range uint32(s.geo.Groups) {
		parity := map[string]int{}
		for i := s.geo.K; i < s.geo.K+s.geo.M; i++ {
			_, payload, _ := proto.Parse(s.shard(g, i))
			parity[string(payload)] = i
		}
		for i := range s.geo.RealShards(g) {
			at, n := int(s.geo.Offset(g, i)), s.geo.ShardLen(g, i)
			if at+n > len(b) {
				continue
			}
			if bytes.Equal(b[at:at+n], s.file[at:at+n]) {
				held[[2]int{int(g), i}] = true
			} else if shard, ok := parity[string(b[at:at+n])]; ok {
				held[[2]int{int(g), shard}] = true
			}
		}
	}
	return held
}

// finish gives the receiver the packets of a carousel without loss until it is
// done. It returns how many shards were taken, and how many of the taken shards
// it had already.
func (tr *transfer) finish(s *sender.Sender, had map[[2]int]bool) (taken, again int) {
	tr.t.Helper()
	for range 200_000 {
		b := tr.next(s)
		g, index, ok := hasShard(tr.t, b)
		if err := tr.hear(b, 0); ok && err == nil {
			taken++
			if had[[2]int{int(g), index}] {
				again++
			}
		}
		if tr.r.Done() {
			return taken, again
		}
	}
	tr.t.Fatalf("not done: %+v", tr.r.Progress())
	return 0, 0
}

func TestAStoppedTransferGoesOn(t *testing.T) {
	// "A receiver that starts again takes up the data and the parked parity whose
	// leaves the earlier run knew" spec.md 7.4. It did not know the leaves of a
	// record that it joined too late for, nor of records that were lost.
	rnd := newRand(t)
	for _, p := range []proto.Params{small(proto.CodeLeopard8, 64, 64), small(proto.CodeLeopard16, 640, 640)} {
		src := newTree(t, "", 1280*512-77, p)
		needed := int(src.geo.DataShards)
		for _, loss := range []uint64{0, 10, 40} {
			twice, most := 0, 0
			for range 5 {
				tr := src.receive(receiver.Config{})
				tr.hearAll(src.manifest())
				s := src.sender(sender.Config{Start: rnd.IntN(10000)})
				tr.hearFor(1+rnd.IntN(1600), percent(loss, rnd.Uint64()), s)
				tr.later(time.Second) // stopped, not killed
				had := src.intact(tr.killed().All())

				then := src.resume(tr.killed(), receiver.Config{})
				then.now = tr.now
				taken, again := then.finish(s, had)
				then.wantFile()
				twice = max(twice, again)
				more := taken + min(len(had), needed) - needed
				most = max(most, more)
				limit := needed/50 + int(src.geo.Groups)*src.tree.Leaves
				if again > limit || more > limit && loss == 0 {
					t.Errorf("%+v, loss %d %%: %d of %d shards on disk: %d of them were taken again, %d more than needed",
						src.geo.Params, loss, len(had), needed, again, more)
				}
			}
			t.Logf("k=%d, loss %d %%: at most %d shards of %d taken again, %d more than needed", p.K, loss, twice, needed, most)
		}
	}
}

// damage changes what is on disk in one of many ways, and says how.
func damage(rnd *rand.Rand, store *receiver.MemStore) string {
	how := rnd.IntN(6)
	store.Damage(func(b []byte) []byte {
		if len(b) == 0 {
			return b
		}
		from := rnd.IntN(len(b))
		to := from + rnd.IntN(len(b)-from+1)
		switch how {
		case 1: // bits
			for range 1 + rnd.IntN(20) {
				b[rnd.IntN(len(b))] ^= 1 << rnd.IntN(8)
			}
		case 2: // a hole
			clear(b[from:to])
		case 3: // cut off
			return b[:from]
		case 4: // another piece of itself
			copy(b[from:to], b[rnd.IntN(from+1):])
		case 5: // anything
			for i := range b[from:to] {
				b[from+i] = byte(rnd.Uint32())
			}
		}
		return b
	})
	return []string{"nothing", "bits", "a hole", "cut off", "copied", "garbage"}[how]
}

func TestATransferIsKilledAtAnyMomentAndGoesOn(t *testing.T) {
	// "Nothing on disk is trusted" spec.md 7.4: whatever happened to it, wherever
	// jobs were, and with an attacker at work, the file arrives and is right.
	rnd := newRand(t)
	kills, resumed := 0, uint64(0)
	for range 160 {
		src := randomTree(t, rnd)
		tr := src.receive(receiver.Config{})
		start := rnd.IntN(10000)
		lost := percent(rnd.Uint64N(40), rnd.Uint64())
		a := &attacker{rnd: rnd, src: src, data: rnd.IntN(30), parity: rnd.IntN(30), digests: rnd.IntN(30)}
		for lives := 1 + rnd.IntN(4); lives > 0; lives-- {
			if rnd.IntN(2) > 0 {
				tr.beside = rnd
			}
			s := src.sender(sender.Config{Rate: -1, Start: start})
			for range rnd.IntN(1 + 2*len(src.real())) {
				if b := tr.next(s); !lost() {
					tr.hear(b, 0)
				}
				for _, b := range a.forgeries() {
					tr.hear(b, 1)
				}
				if rnd.IntN(20) == 0 {
					tr.later(time.Second)
				}
			}
			if len(tr.stores) == 0 || tr.r.Done() {
				continue
			}
			found := tr.killed()
			how := damage(rnd, found)
			if tr.r.Err() != nil {
				t.Fatalf("damage by %s: %v", how, tr.r.Err())
			}
			tr = src.resume(found, receiver.Config{Workers: 1 + rnd.IntN(3)})
			kills++
		}
		tr.hear(src.manifest(), 0)
		tr.suffer(lost, src.sender(sender.Config{Rate: -1, Start: start}), a)
		tr.wantFile()
		resumed += tr.r.Progress().Resumed
	}
	t.Logf("killed %d times; %d shards resumed in the last lives", kills, resumed)
	if kills < 50 || resumed < 50 {
		t.Errorf("killed %d times, %d shards resumed: this tests nothing", kills, resumed)
	}
}

func TestOtherBytesOnDiskHaveNoEffect(t *testing.T) {
	src := newTree(t, "", 100_000, small(proto.CodeLeopard8, 20, 20))
	garbage := receiver.NewMemStore(100_000)
	rnd := rand.New(rand.NewPCG(1, 1))
	garbage.Damage(func(b []byte) []byte {
		for range 30_000 {
			b = append(b, byte(rnd.Uint32()))
		}
		return b
	})
	other := newTree(t, "other", 60_000, small(proto.CodeLeopard8, 16, 20)).receive(receiver.Config{})
	other.run(nothing, other.src.sender(sender.Config{}))
	for name, found := range map[string]*receiver.MemStore{
		"garbage":        garbage,
		"another object": other.store().AgainFor(100_000),
	} {
		t.Run(name, func(t *testing.T) {
			tr := src.resume(found, receiver.Config{})
			taken, _ := tr.finish(src.sender(sender.Config{}), nil)
			tr.wantFile()
			if p := tr.r.Progress(); p.Resumed != 0 || taken != int(src.geo.DataShards) {
				t.Errorf("%d shards recognised as the file's own, %d received", p.Resumed, taken)
			}
		})
	}
}

func TestAnOlderReleaseInPlaceIsTakenOver(t *testing.T) {
	// "So neither the content of these files nor any damage to them matters"
	// spec.md 7.4: a new release may be received into the partial file of the
	// last one.
	old := newTree(t, "old", 40*512-77, small(proto.CodeLeopard8, 10, 10))
	src := old.release(100, 5000, 5001)
	tr := old.receive(receiver.Config{})
	tr.run(nothing, old.sender(sender.Config{}))
	then := src.resume(tr.killed(), receiver.Config{})
	taken, _ := then.finish(src.sender(sender.Config{}), nil)
	then.wantFile()
	if p := then.r.Progress(); p.Resumed != 38 || taken != 2 {
		t.Errorf("%d shards of the older release were taken over, %d received, want 38 and 2", p.Resumed, taken)
	}
}

func TestAnObjectWithoutATreeStartsFromTheBeginning(t *testing.T) {
	// "An object without a tree cannot be taken up again" spec.md 7.4. Before its
	// manifest comes, it is not known that there is no tree.
	src := newSource(t, "", 100_000, small(proto.CodeLeopard8, 20, 20))
	first := src.receive(receiver.Config{})
	first.hearFor(150, nothing, src.sender(sender.Config{}))
	first.later(time.Second)
	for _, manifestAt := range []int{0, 1, 50} {
		for _, jobs := range []bool{false, true} {
			tr := src.resume(first.killed(), receiver.Config{Seeds: []io.ReaderAt{bytes.NewReader(src.file)}})
			tr.idle = true
			for i := range manifestAt {
				tr.hear(src.shard(0, i%20), 0)
			}
			job := tr.job() // looks for records, if there may be a tree
			if jobs && job != nil {
				job.Run()
				tr.r.Finish(tr.now, job)
				job = tr.job()
			}
			tr.hearAll(src.manifest())
			if job != nil {
				job.Run()
				tr.r.Finish(tr.now, job)
			}
			tr.idle = false
			tr.run(percent(10, 1), src.sender(sender.Config{Start: 2000}))
			tr.wantFile()
			if p := tr.r.Progress(); p.Resumed+p.Reused > 0 {
				t.Errorf("%+v", p)
			}
		}
	}
}

func TestWhileAGroupIsComparedItsPacketsWait(t *testing.T) {
	// "Packets of a group wait while it is compared." spec.md 7.4
	src := newTree(t, "", 40*512, small(proto.CodeLeopard8, 20, 20))
	first := src.receive(receiver.Config{})
	first.hearAll(src.manifest(), src.digest(0, 0), src.digest(1, 0))
	for i := range 15 {
		first.hearAll(src.shard(0, i), src.shard(1, i))
	}
	first.later(time.Second)
	first.later(time.Second) // the start of a block

	tr := src.resume(first.killed(), receiver.Config{Workers: 1})
	tr.idle = true
	tr.hearAll(src.manifest())
	for i := range 2 { // the search for records, then one group
		tr.hearAll(src.shard(1, 15+i), src.digest(1, 1+i))
		tr.wantRefused(receiver.ReasonDuplicate, src.shard(1, 15))
		if held := tr.r.Progress().Held; held != 0 {
			t.Errorf("%d shards are held", held)
		}
		job := tr.job()
		job.Run()
		tr.r.Finish(tr.now, job)
	}
	tr.hearAll(src.shard(0, 15))
	tr.wantRefused(receiver.ReasonDuplicate, src.shard(0, 14))
	tr.idle = false
	tr.work()
	tr.wantRefused(receiver.ReasonDuplicate, src.shard(1, 15))
	if p := tr.r.Progress(); p.Resumed != 30 || p.Held != 33 || count[receiver.Resumed](tr) != 1 {
		t.Errorf("%+v, %+v", p, tr.events)
	}
	tr.run(nothing, src.sender(sender.Config{}))
	tr.wantFile()
}
