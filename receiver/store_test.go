// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"errors"
	"testing"
	"time"

	"iotupd/proto"
	"iotupd/proto/keys"
	"iotupd/receiver"
	"iotupd/sender"
)

var errDisk = errors.New("no space left on device")

func TestAFailingStoreEndsTheTransfer(t *testing.T) {
	// "A StoreError is a failure of the Store. It ends the transfer, unless the
	// object is unauthenticated"
	src := newSource(t, "", 100_000, smallest(proto.CodeLeopard8, 40, 40))
	for _, op := range []string{"WriteAt", "ReadAt", "Reserve", "Sync"} {
		t.Run(op, func(t *testing.T) {
			tr := src.receive(receiver.Config{})
			tr.hearAll(src.shard(0, 0))
			tr.store().Fail[op] = errDisk
			tr.run(percent(20, 1), src.sender(sender.Config{}))
			wantStoreError(t, tr)
		})
	}
}

func TestAStoreThatAnUnauthenticatedObjectBreaksEndsNothing(t *testing.T) {
	// "Where signatures count, an object that is not certified ends nothing: if the
	// output fails, as on a full disk, the object is dropped and from then on the
	// receiver begins with none but by a manifest to follow." spec.md 7.2
	key := keys.Generate()
	p := small(proto.CodeLeopard8, 10, 10)
	ghost, third, real := newTree(t, "ghost", 30*512, p), newTree(t, "third", 20*512, p), newTree(t, "real", 40*512, p)
	good := real.signed(key, sequence(1))
	decoded := [][]byte{ghost.shard(0, 10)}
	for i := range 9 {
		decoded = append(decoded, ghost.shard(0, i))
	}
	for name, forged := range map[string][][]byte{
		"a shard": {ghost.shard(0, 0)}, "a record": {ghost.shard(0, 0), ghost.digest(0, 0)}, "a group to decode": decoded,
	} {
		for _, broken := range []string{"Open", "WriteAt", "all"} {
			t.Run(name+"/"+broken, func(t *testing.T) {
				var tr *transfer
				opened := 0
				tr = real.receive(receiver.Config{Trust: trusting(key), Open: func(_ proto.ObjectID, p proto.Params) (receiver.Store, error) {
					if opened++; opened == 1 && broken == "Open" {
						return nil, errDisk
					}
					tr.stores = append(tr.stores, receiver.NewMemStore(int(p.Size)))
					for _, op := range []string{"WriteAt", "ReadAt"} {
						if opened == 1 && (broken == op || broken == "all") {
							tr.store().Fail[op] = errDisk
						}
					}
					return tr.store(), nil
				}})
				for _, b := range forged {
					tr.hear(b, 0)
				}
				tr.later(time.Second)
				if tr.r.Done() || tr.r.Store() != nil {
					t.Fatalf("done with %v, store %v, want none", tr.r.Err(), tr.r.Store())
				}
				if broken != "Open" && (!tr.store().Discarded || count[receiver.Dropped](tr) != 1) {
					t.Errorf("not dropped: %+v", tr.events)
				}
				tr.wantRefused(receiver.ReasonOtherObject, third.shard(0, 0))
				tr.wantRefused(receiver.ReasonOtherObject, real.shard(0, 0))
				if opened != 1 {
					t.Errorf("%d stores were opened without a manifest, want 1", opened)
				}
				tr.hearAll(good)
				tr.wantCertified(real)
				tr.run(percent(20, 1), real.sender(sender.Config{}))
				tr.wantFile()
			})
		}
	}
}

func TestAStoreThatACertifiedObjectBreaksEndsTheTransfer(t *testing.T) {
	key := keys.Generate()
	src := newTree(t, "", 30*512, small(proto.CodeLeopard8, 10, 10))
	for _, op := range []string{"Open", "WriteAt", "ReadAt", "Reserve", "Sync"} {
		t.Run(op, func(t *testing.T) {
			broken := receiver.NewMemStore(len(src.file))
			broken.Fail[op] = &receiver.StoreError{Op: op, Err: errDisk}
			tr := src.receive(receiver.Config{Trust: trusting(key), Open: func(proto.ObjectID, proto.Params) (receiver.Store, error) {
				return broken, broken.Fail["Open"]
			}})
			tr.hearAll(src.signed(key, sequence(1)))
			if !tr.r.Done() {
				tr.run(percent(20, 1), src.sender(sender.Config{}))
			}
			wantStoreError(t, tr)
		})
	}
}

func wantStoreError(t *testing.T, tr *transfer) {
	t.Helper()
	var store *receiver.StoreError
	err := tr.r.Err()
	if !tr.r.Done() || !errors.As(err, &store) || !errors.Is(err, errDisk) {
		t.Fatalf("done %v, error %v, want a StoreError for %q", tr.r.Done(), err, errDisk)
	}
	if store.Op == "" || count[receiver.Verified](tr) > 0 {
		t.Errorf("operation %q, events %+v", store.Op, tr.events)
	}
	if tr.r.NextJob() != nil {
		t.Error("there is work to do after the end")
	}
	if err := tr.hear(tr.src.shard(0, 0), 0); err != receiver.ReasonNotNeeded {
		t.Errorf("a packet after the end: %v", err)
	}
}

func TestADiskThatIsFullAtAnyMomentEndsTheTransfer(t *testing.T) {
	// Whatever call it is that finds no space, of data, of moved parity, of
	// rebuilt shards.
	rnd := newRand(t)
	src := newSource(t, "", 100_000, smallest(proto.CodeLeopard8, 40, 40))
	for range 50 {
		tr := src.receive(receiver.Config{})
		s := src.sender(sender.Config{Start: rnd.IntN(10000)})
		lost := percent(20, rnd.Uint64())
		good := rnd.IntN(400)
		for n := 0; !tr.r.Done(); n++ {
			if b := tr.next(s); !lost() {
				tr.hear(b, 0)
			}
			if n == good && len(tr.stores) > 0 && !tr.r.Done() {
				tr.store().Fail["WriteAt"] = errDisk
			}
		}
		if tr.r.Err() == nil {
			tr.wantFile() // it was just done
		} else {
			wantStoreError(t, tr)
		}
	}
}

func TestAStoreThatDoesNotOpenEndsTheTransfer(t *testing.T) {
	src := newSource(t, "", 3000, smallest(proto.CodeLeopard8, 12, 12))
	open := func(proto.ObjectID, proto.Params) (receiver.Store, error) { return nil, errDisk }
	for name, first := range map[string][]byte{"data": src.shard(0, 0), "manifest": src.manifest()} {
		tr := src.receive(receiver.Config{Open: open})
		if err := tr.hear(first, 0); err != nil {
			t.Errorf("%s: ignored: %v", name, err)
		}
		if err := tr.r.Err(); !tr.r.Done() || !errors.Is(err, errDisk) {
			t.Errorf("%s: done %v, error %v, want %v", name, tr.r.Done(), err, errDisk)
		}
		if tr.r.Store() != nil || tr.r.Manifest() != nil || tr.r.NextJob() != nil {
			t.Errorf("%s: something is left of the object", name)
		}
		tr.later(time.Hour) // harmless
	}
}

func TestAStoreThatDoesNotOpenAgainEndsTheTransfer(t *testing.T) {
	// The second store is that of the true parameters, after a forged packet.
	src := newSource(t, "", 3000, smallest(proto.CodeLeopard8, 12, 12))
	opened := 0
	tr := src.receive(receiver.Config{Open: func(_ proto.ObjectID, p proto.Params) (receiver.Store, error) {
		if opened++; opened > 1 {
			return nil, errDisk
		}
		return receiver.NewMemStore(int(p.Size)), nil
	}})
	tr.hearAll(forge(t, src.shard(0, 0), func(h *proto.Header, _ []byte) { h.M = 3 }), src.manifest())
	if err := tr.r.Err(); !tr.r.Done() || !errors.Is(err, errDisk) {
		t.Errorf("done %v, error %v, want %v", tr.r.Done(), err, errDisk)
	}
}

func TestAStoreThatIsNotDiscardedEndsTheTransfer(t *testing.T) {
	ghost, real := twoSources(t)
	tr := real.receive(receiver.Config{})
	tr.hearAll(ghost.shard(0, 0))
	tr.store().Fail["Discard"] = errDisk
	tr.later(time.Minute)
	tr.hear(real.manifest(), 0)
	if err := tr.r.Err(); !errors.Is(err, errDisk) {
		t.Errorf("error %v, want %v", err, errDisk)
	}
}

func TestSpaceIsReservedOnceTheSizeIsCertain(t *testing.T) {
	// "space on disk: taken as packets arrive; reserved as a whole only after
	// certification" spec.md 7.5
	src := newSource(t, "", 3000, smallest(proto.CodeLeopard8, 12, 12))
	tr := src.receive(receiver.Config{})
	tr.hearAll(src.shard(0, 0))
	if got := tr.store().Calls("Reserve"); got != 0 {
		t.Errorf("reserved %d times before the manifest", got)
	}
	tr.hearAll(src.manifest(), src.manifest())
	if got := tr.store().Calls("Reserve"); got != 1 {
		t.Errorf("reserved %d times after two manifests, want once", got)
	}
}

func TestShardsAreStoredSoon(t *testing.T) {
	// "flushAfter bounds how long a received shard stays in memory only."
	src := newSource(t, "", 3000, smallest(proto.CodeLeopard8, 12, 12))
	tr := src.receive(receiver.Config{})
	if at := tr.r.Wake(); !at.IsZero() {
		t.Errorf("wakes at %v before anything arrived", at)
	}
	tr.hearAll(src.shard(0, 0))
	wake := tr.r.Wake()
	tr.later(100 * time.Millisecond)
	tr.hearAll(src.shard(0, 1))
	if got := tr.r.Wake(); got != wake {
		t.Errorf("a second shard moved the time to store the first from %v to %v", wake, got)
	}
	if d := wake.Sub(epoch); d <= 100*time.Millisecond || d > 500*time.Millisecond {
		t.Errorf("stores the first shard after %v, want a quarter of a second", d)
	}
	tr.now = wake
	tr.r.Tick(wake.Add(-1))
	if got := tr.store().Calls("WriteAt"); got != 0 {
		t.Errorf("%d writes before their time", got)
	}
	tr.r.Tick(wake)
	if got := tr.store().Calls("WriteAt"); got != 1 {
		t.Errorf("%d writes, want one for two shards that follow each other", got)
	}
	if got := tr.store().Bytes()[:512]; string(got) != string(src.file[:512]) {
		t.Error("the shards were not stored")
	}
	if at := tr.r.Wake(); !at.IsZero() {
		t.Errorf("wakes at %v with nothing to do", at)
	}
}

func TestConsecutiveShardsAreWrittenTogether(t *testing.T) {
	// maxRun: "2 to 4 times faster than single ones, since in the carousel's
	// order they follow each other in the file"
	src := newSource(t, "", 1<<20, smallest(proto.CodeLeopard8, 128, 128))
	tr := src.receive(receiver.Config{})
	tr.run(nothing, src.sender(sender.Config{Rate: -1}))
	tr.wantFile()
	if got := tr.store().Calls("WriteAt"); got > 2*128 {
		t.Errorf("%d writes for 4096 shards in 128 rows of 32", got)
	}
}

func TestConfigOutOfRangeIsRefused(t *testing.T) {
	open := func(proto.ObjectID, proto.Params) (receiver.Store, error) { return nil, errDisk }
	for _, cfg := range []receiver.Config{
		{}, {Open: open, MaxSize: 1<<62 + 1}, {Open: open, Memory: -1}, {Open: open, Workers: -1},
	} {
		if _, err := receiver.New(cfg); err == nil {
			t.Errorf("%+v was accepted", cfg)
		}
	}
}
