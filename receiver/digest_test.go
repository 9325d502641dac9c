// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"iotupd/proto"
	"iotupd/proto/seal"
	"iotupd/receiver"
	"iotupd/sender"
)

func TestNoShardWaitsForItsLeaf(t *testing.T) {
	// "No step waits for a whole loop, for an order of packets, or for leaves.
	// ... with provisional shards it needs exactly as many as without digests"
	// spec.md 7.3: of an object with digests, heard with them or without them,
	// and of the same file sent without digests, exactly the same shards.
	p := small(proto.CodeLeopard8, 40, 60)
	size := 12*40*p.ShardSize - 1000
	with, without := newTree(t, "", size, p), newSource(t, "", size, p)
	for _, loss := range []uint64{0, 1, 10, 30} {
		for seed := range uint64(4) {
			t.Run(fmt.Sprintf("loss=%d/seed=%d", loss, seed), func(t *testing.T) {
				all := []*transfer{with.receive(receiver.Config{}), with.receive(receiver.Config{}), without.receive(receiver.Config{})}
				shards, others := percent(loss, seed), percent(loss, 1000+seed)
				s := with.sender(sender.Config{Start: int(seed) * 2500})
				n := 0
				for ; !all[0].r.Done(); n++ {
					b := all[0].next(s)
					g, index, ok := hasShard(t, b)
					switch {
					case !ok && !others():
						all[0].hear(b, 0)
					case ok && !shards():
						all[0].hear(b, 0)
						all[1].hear(with.shard(g, index), 0)
						all[2].hear(without.shard(g, index), 0)
					}
					if n == 0 { // the manifests arrive
						all[0].hear(with.manifest(), 0)
						all[1].hear(with.manifest(), 0)
						all[2].hear(without.manifest(), 0)
					}
				}
				want := all[2].r.Progress()
				for i, tr := range all {
					tr.src = []*source{with, with, without}[i]
					tr.wantFile()
					if got := tr.r.Progress(); got.Data != want.Data || got.Parity != want.Parity || got.Rebuilt != want.Rebuilt {
						t.Errorf("receiver %d: %d data and %d parity shards, %d rebuilt; without digests %d, %d, %d",
							i, got.Data, got.Parity, got.Rebuilt, want.Data, want.Parity, want.Rebuilt)
					}
				}
			})
		}
	}
}

func TestALosslessReceiverRebuildsNoRecords(t *testing.T) {
	// "the others are computed, if a shard waits for one of them: a receiver
	// without loss never needs it" spec.md 7.3, which saves time and memory.
	src := newTree(t, "", 600*256, smallest(proto.CodeLeopard16, 600, 600))
	if src.tree.Code != proto.CodeLeopard16 {
		t.Fatalf("the records have %v", src.tree.Code)
	}
	tr := src.receive(receiver.Config{})
	tr.run(nothing, src.sender(sender.Config{}))
	tr.wantFile()
	// Record j travels just before row j*c: the records of the data rows arrived.
	if got, want := tr.r.Progress().Records, uint64(600/src.tree.Leaves); got != want {
		t.Errorf("%d records of leaves are known, want the %d that arrived", got, want)
	}

	tr = src.receive(receiver.Config{})
	tr.run(percent(20, 1), src.sender(sender.Config{}))
	tr.wantFile()
	if p := tr.r.Progress(); p.Records != p.AllRecords {
		t.Errorf("with loss %d of %d records are known: none was rebuilt", p.Records, p.AllRecords)
	}
}

func TestWhatIsVerifiedOnArrivalIsNotReadBack(t *testing.T) {
	src := newTree(t, "", 100_000, small(proto.CodeLeopard8, 50, 50))
	tr := src.receive(receiver.Config{})
	tr.run(func() bool { return tr.r.Progress().Held == src.geo.DataShards }, src.sender(sender.Config{}))
	tr.wantFile()
	// Only the final hash reads.
	if got := tr.store().Calls("ReadAt"); got > 2 {
		t.Errorf("%d reads of a file that arrived without loss", got)
	}
}

func TestAForgedDigestIsRefused(t *testing.T) {
	// "It MUST do so before a record enters a decoder, and MUST refuse a non-zero
	// byte of padding." spec.md 4.5
	src := newTree(t, "", 30*512, small(proto.CodeLeopard8, 5, 30))
	tree := src.tree
	if tree.Groups < 2 || tree.Parity == 0 || tree.Depth == 0 {
		t.Fatalf("not the tree for this: %+v", tree)
	}
	proofAt, recordAt := 32, 32+16*tree.Depth
	paddingAt := recordAt + tree.RecordLen()
	change := func(at int) []byte {
		return forge(t, src.digest(1, 0), func(_ *proto.Header, payload []byte) { payload[at] ^= 0x40 })
	}
	field := func(do func(h *proto.Header)) []byte {
		return forge(t, src.digest(1, 0), func(h *proto.Header, _ []byte) { do(h) })
	}
	forged := []struct {
		name     string
		datagram []byte
		want     proto.Reason
	}{
		{"SHA-256", change(3), proto.ReasonDigest},
		{"proof", change(proofAt), proto.ReasonDigest},
		{"end of the proof", change(recordAt - 1), proto.ReasonDigest},
		{"record", change(recordAt), proto.ReasonDigest},
		{"end of the record", change(paddingAt - 1), proto.ReasonDigest},
		{"nothing but zeros", forge(t, src.digest(1, 0), func(_ *proto.Header, payload []byte) { clear(payload) }), proto.ReasonDigest},
		{"another group", field(func(h *proto.Header) { h.Group = 0 }), proto.ReasonDigest},
		{"another index", field(func(h *proto.Header) { h.Index = 1 }), proto.ReasonDigest},
		{"index R+Q", field(func(h *proto.Header) { h.Index = tree.PerGroup() }), proto.ReasonGeometry},
		{"index 65535", field(func(h *proto.Header) { h.Index = 65535 }), proto.ReasonGeometry},
		{"group G", field(func(h *proto.Header) { h.Group = uint32(tree.Groups) }), proto.ReasonGeometry},
		{"a shard", raw(src.shard(1, 10), func(b []byte) { b[3], b[44], b[45] = byte(proto.TypeDigest), 0, 0 }), proto.ReasonDigest},
	}
	if paddingAt < tree.ShardSize {
		forged = append(forged, forged[0])
		forged[len(forged)-1].name, forged[len(forged)-1].datagram = "padding", change(tree.ShardSize-1)
	}
	for _, waiting := range []bool{false, true} {
		tr := src.receive(receiver.Config{})
		tr.hearAll(src.shard(0, 0))
		if !waiting {
			tr.hearAll(src.manifest())
		}
		for _, f := range forged {
			if err := tr.hear(f.datagram, 0); err != f.want && !waiting {
				t.Errorf("%s: %v, want %v", f.name, err, f.want)
			}
		}
		if waiting {
			tr.hearAll(src.manifest())
		}
		if got := tr.r.Progress().Records; got != 0 {
			t.Errorf("%d records were taken", got)
		}
		tr.hearAll(src.digest(1, 0))
		if err := tr.hear(src.digest(1, 0), 0); err != receiver.ReasonDuplicate {
			t.Errorf("a record for the second time: %v", err)
		}
		tr.run(percent(20, 4), src.sender(sender.Config{}))
		tr.wantFile()
	}
}

func TestDigestsThatAreOfNoUseAreIgnored(t *testing.T) {
	// "Any R of the R+Q records of a group give all its leaves." spec.md 4.5, and
	// a group all of whose shards have been verified needs no more of them.
	src := newTree(t, "", 20*512, small(proto.CodeLeopard8, 10, 60))
	if src.tree.Records < 3 {
		t.Fatalf("%d records", src.tree.Records)
	}
	tr := src.receive(receiver.Config{})
	tr.hearAll(src.manifest())
	hear := func(want error, datagram []byte) {
		t.Helper()
		if err := tr.hear(datagram, 0); err != want {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	tr.idle = true
	hear(nil, src.shard(0, 0))
	for i := range src.tree.Records {
		hear(nil, src.digest(0, src.tree.Records+i)) // of parity alone
	}
	hear(receiver.ReasonNotNeeded, src.digest(0, 0)) // it is about to be rebuilt
	tr.idle = false
	tr.work()
	hear(receiver.ReasonDuplicate, src.digest(0, 0)) // it was
	if got := tr.r.Progress().Records; got != uint64(src.tree.Records) {
		t.Errorf("%d records are known, want %d", got, src.tree.Records)
	}
	hear(receiver.ReasonForged, src.forgery(0, 1))
	hear(receiver.ReasonForged, src.forgery(0, 69))

	hear(nil, src.digest(1, 0))
	for i := range 10 {
		hear(nil, src.shard(1, i))
	}
	hear(receiver.ReasonNotNeeded, src.digest(1, 1)) // complete, and verified
}

func TestDigestsOfAnObjectWithoutATreeAreRefused(t *testing.T) {
	// "An object without a tree has a root of 16 zero bytes, and no DIGEST
	// packets." spec.md 4.2
	p := small(proto.CodeLeopard8, 10, 10)
	src, other := newSource(t, "", 20*512, p), newTree(t, "", 20*512, p)
	foreign := forge(t, other.digest(0, 0), func(h *proto.Header, _ []byte) { h.Object = src.id })
	tr := src.receive(receiver.Config{})
	tr.hearAll(foreign, src.shard(0, 0), src.manifest())
	for range 2 {
		if err := tr.hear(foreign, 0); err != proto.ReasonDigest {
			t.Errorf("got %v, want %v", err, proto.ReasonDigest)
		}
		tr.hearAll(src.manifest())
	}
	if p := tr.r.Progress(); p.Records != 0 || p.AllRecords != 0 {
		t.Errorf("progress %+v, want no records", p)
	}
	tr.run(percent(20, 4), src.sender(sender.Config{}))
	tr.wantFile()
}

func TestRecordsThatWaitedFindForgeriesThatWaited(t *testing.T) {
	// "records before shards" spec.md 7.2: what is forged does not take the place of
	// what is genuine, whichever came first.
	src := newTree(t, "", 20*512, small(proto.CodeLeopard8, 10, 10))
	sealed := func(b []byte) []byte { return src.seal(newKey, b) }
	for _, way := range []func([]byte) []byte{slices.Clone[[]byte], sealed} {
		cfg := receiver.Config{}
		if way(src.manifest())[4] != 0 {
			cfg.GroupKeys = []*seal.GroupKey{newKey}
		}
		tr := src.receive(cfg)
		for g := range uint32(2) {
			for i := range 10 {
				tr.hearAll(way(src.forgery(g, i)), way(src.shard(g, i)))
			}
			tr.hearAll(way(src.digest(g, 0)))
		}
		tr.hearAll(way(src.manifest()))
		tr.wantForged(0)
		tr.wantFile()
	}
}

func TestRecordsThatDoNotFitTheCacheAreReadBack(t *testing.T) {
	// "LeafMemory is what the cache of hash records may take, in bytes."
	src := newTree(t, "", 100_000, small(proto.CodeLeopard8, 20, 60))
	for _, memory := range []int{1, 1000, 3000, 0} {
		for _, loss := range []uint64{0, 20} {
			tr := src.receive(receiver.Config{LeafMemory: memory})
			tr.beside = rand.New(rand.NewPCG(1, uint64(memory)))
			tr.run(percent(loss, 4), src.sender(sender.Config{Start: 5000}))
			tr.wantFile()
			if tr.ignored[receiver.ReasonForged] > 0 {
				t.Errorf("memory %d: ignored %v", memory, tr.ignored)
			}
		}
	}
}

func TestAVerifiedGroupIsDecodedOnce(t *testing.T) {
	// "A full group is decoded when no comparison is pending." spec.md 7.3. To
	// check what it gives takes a second pass where memory is short.
	p := small(proto.CodeLeopard8, 100, 100)
	reads := map[bool]int{}
	eachKind(t, func(t *testing.T, newSource maker) {
		src := newSource(t, "", 4*100*p.ShardSize, p)
		tr := src.receive(receiver.Config{Memory: 1, Workers: 1})
		tr.run(percent(30, 1), src.sender(sender.Config{}))
		tr.wantFile()
		reads[src.tree.Groups > 0] = tr.store().Calls("ReadAt")
	})
	t.Logf("%d reads, %d with digests", reads[false], reads[true])
	if reads[true] > reads[false]*3/2 {
		t.Errorf("%d reads with digests, %d without", reads[true], reads[false])
	}
}
