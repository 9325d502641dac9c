// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/sender"
)

// aLargeFile is one for which a store has a parity region, as far as there is room.
func aLargeFile(t *testing.T) *source {
	t.Helper()
	return newTree(t, "", 32<<20+77, proto.Params{Code: proto.CodeLeopard8, K: 100, M: 60, ShardSize: 8192})
}

// regionOf returns the parity region of a store.
func (s *source) regionOf(store *receiver.MemStore) []byte {
	align := func(n int) int { return (n + 4095) / 4096 * 4096 }
	at := align(align(len(s.file)) + int(s.tree.Total())*s.geo.ShardSize)
	all := store.All()
	return all[min(at, len(all)):]
}

// written counts the shards in a region that are not only zeros.
func (s *source) written(region []byte) (n int) {
	for ; len(region) >= s.geo.ShardSize; region = region[s.geo.ShardSize:] {
		if bytes.Count(region[:s.geo.ShardSize], []byte{0}) < s.geo.ShardSize {
			n++
		}
	}
	return n
}

func TestParityForALargeFileHasARegion(t *testing.T) {
	// "Parity is parked behind the records, one row for each index" spec.md 7.3
	src := aLargeFile(t)
	tr := src.receive(receiver.Config{})
	tr.run(percent(10, 1), src.sender(sender.Config{Rate: -1}))
	tr.wantFile()
	region := src.regionOf(tr.store())
	if want := 25*int(src.geo.Groups)*src.geo.ShardSize + 72; len(region) != want {
		t.Fatalf("the region and the trailer have %d bytes, want %d", len(region), want)
	}
	rebuilt := int(tr.r.Progress().Rebuilt)
	if got := src.written(region); got < rebuilt*9/10 || got > rebuilt {
		t.Errorf("%d shards in the region, %d were rebuilt", got, rebuilt)
	}
}

func TestMoreParityThanTheRegionHasRoomForIsParkedInTheFile(t *testing.T) {
	src := aLargeFile(t)
	tr := src.receive(receiver.Config{})
	for i := src.geo.K; i < src.geo.K+src.geo.M; i++ { // it joins when the parity begins
		for g := range uint32(src.geo.Groups) {
			if i == src.geo.K {
				tr.hear(src.manifest(), 0)
			}
			tr.hearAll(src.shard(g, i))
		}
	}
	tr.run(percent(5, 1), src.sender(sender.Config{Rate: -1}))
	tr.wantFile()
}

// killedHalfway is what a receiver leaves that had data with loss and some parity.
func killedHalfway(t *testing.T, src *source, cfg receiver.Config) (store *receiver.MemStore, held uint64) {
	t.Helper()
	tr := src.receive(cfg)
	tr.hearFor(int(src.geo.DataShards)*105/100, percent(10, 2), src.sender(sender.Config{}))
	tr.later(time.Second)
	return tr.killed(), tr.r.Progress().Held
}

func TestParityInItsRegionIsTakenUpAgain(t *testing.T) {
	src := aLargeFile(t)
	store, held := killedHalfway(t, src, receiver.Config{})
	parity := src.written(src.regionOf(store))
	if parity < 50 {
		t.Fatalf("%d shards are in the region", parity)
	}
	b := store.All()
	found, err := receiver.ScanPartialFile(bytes.NewReader(b), int64(len(b)))
	if err != nil || found.Data+found.Parity < held*9/10 || int(found.Parity) < parity*9/10 { // a few records were lost
		t.Errorf("a scan says %+v, %v; %d shards were held, %d in the region", found, err, held, parity)
	}
	tr := src.resume(store, receiver.Config{})
	tr.run(percent(10, 3), src.sender(sender.Config{Start: 5000}))
	tr.wantFile()
	if got := tr.r.Progress().Resumed; got != held {
		t.Errorf("%d shards resumed, want %d", got, held)
	}
}

func TestAPartialFileWithoutARegionIsTakenUp(t *testing.T) {
	// It was left by a receiver that parks all parity in the file, or had no room.
	src := aLargeFile(t)
	store, held := killedHalfway(t, src, receiver.Config{InMemory: true})
	if n := len(src.regionOf(store)); n > 4096 {
		t.Fatalf("%d bytes behind the records", n)
	}
	for _, cfg := range []receiver.Config{{}, {InMemory: true}} {
		again := store.Again()
		tr := src.resume(again, cfg)
		tr.run(percent(10, 3), src.sender(sender.Config{Start: 5000}))
		tr.wantFile()
		if got := tr.r.Progress().Resumed; got != held {
			t.Errorf("%d shards resumed, want %d", got, held)
		}
	}
}

func TestAStoreWithoutRoomForARegionHasNone(t *testing.T) {
	src := aLargeFile(t)
	least := int64(len(src.file)) + int64(src.tree.Total())*int64(src.geo.ShardSize) + 8192
	store := &smallStore{MemStore: receiver.NewMemStore(len(src.file)), room: least}
	tr := src.receive(receiver.Config{Open: func(proto.ObjectID, proto.Params) (receiver.Store, error) { return store, nil }})
	tr.run(percent(10, 1), src.sender(sender.Config{Rate: -1}))
	if err := tr.r.Err(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(store.Bytes(), src.file) || int64(len(store.All())) > least {
		t.Errorf("%d bytes in a store of %d", len(store.All()), least)
	}
}

// A smallStore has so much room.
type smallStore struct {
	*receiver.MemStore
	room int64
}

var errNoRoom = errors.New("no room")

func (s *smallStore) Reserve(size int64) error {
	if size > s.room {
		return errNoRoom
	}
	return s.MemStore.Reserve(size)
}
