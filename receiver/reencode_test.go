// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"fmt"
	"testing"

	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/sender"
)

// lateJoin returns how many shards a receiver needs that joins a carousel in the
// middle and hears a forged shard, -1: none, after fifty genuine ones.
func (s *source) lateJoin(start, forged int, cfg receiver.Config) (shards int) {
	s.t.Helper()
	tr := s.receive(cfg)
	carousel := s.sender(sender.Config{Start: start})
	for shards < 50 {
		b := tr.next(carousel)
		tr.hear(b, 0)
		if _, _, ok := hasShard(s.t, b); ok {
			shards++
		}
	}
	if forged >= 0 {
		tr.hear(s.forgery(0, forged), 0)
	}
	shards += tr.run(nothing, carousel)
	tr.wantFile()
	return shards
}

func TestOneForgedShardCostsARecordAtMost(t *testing.T) {
	// "A group that was decoded from forged shards loses its provisional shards,
	// once": here the forged one, and the shards of the record in the middle of
	// which the receiver joined. spec.md 7.3
	p := proto.Params{Code: proto.CodeLeopard16, K: 911, M: 2048, ShardSize: 1152}
	src := newTree(t, "", 1<<20, p)
	for _, start := range []int{1500, 4000} {
		t.Run(fmt.Sprintf("start=%d", start), func(t *testing.T) {
			calm := src.lateJoin(start, -1, receiver.Config{})
			got := src.lateJoin(start, 2900, receiver.Config{})
			if got > calm+src.tree.Leaves {
				t.Errorf("%d shards were needed, without a forged one %d, a record has %d leaves", got, calm, src.tree.Leaves)
			}
			// "If the memory does not suffice for that, they are lost."
			src.lateJoin(start, 2900, receiver.Config{Memory: p.M * p.ShardSize})
		})
	}
}

func TestACorruptedGroupGetsItsParityBack(t *testing.T) {
	// "When a group was decoded from forged shards, its overwritten parity is
	// computed again" spec.md 7.3
	for name, size := range map[string]int{"whole": 8 * 256, "short": 8*256 - 100, "virtual": 7 * 256} {
		t.Run(name, func(t *testing.T) {
			src := fourRecords(t, size)
			tr := src.receive(receiver.Config{})
			tr.hearAll(src.manifest(), src.digest(0, 1), src.shard(0, 2))
			real := src.geo.RealShards(0)
			for i := range real - 2 {
				tr.hearAll(src.shard(0, 8+i))
			}
			tr.idle = true
			tr.hearAll(src.forgery(0, 20))
			for count[receiver.Corrupt](tr) == 0 {
				j := tr.job()
				j.Run()
				tr.r.Finish(tr.now, j)
			}
			tr.wantHeld(0)
			reencode := tr.job()
			tr.wantRefused(receiver.ReasonScanning, src.shard(0, 15))
			tr.hearAll(src.digest(0, 3))
			if j := tr.job(); j != nil {
				t.Error("there is more to do while a group is re-encoded")
			}
			reencode.Run()
			tr.r.Finish(tr.now, reencode)
			tr.idle = false
			tr.wantHeld(uint64(real - 2)) // shard 2 was provisional
			tr.wantRefused(receiver.ReasonDuplicate, src.shard(0, 8))
			tr.wantRefused(receiver.ReasonUnverified, src.shard(0, 20))
			tr.hearAll(src.shard(0, 15), src.shard(0, 25))
			tr.wantFile()
			if got := tr.r.Progress().Rebuilt; got != uint64(real) {
				t.Errorf("%d shards rebuilt, want %d", got, real)
			}
		})
	}
}

func TestTheDecoderFindsForgedPadding(t *testing.T) {
	// "So is the last shard of the file, in which only zeros can follow the file."
	// spec.md 7.3
	src := fourRecords(t, 8*256-100)
	tr := src.receive(receiver.Config{})
	tr.hearAll(src.manifest(), src.digest(0, 1))
	for i := range 7 {
		tr.hearAll(src.shard(0, 8+i))
	}
	tr.hearAll(forge(t, src.shard(0, 20), func(_ *proto.Header, payload []byte) { payload[200] ^= 1 }))
	tr.wantForged(1)
	tr.wantHeld(7)
	tr.hearAll(src.shard(0, 15))
	tr.wantFile()
}
