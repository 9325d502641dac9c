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

// release makes a newer version of a file, in which some bytes are others.
func (s *source) release(changed ...int) *source {
	s.t.Helper()
	next := &source{t: s.t, file: bytes.Clone(s.file)}
	for _, at := range changed {
		next.file[at] ^= 0xff
	}
	return prepareFile(s.t, "next", next.file, s.geo.Params, sender.PrepareConfig{})
}

func TestOnlyWhatChangedIsReceived(t *testing.T) {
	// "A data shard that a seed has at the same offset is copied from there."
	// spec.md 7.4
	old := newTree(t, "", 20*100*512-77, small(proto.CodeLeopard8, 100, 100))
	rnd := newRand(t)
	var changed []int
	for _, shard := range rnd.Perm(2000)[:20] { // one of a hundred
		changed = append(changed, shard*512+rnd.IntN(400))
	}
	src := old.release(changed...)
	for _, test := range []struct {
		loss  uint64
		start int
		most  int // shards
	}{
		{0, 0, 20},
		{10, 0, 300},
		{0, 3000, 1000}, // rows 60 to 100 and their records, then parity
		{0, 5000, 2000}, // parity alone
	} {
		tr := src.receive(receiver.Config{Seeds: []io.ReaderAt{bytes.NewReader(old.file)}})
		tr.hearAll(src.manifest())
		s := src.sender(sender.Config{Start: test.start})
		lost := percent(test.loss, 1)
		taken := 0
		for !tr.r.Done() {
			b := tr.next(s)
			if lost() {
				continue
			}
			if _, _, ok := hasShard(t, b); tr.hear(b, 0) == nil && ok {
				taken++
			}
		}
		tr.wantFile()
		p := tr.r.Progress()
		t.Logf("loss %d %%, joined at %d %%: %d shards taken, %d reused", test.loss, test.start/100, taken, p.Reused)
		if taken > test.most || int(p.Reused)+taken < 2000 {
			t.Errorf("%+v: %d shards taken, %d reused", test, taken, p.Reused)
		}
	}
}

func TestSeedsOfAnySizeAndKind(t *testing.T) {
	// "Shards that no seed has are received." spec.md 7.4
	old := newTree(t, "", 40*512-77, small(proto.CodeLeopard8, 10, 10))
	src := old.release(100, 5000)
	rnd := rand.New(rand.NewPCG(1, 1))
	other := make([]byte, 50_000)
	for i := range other {
		other[i] = byte(rnd.Uint32())
	}
	partial := old.receive(receiver.Config{})
	partial.hearFor(30, nothing, old.sender(sender.Config{}))
	partial.later(time.Second)
	inTwo := [][]byte{bytes.Clone(old.file), bytes.Clone(old.file)}
	clear(inTwo[0][:10_000])
	clear(inTwo[1][10_000:])
	tests := []struct {
		name  string
		seeds []io.ReaderAt
		least uint64 // reused
	}{
		{"the file itself", readers(src.file), 40},
		{"longer", readers(append(bytes.Clone(old.file), other...)), 38},
		{"shorter", readers(old.file[:20*512+100]), 18},
		{"empty", readers(nil), 0},
		{"another", readers(other), 0},
		{"two halves", readers(inTwo[0], other, inTwo[1]), 36},
		{"unreadable", []io.ReaderAt{unreadable{}, bytes.NewReader(old.file)}, 38},
		{"a partial file of the older version", readers(partial.store().All()), 15},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, loss := range []uint64{0, 20} {
				tr := src.receive(receiver.Config{Seeds: test.seeds})
				tr.run(percent(loss, 3), src.sender(sender.Config{}))
				tr.wantFile()
				if got := tr.r.Progress().Reused; loss == 0 && got < test.least {
					t.Errorf("%d shards reused, want %d", got, test.least)
				}
			}
		})
	}
}

func readers(files ...[]byte) (all []io.ReaderAt) {
	for _, b := range files {
		all = append(all, bytes.NewReader(b))
	}
	return all
}

// unreadable is a seed on a broken disk.
type unreadable struct{}

func (unreadable) ReadAt([]byte, int64) (int, error) { return 0, errDisk }

func TestSeedsAreOfUseToAGroupThatIsUnderWay(t *testing.T) {
	// The records come late, or all at once from others: parity waits in places
	// whose shards the seed has.
	rnd := newRand(t)
	for range 100 {
		old := randomTree(t, rnd)
		src := old.release(rnd.IntN(len(old.file)))
		tr := src.receive(receiver.Config{Seeds: readers(old.file)})
		tr.beside = rnd
		tr.hear(src.manifest(), 0)
		a := &attacker{rnd: rnd, src: src, data: rnd.IntN(50), parity: rnd.IntN(50)}
		tr.suffer(percent(rnd.Uint64N(50), rnd.Uint64()), src.sender(sender.Config{Rate: -1, Start: rnd.IntN(10000)}), a)
		tr.wantFile()
	}
}

func TestAScanShowsWhatAPartialFileHolds(t *testing.T) {
	// "ScanPartialFile finds out of which object a partial file of size bytes is,
	// and which shards it holds."
	src := newTree(t, "", 40*512-77, small(proto.CodeLeopard8, 10, 10))
	tr := src.receive(receiver.Config{})
	tr.hearAll(src.manifest())
	for g := range uint32(4) {
		for i := range src.tree.Records {
			tr.hearAll(src.digest(g, i))
		}
		tr.hearAll(src.shard(g, 0), src.shard(g, 5), src.shard(g, 17))
	}
	tr.later(time.Second)
	b := tr.store().All()
	got, err := receiver.ScanPartialFile(bytes.NewReader(b), int64(len(b)))
	want := receiver.PartialFile{
		Descriptor: src.object.Manifest.Descriptor,
		Needed:     40,
		Data:       8,
		Parity:     3, // the shard of the last group is in memory: its place is too short
		Records:    4 * uint64(src.tree.Records),
		AllRecords: 4 * uint64(src.tree.Records),
	}
	if err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for n := range len(b) {
		if n%97 == 0 {
			if _, err := receiver.ScanPartialFile(bytes.NewReader(b[:n]), int64(n)); err == nil {
				t.Errorf("%d of %d bytes are a partial file", n, len(b))
			}
		}
	}
	for name, change := range map[string]func(b []byte){
		"magic":      func(b []byte) { b[0] ^= 1 },
		"suite":      func(b []byte) { b[9] = 2 },
		"size 2^63":  func(b []byte) { b[16] = 0x80 },
		"huge index": func(b []byte) { copy(b[16:24], []byte{0, 0, 0x40}) },
		"no shard":   func(b []byte) { b[10], b[11] = 0, 0 },
	} {
		t.Run(name, func(t *testing.T) {
			bad := bytes.Clone(b)
			change(bad[len(bad)-72:])
			if grown := heapGrowth(func() {
				if s, err := receiver.ScanPartialFile(bytes.NewReader(bad), int64(len(bad))); err == nil {
					t.Errorf("got %+v", s)
				}
			}); grown > 1<<20 {
				t.Errorf("took %d bytes", grown)
			}
		})
	}
}

func TestShardsFromASeedAreStoredSoon(t *testing.T) {
	// "flushAfter bounds how long a received shard is in memory only."
	src := newTree(t, "", 10*512, small(proto.CodeLeopard8, 10, 10))
	tr := src.receive(receiver.Config{Seeds: readers(src.file[:9*512])})
	tr.hearAll(src.manifest(), src.digest(0, 0))
	if got := tr.r.Progress().Reused; got != 9 {
		t.Fatalf("%d shards reused, want 9", got)
	}
	tr.later(time.Second)
	if got := tr.store().Bytes(); !bytes.Equal(got[:9*512], src.file[:9*512]) {
		t.Error("the shards were not stored")
	}
}
