// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/sender"
)

// fourRecords makes an object of one group whose record 0 has the leaves of its
// 8 data shards, 1 those of parity 8 to 15, and so on. The file is of 7 to 8
// shards.
func fourRecords(t *testing.T, size int) *source {
	t.Helper()
	src := newTree(t, "", size, smallest(proto.CodeLeopard8, 8, 24))
	if src.tree.Leaves != 8 || src.tree.Records != 4 {
		t.Fatalf("not the tree for this: %+v", src.tree)
	}
	return src
}

// wantForged fails unless so many shards were found forged after they had been
// stored.
func (tr *transfer) wantForged(n uint64) {
	tr.t.Helper()
	reported := 0
	for _, e := range tr.events {
		if e, ok := e.(receiver.Forged); ok {
			reported += e.Shards
		}
	}
	if got := tr.r.Progress().Forged; got != n || reported != int(n) {
		tr.t.Errorf("%d shards found forged, %d reported, want %d", got, reported, n)
	}
}

// wantHeld fails unless so many shards are held.
func (tr *transfer) wantHeld(n uint64) {
	tr.t.Helper()
	if got := tr.r.Progress().Held; got != n {
		tr.t.Errorf("%d shards are held, want %d", got, n)
	}
}

// wantRefused fails unless a datagram is ignored for a reason.
func (tr *transfer) wantRefused(why proto.Reason, datagram []byte) {
	tr.t.Helper()
	if err := tr.hear(datagram, 0); err != why {
		tr.t.Errorf("got %v, want %v", err, why)
	}
}

func TestAForgedShardIsDroppedOnceItsLeafIsKnown(t *testing.T) {
	// "A leaf that is known ... is compared, when it becomes known, with the shard
	// that is held provisionally. One that is not what the leaf says is dropped."
	// spec.md 7.3
	src := fourRecords(t, 8*256)
	for _, forged := range []int{0, 7, 8, 15} {
		t.Run(fmt.Sprintf("shard=%d", forged), func(t *testing.T) {
			tr := src.receive(receiver.Config{})
			tr.hearAll(src.manifest(), src.shard(0, 3), src.shard(0, 16), src.forgery(0, forged), src.shard(0, 9))
			tr.wantHeld(4)
			tr.wantForged(0)
			tr.hearAll(src.digest(0, forged/8))
			tr.wantHeld(3)
			tr.wantForged(1)
			tr.wantRefused(receiver.ReasonForged, src.forgery(0, forged))
			tr.hearAll(src.shard(0, forged))
			tr.wantHeld(4)
			tr.hearAll(src.shard(0, 4), src.shard(0, 5), src.shard(0, 17), src.shard(0, 18))
			tr.wantFile()
		})
	}
}

func TestAForgedShardWhoseLeafIsKnownIsRefused(t *testing.T) {
	// "A leaf that is known is compared with its shard when that arrives: one that
	// is not what the leaf says is ignored" spec.md 7.3
	src := fourRecords(t, 8*256)
	tr := src.receive(receiver.Config{})
	tr.hearAll(src.manifest(), src.digest(0, 0), src.digest(0, 1))
	for i := range 16 {
		tr.wantRefused(receiver.ReasonForged, src.forgery(0, i))
	}
	tr.wantHeld(0)
	for i := range 8 {
		tr.hearAll(src.shard(0, 2*i))
	}
	tr.wantFile()
	tr.wantForged(0)
}

func TestTheDecoderFindsAForgedShard(t *testing.T) {
	// "Before anything is overwritten, parked parity included, every rebuilt
	// shard whose leaf is known is compared. If one differs, the result is
	// discarded and the group goes on with its verified shards alone." spec.md 7.3
	src := fourRecords(t, 8*256)
	for _, known := range [][]int{{0, 1}, {0}} {
		t.Run(fmt.Sprintf("records=%v", known), func(t *testing.T) {
			tr := src.receive(receiver.Config{})
			tr.hearAll(src.manifest())
			for _, record := range known {
				tr.hearAll(src.digest(0, record))
			}
			for _, i := range []int{0, 1, 2, 3, 4, 5, 8} {
				tr.hearAll(src.shard(0, i))
			}
			tr.later(time.Second) // stored
			before := tr.store().Bytes()
			tr.hearAll(src.forgery(0, 16)) // the eighth, in place 6
			tr.wantForged(1)
			if !tr.r.Wants() {
				t.Error("it wants no packets, with a forged shard")
			}
			if p := tr.r.Progress(); p.Decoded != 0 || p.Rebuilt != 0 {
				t.Errorf("decoded from a forged shard: %+v", p)
			}
			if len(known) == 2 {
				tr.wantHeld(7) // the parked parity among them
				tr.later(time.Second)
				after := tr.store().Bytes()
				if !bytes.Equal(before[:6*256], after[:6*256]) || !bytes.Equal(before[7*256:], after[7*256:]) || bytes.Equal(after[6*256:7*256], src.file[6*256:7*256]) {
					t.Error("something was overwritten")
				}
				if _, parity, _ := proto.Parse(src.shard(0, 8)); !bytes.Equal(after[7*256:], parity) {
					t.Error("parity 8 is not parked in place 7")
				}
			} else {
				tr.wantHeld(6) // parity 8 could not be proven
				tr.wantRefused(receiver.ReasonUnverified, src.shard(0, 8))
				tr.hearAll(src.digest(0, 1), src.shard(0, 8))
			}
			tr.wantRefused(receiver.ReasonUnverified, src.shard(0, 17))
			tr.wantRefused(receiver.ReasonForged, src.forgery(0, 9))
			tr.hearAll(src.shard(0, 10))
			tr.wantFile()
		})
	}
}

func TestForgeriesWithoutAnyLeafCostTheProvisionalShardsAlone(t *testing.T) {
	// "with a tree, only provisional shards are dropped: their groups go on with
	// their verified shards alone" spec.md 7.3
	p := small(proto.CodeLeopard8, 10, 10)
	src := newTree(t, "", 30*512, p)
	tr := src.receive(receiver.Config{})
	tr.hearAll(src.manifest(), src.digest(0, 0))
	for g := range uint32(3) {
		for i := range 9 {
			tr.hearAll(src.shard(g, i))
		}
	}
	tr.hearAll(src.shard(0, 9), src.forgery(1, 12), src.shard(2, 15))
	if got := count[receiver.Corrupt](tr); got != 1 {
		t.Fatalf("%d wrong hashes, want 1", got)
	}
	tr.wantHeld(10) // those of group 0
	tr.wantRefused(receiver.ReasonUnverified, src.shard(1, 0))
	tr.wantRefused(receiver.ReasonNotNeeded, src.shard(0, 11))
	tr.hearAll(src.digest(1, 0), src.digest(2, 0))
	for g := uint32(1); g < 3; g++ {
		for i := range 10 {
			tr.wantRefused(receiver.ReasonForged, src.forgery(g, 2*i))
			tr.hearAll(src.shard(g, 2*i))
		}
	}
	tr.wantFile()
	if got := count[receiver.Collected](tr); got != 2 {
		t.Errorf("collected %d times, want twice", got)
	}
}

func TestAllShardsOfAGroupMayBeForged(t *testing.T) {
	// "A group ... that was complete when a forged shard was found in it takes
	// only shards whose leaf is known from then on, so that it cannot be
	// corrupted twice." spec.md 7.3
	src := fourRecords(t, 8*256)
	for name, first := range map[string]int{"data": 0, "parity": 8, "both": 4} {
		t.Run(name, func(t *testing.T) {
			tr := src.receive(receiver.Config{})
			tr.idle = true // else the wrong hash comes before the leaves
			tr.hearAll(src.manifest())
			for i := range 8 {
				tr.hearAll(src.forgery(0, first+i))
			}
			tr.hearAll(src.digest(0, 1), src.digest(0, 0))
			tr.idle = false
			tr.work()
			for i := range 8 {
				tr.hearAll(src.shard(0, i))
			}
			tr.wantFile()
		})
	}
}

func TestForgedPaddingDoesNotMatter(t *testing.T) {
	// "The last real shard is filled up with zeros to S" spec.md 3.3. Whatever
	// else it was filled up with is not stored.
	src := fourRecords(t, 8*256-100)
	padded := forge(t, src.shard(0, 7), func(_ *proto.Header, payload []byte) { payload[255] = 1 })
	tr := src.receive(receiver.Config{})
	tr.hearAll(src.manifest(), padded, src.shard(0, 0), src.shard(0, 1), src.shard(0, 2), src.shard(0, 3))
	tr.hearAll(src.digest(0, 0))
	tr.wantForged(0)
	tr.hearAll(src.shard(0, 20), src.shard(0, 21), src.shard(0, 22))
	tr.wantFile()

	tr = src.receive(receiver.Config{})
	tr.hearAll(src.manifest(), src.digest(0, 0))
	tr.wantRefused(receiver.ReasonForged, padded)
}

// An attacker hears a carousel, and answers packets of it at once with forged
// ones whose checksum is right.
type attacker struct {
	rnd *rand.Rand
	src *source

	data, parity, digests int // percent of the packets heard
}

// forgeries returns what the attacker sends after it heard a datagram: shards
// anywhere in the object.
func (a *attacker) forgeries() (all [][]byte) {
	g := uint32(a.rnd.Uint64N(a.src.geo.Groups))
	if a.rnd.IntN(100) < a.data {
		all = append(all, a.src.forgery(g, a.rnd.IntN(a.src.geo.RealShards(g))))
	}
	if a.rnd.IntN(100) < a.parity {
		all = append(all, a.src.forgery(g, a.src.geo.K+a.rnd.IntN(a.src.geo.M)))
	}
	if a.rnd.IntN(100) < a.digests {
		at := a.rnd.IntN(a.src.geo.ShardSize)
		all = append(all, forge(a.src.t, a.src.digest(g, a.rnd.IntN(a.src.tree.PerGroup())), func(_ *proto.Header, payload []byte) { payload[at] ^= 1 }))
		if i, ok := a.src.tree.NextOutline(a.rnd.Uint64N(a.src.tree.Outlines())); ok {
			recorded := a.src.outline(uint32(i))
			all = append(all, forge(a.src.t, recorded, func(_ *proto.Header, payload []byte) { payload[at] ^= 1 }), recorded)
		}
	}
	return all
}

// suffer lets the receiver hear a carousel and an attacker until it is done. It
// returns how many genuine shards were sent.
func (tr *transfer) suffer(lost func() bool, s *sender.Sender, a *attacker) (shards int) {
	tr.t.Helper()
	for range 200_000 {
		b := tr.next(s)
		if !lost() {
			tr.hear(b, 0)
		}
		if _, _, ok := hasShard(tr.t, b); ok {
			shards++
		}
		for _, b := range a.forgeries() {
			tr.hear(b, 1)
		}
		if tr.r.Done() {
			return shards
		}
	}
	tr.t.Fatalf("not done: %+v", tr.r.Progress())
	return 0
}

func TestAStreamOfForgeriesCostsLittle(t *testing.T) {
	// "So the cost of a forged shard is one shard that is ignored or dropped. A
	// group that was decoded from forged shards loses its provisional shards,
	// once." spec.md 7.3
	src := newTree(t, "", 20*64*512-77, small(proto.CodeLeopard8, 64, 64))
	for _, loss := range []uint64{0, 10} {
		calm := src.receive(receiver.Config{})
		least := calm.suffer(percent(loss, 1), src.sender(sender.Config{}), &attacker{rnd: rand.New(rand.NewPCG(1, 1)), src: src})
		for _, a := range []attacker{{parity: 10}, {data: 50}, {data: 50, parity: 50, digests: 50}} {
			a.rnd, a.src = rand.New(rand.NewPCG(1, 2)), src
			tr := src.receive(receiver.Config{})
			sent := tr.suffer(percent(loss, 1), src.sender(sender.Config{}), &a)
			tr.wantFile()
			t.Logf("loss %d %%, forged data, parity, digests %d, %d, %d %%: %d shards instead of %d, %d found forged, ignored %v", loss,
				a.data, a.parity, a.digests, sent, least, tr.r.Progress().Forged, tr.ignored)
			if sent > least*3/2 {
				t.Errorf("%d shards had to be sent, without forgeries %d", sent, least)
			}
		}
	}
}

// randomTree makes small objects with a hash tree and with parity.
func randomTree(t testing.TB, rnd *rand.Rand) *source {
	for {
		p := smallest(proto.CodeLeopard8, 1+rnd.IntN(12), 1+rnd.IntN(20))
		if rnd.IntN(3) > 0 {
			p.ShardSize *= 2
		}
		p.Size = uint64(1 + rnd.IntN(5*p.K*p.ShardSize))
		geo, err := p.Geometry()
		if err != nil {
			continue
		}
		if _, err := geo.Tree(); err == nil {
			return newTree(t, "", int(p.Size), p)
		}
	}
}

func TestForgeriesNeverCorruptAFile(t *testing.T) {
	// "Jobs of one receiver may run at the same time." Whatever is forged, whenever
	// jobs come back, the file arrives and is right.
	rnd := newRand(t)
	worst := 0.0
	for range 300 {
		src := randomTree(t, rnd)
		tr := src.receive(receiver.Config{Workers: 1 + rnd.IntN(4), LeafMemory: 1 + rnd.IntN(2000)})
		tr.beside = rnd
		a := &attacker{rnd: rnd, src: src, data: rnd.IntN(101), parity: rnd.IntN(101), digests: rnd.IntN(101)}
		if rnd.IntN(2) > 0 {
			tr.hear(src.forgery(0, rnd.IntN(src.geo.RealShards(0))), 0)
		}
		tr.hear(src.manifest(), 0) // another one would take 256 packets
		sent := tr.suffer(percent(rnd.Uint64N(40), rnd.Uint64()), src.sender(sender.Config{Rate: -1, Start: rnd.IntN(10000)}), a)
		tr.wantFile()
		loop := int(src.geo.Groups) * (src.geo.K + src.geo.M)
		worst = max(worst, float64(sent-100)/float64(loop)) // 100: jobs are slow to come back
	}
	t.Logf("at most %.1f loops", worst)
	if worst > 6 {
		t.Errorf("a file took %.1f loops", worst)
	}
}

func TestLossIsThatOfSendersThatHaveProvenThemselves(t *testing.T) {
	// Anybody can send packets that fit the object, with any sequence number.
	src := newTree(t, "fw", 300*512, small(proto.CodeLeopard8, 10, 10))
	genuine, second, forger := from(1), from(2), from(3)
	for name, test := range map[string]struct {
		datagram []byte
		counts   bool
	}{
		"forged shards":   {src.forgery(7, 1), false},
		"unproven shards": {src.shard(7, 1), false}, // no leaf of theirs is known
		"forged digests":  {forge(t, src.digest(8, 0), func(_ *proto.Header, b []byte) { b[9] ^= 1 }), false},
		"other manifests": {src.manifestWith(func(m *proto.Manifest) { m.Version = "forged" }), false},
		"a manifest":      {src.manifest(), true},
		"a digest":        {src.digest(8, 0), true},
	} {
		t.Run(name, func(t *testing.T) {
			tr := src.receive(receiver.Config{})
			tr.r.Streams().Keep()
			handle := func(origin receiver.Origin, seq uint32, datagram []byte) {
				tr.r.Handle(tr.now, origin, forge(t, datagram, func(h *proto.Header, _ []byte) { h.Path.Seq = seq }))
				tr.work()
			}
			handle(genuine, 1, src.manifest())
			tr.r.Streams().Take()
			handle(forger, 1, test.datagram)
			handle(forger, 1000, test.datagram)
			handle(forger, 2000, src.shard(0, 0)) // what is genuine, but not known to be
			heard, loss := tr.r.Streams().Take(), tr.r.Progress().Loss
			if counted := loss.Lost > 0; counted != test.counts || len(heard) > 0 != test.counts {
				t.Errorf("got %+v, and %d packets listed", loss, len(heard))
			}
			handle(second, 10, src.manifest())
			handle(second, 13, src.manifest())
			if got := tr.r.Progress().Loss.Lost - loss.Lost; got != 2 {
				t.Errorf("got %d packets lost of the second sender, want 2", got)
			}
		})
	}
}

// from is a sender.
func from(n byte) receiver.Origin {
	return receiver.Origin{From: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, n}), 1), Interface: 1}
}
