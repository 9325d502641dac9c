// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"time"

	"iotupd/proto"
	"iotupd/proto/seal"
	"iotupd/receiver"
	"iotupd/sender"
)

// outline returns the datagram with an outline of the hash tree.
func (s *source) outline(number uint32) []byte {
	s.t.Helper()
	h := proto.Header{Type: proto.TypeOutline, Object: s.id, Params: s.geo.Params, Group: number, Path: proto.Path{Layers: 1, Sender: 1, Senders: 1}}
	b, err := s.object.Digests.AppendOutline(h.AppendTo(nil), number)
	if err != nil {
		s.t.Fatal(err)
	}
	proto.PutChecksum(b)
	return b
}

// isOutline reports whether a datagram is an OUTLINE.
func isOutline(datagram []byte) bool { return proto.Type(datagram[3]) == proto.TypeOutline }

// A cost is what a receiver took and what was sent meanwhile, in shards for each
// shard of the file.
type cost struct{ received, sent float64 }

func (c cost) String() string {
	return fmt.Sprintf("%5.1f %% of Nd received, %5.1f %% sent", 100*c.received, 100*c.sent)
}

// takes gives the receiver the packets of a carousel, except lost ones, until it
// is done.
func (tr *transfer) takes(lost func(datagram []byte) bool, s *sender.Sender) (c cost) {
	tr.t.Helper()
	one := 1 / float64(tr.src.geo.DataShards)
	for range 200_000 {
		b := tr.next(s)
		_, _, ok := hasShard(tr.t, b)
		if ok {
			c.sent += one
		}
		if !lost(b) && tr.hear(b, 0) == nil && ok {
			c.received += one
		}
		if tr.r.Done() {
			tr.wantFile()
			return c
		}
	}
	tr.t.Fatalf("not done: %+v", tr.r.Progress())
	return c
}

// large makes the object of a file with records as large as those of senders,
// and two groups.
func large(t *testing.T) *source {
	t.Helper()
	p := proto.Params{Code: proto.CodeLeopard16, K: 3641, M: 3641, ShardSize: proto.DefaultShardSize}
	return newTree(t, "", 2*p.K*p.ShardSize-77, p)
}

// joins are where in the loop receivers join, in hundredths of a percent.
var joins = []int{0, 2500, 5100, 9000}

// wantShares lets receivers start at each join, with a tenth of loss and without,
// and fails if one takes more than its limit. Without outlines a receiver is what
// it was before there were any.
func wantShares(t *testing.T, src *source, most [2]float64, start func() *transfer) {
	t.Helper()
	joins := joins
	if testing.Short() {
		joins = joins[2:3]
	}
	for i, loss := range []uint64{0, 10} {
		for _, join := range joins {
			lost := percent(loss, 1)
			without := start().takes(func(b []byte) bool { return isOutline(b) || lost() }, src.sender(sender.Config{Start: join}))
			lost = percent(loss, 1)
			with := start().takes(func([]byte) bool { return lost() }, src.sender(sender.Config{Start: join}))
			t.Logf("loss %2d %%, joined at %2d %%: %v; without outlines %v", loss, join/100, with, without)
			if with.received > most[i] {
				t.Errorf("%v, want at most %.1f %%", with, 100*most[i])
			}
		}
	}
}

func TestALateReceiverWithAnOlderFileReceivesWhatChanged(t *testing.T) {
	// "A receiver that joins in the middle of a loop would learn what its older
	// bytes are worth when it has received them again." spec.md 4.6
	old := large(t)
	needed := int(old.geo.DataShards)
	rnd := newRand(t)
	var clustered, scattered []int
	first := rnd.IntN(needed * 98 / 100)
	for i := range needed / 100 {
		clustered = append(clustered, (first+i)*1152+i%1152)
	}
	for _, shard := range rnd.Perm(needed - 1)[:needed/100] {
		scattered = append(scattered, shard*1152+rnd.IntN(1152))
	}
	for _, test := range []struct {
		name    string
		changed []int
		most    [2]float64 // without loss, and with a tenth
	}{
		{"1 % in one place", clustered, [2]float64{0.15, 0.15}},
		{"1 % all over", scattered, [2]float64{0.6, 0.7}},
	} {
		t.Run(test.name, func(t *testing.T) {
			src := old.release(test.changed...)
			wantShares(t, src, test.most, func() *transfer {
				return src.receive(receiver.Config{Seeds: []io.ReaderAt{bytes.NewReader(old.file)}})
			})
		})
	}
}

func TestAPartialFileThatLostItsRecordsIsTakenUp(t *testing.T) {
	// "Where records are missing, an OUTLINE (4.6) shows which of them the files
	// on disk contain." spec.md 7.4
	src := large(t)
	first := src.receive(receiver.Config{})
	first.hearFor(int(src.geo.DataShards)*7/10, nothing, src.sender(sender.Config{}))
	first.later(time.Second)
	left := func() *receiver.MemStore {
		found := first.killed()
		found.Damage(func(b []byte) []byte { return b[:min(len(b), len(src.file))] })
		return found
	}
	t.Logf("%.1f %% of Nd are on disk", 100*float64(len(src.intact(left().All())))/float64(src.geo.DataShards))
	wantShares(t, src, [2]float64{0.4, 0.4}, func() *transfer { return src.resume(left(), receiver.Config{}) })
}

// fourRanges makes the newer version of a file of two groups, in which one shard
// has changed, and the older one. Of both groups all data shards are in data
// records, in two ranges each.
func fourRanges(t *testing.T) (src, old *source) {
	t.Helper()
	old = newTree(t, "", 2*96*256-77, smallest(proto.CodeLeopard8, 96, 56))
	src = old.release(3 * 256)
	if got := [...]int{src.tree.OutlineLevel(), src.tree.Leaves, src.tree.DataRecords(), int(src.tree.Outlines())}; got != [...]int{3, 8, 12, 8} {
		t.Fatalf("not the tree for this: %v of %+v", got, src.tree)
	}
	return src, old
}

// A countedSeed counts the bytes that are read of it.
type countedSeed struct {
	io.ReaderAt
	read int
}

func (s *countedSeed) ReadAt(b []byte, at int64) (int, error) {
	n, err := s.ReaderAt.ReadAt(b, at)
	s.read += n
	return n, err
}

func TestAnOutlineGivesTheDigestsOfWhatIsOnDisk(t *testing.T) {
	// "With its record, each node gives the DIGEST of that." spec.md 4.6
	src, old := fourRanges(t)
	seed := &countedSeed{ReaderAt: bytes.NewReader(old.file)}
	tr := src.receive(receiver.Config{Seeds: []io.ReaderAt{seed}})
	tr.hearAll(src.manifest())
	for _, i := range []uint32{0, 1, 4, 5} {
		tr.hearAll(src.outline(i))
	}
	// All but the record that has the changed shard.
	if p := tr.r.Progress(); p.Records != 23 || p.Reused != 2*96-8 || p.Outlines != 4 {
		t.Errorf("%+v", p)
	}
	for g := range uint32(2) {
		for j := range 12 {
			if err := tr.hear(src.digest(g, j), 0); (err == receiver.ReasonDuplicate) != (g != 1 || j != 0) {
				t.Errorf("record %d of group %d: %v", j, g, err)
			}
		}
	}
	tr.later(time.Second)
	workspace := tr.store().All()[(len(src.file)+4095)/4096*4096:]
	for slot := range 24 {
		_, want, _ := proto.Parse(src.digest(uint32(slot%2), slot/2))
		if got := workspace[slot*256:][:256]; !bytes.Equal(got, want) {
			t.Errorf("record %d of group %d:\n got %x\nwant %x", slot/2, slot%2, got, want)
		}
	}

	// "each file once for all of them: a range is looked for once in a run" spec.md
	// 7.5
	for range 100 {
		for _, i := range []uint32{0, 1, 4, 5} {
			tr.hear(src.outline(i), 0)
		}
	}
	if most := 2 * len(old.file); seed.read > most { // to compare, and to copy
		t.Errorf("%d bytes were read, want at most %d", seed.read, most)
	}
	tr.run(nothing, src.sender(sender.Config{}))
	tr.wantFile()
}

func TestOutlinesWaitForTheManifest(t *testing.T) {
	src, old := fourRanges(t)
	tr := src.receive(receiver.Config{Seeds: readers(old.file)})
	tr.hearAll(src.outline(0))
	if tr.r.Store() != nil {
		t.Error("an object was chosen")
	}
	tr.hearAll(src.manifest())
	tr.wantRefused(receiver.ReasonDuplicate, src.outline(0))
	if got := tr.r.Progress().Reused; got == 0 {
		t.Error("nothing was reused by the outline that had waited")
	}
}

func TestOutlinesThatAreOfNoUseCostNothing(t *testing.T) {
	// "OUTLINE of a range that was looked for, or where there is nothing to look in
	// or for" spec.md 7.1: it is neither opened nor proven.
	src, old := fourRanges(t)
	forged := func(i uint32) []byte {
		return forge(t, src.outline(i), func(_ *proto.Header, payload []byte) { payload[40] ^= 1 })
	}
	for _, sealed := range []bool{false, true} {
		as, broken := func(b []byte) []byte { return b }, forged
		cfg := receiver.Config{}
		why := proto.ReasonDigest
		if sealed {
			as = func(b []byte) []byte { return src.seal(newKey, b) }
			broken = func(i uint32) []byte { return raw(as(src.outline(i)), func(b []byte) { b[100] ^= 1 }) }
			cfg.GroupKeys, why = []*seal.GroupKey{newKey}, seal.ReasonSeal
		}
		tr := src.receive(cfg)
		tr.hearAll(as(src.manifest()))
		tr.wantRefused(receiver.ReasonNotNeeded, as(src.outline(0)))
		tr.wantRefused(receiver.ReasonNotNeeded, broken(0))

		cfg.Seeds = readers(old.file)
		tr = src.receive(cfg)
		tr.hearAll(as(src.manifest()))
		before := tr.r.Progress()
		tr.wantRefused(why, broken(0))
		if !sealed {
			for _, i := range []uint32{1, 4, 5} {
				tr.wantRefused(proto.ReasonDigest, forge(t, src.outline(0), func(h *proto.Header, _ []byte) { h.Group = i }))
			}
			for _, i := range []uint32{2, 3, 6, 7, 8} { // without a data record, or past the end
				tr.wantRefused(proto.ReasonGeometry, forge(t, src.outline(0), func(h *proto.Header, _ []byte) { h.Group = i }))
			}
		}
		if after := tr.r.Progress(); after.Records != before.Records || after.Reused != 0 {
			t.Errorf("forged outlines changed %+v to %+v", before, after)
		}
		tr.hearAll(as(src.outline(5)))
		tr.wantRefused(receiver.ReasonDuplicate, as(src.outline(5)))
		tr.wantRefused(receiver.ReasonDuplicate, broken(5))
		for j := range 8 {
			tr.hear(as(src.digest(0, j)), 0)
		}
		tr.wantRefused(receiver.ReasonNotNeeded, as(src.outline(0)))
		tr.wantRefused(receiver.ReasonNotNeeded, broken(0))
	}
}

func TestOutlinesWaitForTheDiskInBoundedMemory(t *testing.T) {
	// "OUTLINEs that wait for the disk | 16 | more are ignored: they come again"
	// spec.md 7.5
	src := newTree(t, "", 1200*256, smallest(proto.CodeNone, 8, 0))
	tr := src.receive(receiver.Config{Seeds: readers(src.file)})
	tr.hearAll(src.manifest())
	tr.idle = true
	for i := range uint32(16) {
		tr.hearAll(src.outline(i))
	}
	tr.wantRefused(receiver.ReasonScanning, src.outline(16))
	tr.idle = false
	tr.work()
	for i := 16; i < int(src.tree.Outlines()); i++ {
		tr.hearAll(src.outline(uint32(i)))
	}
	tr.wantFile()
}

func TestOutlinesWaitUntilTheirGroupsAreCompared(t *testing.T) {
	// "shard, record or OUTLINE of a group that is being compared with what is on
	// disk" spec.md 7.1
	src, old := fourRanges(t)
	found := receiver.NewMemStore(len(src.file))
	found.Damage(func(b []byte) []byte { return append(b[:0], old.file...) })
	tr := src.resume(found, receiver.Config{})
	tr.idle = true
	tr.hearAll(src.manifest())
	tr.wantRefused(receiver.ReasonScanning, src.outline(0))
	tr.idle = false
	tr.work()
	for _, i := range []uint32{0, 1, 4, 5} {
		tr.hearAll(src.outline(i))
	}
	if p := tr.r.Progress(); p.Resumed != 2*96-8 {
		t.Errorf("%d shards were recognised, want all except the shards of one record: %d", p.Resumed, 2*96-8)
	}
	tr.run(nothing, src.sender(sender.Config{}))
	tr.wantFile()
}
