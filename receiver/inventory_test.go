// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"iotupd/proto"
	"iotupd/proto/keys"
	"iotupd/receiver"
	"iotupd/sender"
)

// An archived is an archive and its inventory. What is in them does not matter to the core.
type archived struct{ archive, inventory *source }

func newArchived(t testing.TB, make maker, size int, p proto.Params) archived {
	t.Helper()
	a := archived{make(t, "maps.tar", size, p), prepareFile(t, "", bytes.Repeat([]byte("inventory"), 700), small(proto.CodeLeopard8, 14, 14), sender.PrepareConfig{})}
	a.archive.object.Manifest.Inventory = a.inventory.object.Manifest.Descriptor
	a.inventory.object.Manifest.Archive = a.archive.id
	return a
}

// A lister is an InventoryFunc that returns a seed, and counts its calls.
type lister struct {
	seed    io.ReaderAt
	err     error
	content []byte
	calls   int
}

func (l *lister) read(_ *proto.Manifest, content []byte) (io.ReaderAt, error) {
	l.calls++
	l.content = content
	return l.seed, l.err
}

// A patchy is a seed that lacks bytes.
type patchy struct {
	file    []byte
	lacking func(offset int64) bool
}

func (p patchy) ReadAt(b []byte, offset int64) (n int, err error) {
	for ; n < len(b); n++ {
		if at := offset + int64(n); at >= int64(len(p.file)) || p.lacking(at) {
			return n, io.ErrUnexpectedEOF
		}
		b[n] = p.file[offset+int64(n)]
	}
	return n, nil
}

// hearInventory gives all data shards of the inventory to the receiver.
func (tr *transfer) hearInventory(a archived) {
	tr.t.Helper()
	for i := range a.inventory.geo.RealShards(0) {
		tr.hear(a.inventory.shard(0, i), 1)
	}
}

func TestAnArchiveIsDoneWhenItsInventoryIsRead(t *testing.T) {
	eachKind(t, func(t *testing.T, make maker) {
		a := newArchived(t, make, 20_000, small(proto.CodeLeopard8, 20, 20))
		list := &lister{}
		tr := a.archive.receive(receiver.Config{Inventory: list.read})
		tr.hear(a.archive.manifest(), 1)
		for g := range uint32(2) {
			for i := range 20 {
				tr.hear(a.archive.shard(g, 5+i), 1)
			}
		}
		if tr.r.Done() || !tr.r.Wants() {
			t.Fatal("it is done without its inventory")
		}
		if p := tr.r.Progress(); p.InventoryNeeded == 0 || p.InventoryHeld != 0 {
			t.Errorf("%+v", p)
		}
		tr.hearInventory(a)
		tr.wantFile()
		if list.calls != 1 || !bytes.Equal(list.content, a.inventory.file) {
			t.Errorf("%d calls, %d bytes", list.calls, len(list.content))
		}
		n := 0
		for _, e := range tr.events {
			if _, ok := e.(receiver.Verified); ok {
				n++
			}
		}
		if n != 1 {
			t.Errorf("verified %d times", n)
		}
	})
}

// spec.md 7.4: "All data shards that consist of such bytes are copied to their places at once,
// without waiting for their leaves".
func TestAnUpdateNeedsNoMoreShardsThanItLacks(t *testing.T) {
	eachKind(t, func(t *testing.T, make maker) {
		a := newArchived(t, make, 60*512, small(proto.CodeLeopard8, 30, 30))
		const lacking = 7 // shards, 3 of one group and 4 of the other
		list := &lister{seed: patchy{a.archive.file, func(at int64) bool { return at/512 < lacking }}}
		tr := a.archive.receive(receiver.Config{Inventory: list.read})
		tr.hear(a.archive.manifest(), 1)
		tr.hearInventory(a)
		if p := tr.r.Progress(); p.Held != p.Needed-lacking || p.Reused != p.Held {
			t.Fatalf("%+v", p)
		}
		for i := range 4 { // parity only, as for a receiver that joins late
			for g := range uint32(2) {
				tr.hear(a.archive.shard(g, 30+i), 1)
			}
		}
		tr.wantFile()
	})
}

// A receiver that expects to find most of an archive on disk receives no more than the rest,
// whatever arrives before its inventory.
func TestNothingIsReceivedThatAnOlderDirectoryHas(t *testing.T) {
	eachKind(t, func(t *testing.T, make maker) {
		a := newArchived(t, make, 60*512, small(proto.CodeLeopard8, 30, 30))
		list := &lister{seed: patchy{a.archive.file, func(at int64) bool { return at/512%10 == 3 }}}
		tr := a.archive.receive(receiver.Config{Inventory: list.read, InventoryFirst: func(*proto.Manifest) bool { return true }})
		tr.hear(a.archive.manifest(), 1)
		for g := range uint32(2) {
			for i := range 20 {
				tr.hear(a.archive.shard(g, i), 1)
			}
		}
		if p := tr.r.Progress(); p.Held != 0 || p.Data != 40 || tr.r.Busy() {
			t.Fatalf("%+v, busy %v", p, tr.r.Busy())
		}
		tr.hearInventory(a)
		if p := tr.r.Progress(); p.Reused != 54 || p.Held < 54+4 { // and some that have waited
			t.Fatalf("%+v", p)
		}
		tr.run(nothing, a.archive.sender(sender.Config{}))
		tr.wantFile()
	})
}

// spec.md 7.4: "An inventory that says something wrong so costs what forged shards cost."
func TestAWrongSeedCostsNoMoreThanTime(t *testing.T) {
	eachKind(t, func(t *testing.T, make maker) {
		a := newArchived(t, make, 60*512, small(proto.CodeLeopard8, 30, 30))
		wrong := bytes.Clone(a.archive.file)
		for at := 0; at < len(wrong); at += 3000 {
			wrong[at] ^= 1
		}
		for name, seed := range map[string]io.ReaderAt{
			"complete": bytes.NewReader(wrong),
			"partly":   patchy{wrong, func(at int64) bool { return at%20_000 < 4000 }},
		} {
			t.Run(name, func(t *testing.T) {
				list := &lister{seed: seed}
				tr := a.archive.receive(receiver.Config{Inventory: list.read})
				tr.hear(a.archive.manifest(), 1)
				tr.hearInventory(a)
				tr.run(nothing, a.archive.sender(sender.Config{}))
				tr.wantFile()
			})
		}
	})
}

func TestASeedIsUsedBesideShardsOfAnEarlierRun(t *testing.T) {
	a := newArchived(t, newTree, 60*512, small(proto.CodeLeopard8, 30, 30))
	first := a.archive.receive(receiver.Config{Inventory: (&lister{}).read})
	first.hear(a.archive.manifest(), 1)
	for g := range uint32(2) {
		for i := range 5 {
			first.hear(a.archive.shard(g, i), 1)
		}
		for i := range a.archive.tree.Records {
			first.hear(a.archive.digest(g, i), 1)
		}
		first.hear(a.archive.shard(g, 33), 1)
	}
	first.later(time.Second)
	first.later(time.Second)
	list := &lister{seed: patchy{a.archive.file, func(at int64) bool { return at < 20*512 }}}
	tr := a.archive.resume(first.killed(), receiver.Config{Inventory: list.read})
	tr.idle = true
	tr.hear(a.archive.manifest(), 1)
	tr.hearInventory(a)
	tr.idle = false
	tr.work()
	if p := tr.r.Progress(); p.Resumed != 12 || p.Reused != 38 { // in two places lies parity
		t.Fatalf("%+v", p)
	}
	tr.run(nothing, a.archive.sender(sender.Config{}))
	tr.wantFile()
}

// spec.md 6.7: "Receivers measure the loss of such a stream by the packets of both."
func TestPacketsOfAnInventoryAreNotLost(t *testing.T) {
	a := newArchived(t, newTree, 200*512, small(proto.CodeLeopard8, 50, 50))
	for name, cfg := range map[string]receiver.Config{"as a directory": {Inventory: (&lister{}).read}, "as a file": {}} {
		t.Run(name, func(t *testing.T) {
			tr := a.archive.receive(cfg)
			seq := uint32(0)
			numbered := func(b []byte) []byte {
				seq++
				return forge(t, b, func(h *proto.Header, _ []byte) { h.Path.Seq = seq })
			}
			both := append(a.archive.real()[:0:0], a.archive.real()[:150]...)
			tr.hear(numbered(a.archive.shard(0, 0)), 1) // which waits
			tr.hear(numbered(a.inventory.shard(0, 0)), 1)
			tr.hear(numbered(a.archive.manifest()), 1)
			for i, s := range both {
				tr.hear(numbered(a.archive.shard(uint32(s[0]), s[1])), 1)
				tr.hear(numbered(a.inventory.shard(0, i%13)), 1)
			}
			if p := tr.r.Progress(); p.Loss.Lost != 0 || p.Loss.Spanned < 250 {
				t.Errorf("%+v", p.Loss)
			}
		})
	}
}

func TestPacketsOfAnInventoryWaitForTheManifestOfTheArchive(t *testing.T) {
	a := newArchived(t, newTree, 20_000, small(proto.CodeLeopard8, 20, 20))
	list := &lister{}
	tr := a.archive.receive(receiver.Config{Inventory: list.read})
	for i := range a.inventory.geo.RealShards(0) {
		tr.hear(a.inventory.shard(0, i), 1)
	}
	tr.hear(a.archive.shard(0, 0), 1)
	tr.hear(a.archive.manifest(), 1)
	if list.calls != 1 {
		t.Errorf("%+v", tr.r.Progress())
	}
	tr.run(nothing, a.archive.sender(sender.Config{}))
	tr.wantFile()
}

// spec.md 6.7: "The manifest of the inventory has [...] no name and no signature".
func TestAnInventoryIsNotReceivedAlone(t *testing.T) {
	key := keys.Generate()
	a := newArchived(t, newTree, 20_000, small(proto.CodeLeopard8, 20, 20))
	for name, trust := range map[string]*receiver.Policy{"unsigned": nil, "signed": trusting(key)} {
		t.Run(name, func(t *testing.T) {
			tr := a.archive.receive(receiver.Config{Trust: trust, Inventory: (&lister{}).read})
			for range 3 {
				tr.hear(a.inventory.manifest(), 1)
				tr.hearInventory(a)
			}
			if tr.r.Manifest() != nil || len(tr.events) > 0 {
				t.Errorf("%v, %v", tr.r.Manifest(), tr.events)
			}
		})
	}
}

func TestAnInventoryThatIsRefusedEndsTheTransfer(t *testing.T) {
	a := newArchived(t, newTree, 20_000, small(proto.CodeLeopard8, 20, 20))
	refused := errors.New("refused")
	tr := a.archive.receive(receiver.Config{Inventory: (&lister{err: refused}).read})
	tr.hear(a.archive.manifest(), 1)
	tr.hearInventory(a)
	if !tr.r.Done() || tr.r.Err() != refused {
		t.Errorf("%v, %v", tr.r.Done(), tr.r.Err())
	}
}

func TestTheMemoryForAnInventoryCounts(t *testing.T) {
	a := newArchived(t, newTree, 20_000, small(proto.CodeLeopard8, 20, 20))
	need, err := receiver.NeedOf(a.archive.geo.Params)
	if err != nil {
		t.Fatal(err)
	}
	limit := int(need.Least) + 1000
	as := func(list receiver.InventoryFunc, limit int) *transfer {
		tr := a.archive.receive(receiver.Config{Inventory: list, MemoryLimit: limit})
		tr.hear(a.archive.manifest(), 1)
		return tr
	}
	if tr := as(nil, limit); tr.r.Manifest() == nil {
		t.Error("the archive alone is refused")
	}
	tr := as((&lister{}).read, limit)
	if tr.r.Manifest() != nil || tr.ignored[receiver.ReasonMemory] != 1 {
		t.Fatalf("%v, %v", tr.r.Manifest(), tr.ignored)
	}
	least := tr.events[0].(receiver.Refused).Memory
	tr = as((&lister{}).read, int(least))
	tr.hearInventory(a)
	tr.run(nothing, a.archive.sender(sender.Config{}))
	tr.wantFile()
}

func TestANewerReleaseTakesOverFromAnArchive(t *testing.T) {
	key := keys.Generate()
	old, fresh := newArchived(t, newTree, 20_000, small(proto.CodeLeopard8, 20, 20)), newArchived(t, newTree, 30_000, small(proto.CodeLeopard8, 20, 20))
	list := &lister{}
	tr := fresh.archive.receive(receiver.Config{Trust: trusting(key), Inventory: list.read})
	tr.hear(old.archive.signed(key, sequence(1)), 1)
	tr.hear(old.inventory.shard(0, 0), 1)
	tr.hear(fresh.archive.signed(key, sequence(2)), 1)
	tr.hearInventory(fresh)
	for _, s := range fresh.archive.real() {
		tr.hear(fresh.archive.shard(uint32(s[0]), s[1]), 1)
	}
	tr.wantFile()
	if list.calls != 1 {
		t.Errorf("%d calls", list.calls)
	}
}

// In any order of packets, with jobs beside, a receiver ends with the archive.
func TestArchivesArriveInTurmoil(t *testing.T) {
	eachKind(t, func(t *testing.T, make maker) {
		a := newArchived(t, make, 90*512, small(proto.CodeLeopard8, 30, 30))
		for seed := range uint64(20) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			wrong := bytes.Clone(a.archive.file)
			if seed%3 == 0 {
				wrong[rnd.IntN(len(wrong))] ^= 1
			}
			list := &lister{seed: patchy{wrong, func(at int64) bool { return (at/512)%7 == int64(seed%7) }}}
			tr := a.archive.receive(receiver.Config{Inventory: list.read, InventoryFirst: func(*proto.Manifest) bool { return seed%2 == 0 }})
			tr.beside = rnd
			archive, inventory := a.archive.sender(sender.Config{Start: rnd.IntN(90)}), a.inventory
			shards := inventory.real()
			for i := 0; !tr.r.Done() && i < 100_000; i++ {
				if rnd.IntN(3) == 0 {
					s := shards[rnd.IntN(len(shards))]
					tr.hear(inventory.shard(uint32(s[0]), s[1]), 1)
				} else if b := tr.next(archive); rnd.IntN(10) > 0 {
					tr.hear(b, 1)
				}
			}
			tr.wantFile()
		}
	})
}
