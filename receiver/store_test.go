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
	// "A StoreError is a failure of the Store. It ends the transfer."
	src := newSource(t, "", 100_000, smallest(proto.CodeLeopard8, 40, 40))
	for _, op := range []string{"WriteAt", "ReadAt", "Reserve", "Sync"} {
		t.Run(op, func(t *testing.T) {
			tr := src.receive(receiver.Config{})
			tr.hearAll(src.shard(0, 1), src.shard(0, 0))
			tr.opened = func(s *receiver.MemStore) { s.Fail[op] = errDisk }
			tr.run(percent(20, 1), src.sender(sender.Config{}))
			wantStoreError(t, tr)
		})
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
	for name, before := range map[string][]byte{"data": src.shard(0, 0), "manifest": src.manifest()} {
		tr := src.receive(receiver.Config{Open: open})
		for _, b := range [][]byte{before, src.manifest()} {
			if err := tr.hear(b, 0); err != nil && !tr.r.Done() {
				t.Errorf("%s: ignored: %v", name, err)
			}
		}
		if err := tr.r.Err(); !tr.r.Done() || !errors.Is(err, errDisk) {
			t.Errorf("%s: done %v, error %v, want %v", name, tr.r.Done(), err, errDisk)
		}
		if tr.r.Store() != nil || tr.r.Manifest() != nil || tr.r.NextJob() != nil {
			t.Errorf("%s: something is left of the object", name)
		}
		tr.later(time.Hour) // has no effect
	}
}

func TestAStoreThatIsNotDiscardedEndsTheTransfer(t *testing.T) {
	old, next := twoSources(t)
	key := keys.Generate()
	tr := next.receive(receiver.Config{Trust: trusting(key)})
	tr.hearAll(old.signed(key, sequence(1)), old.shard(0, 0))
	tr.store().Fail["Discard"] = errDisk
	tr.hear(next.signed(key, sequence(2)), 0)
	if err := tr.r.Err(); !errors.Is(err, errDisk) {
		t.Errorf("error %v, want %v", err, errDisk)
	}
}

func TestShardsAreStoredSoon(t *testing.T) {
	// "flushAfter bounds how long a received shard is in memory only."
	src := newSource(t, "", 3000, smallest(proto.CodeLeopard8, 12, 12))
	tr := src.receive(receiver.Config{})
	if at := tr.r.Wake(); !at.IsZero() {
		t.Errorf("wakes at %v before anything arrived", at)
	}
	tr.hearAll(src.manifest(), src.shard(0, 0))
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
	tr.work()
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
