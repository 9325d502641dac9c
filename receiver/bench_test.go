// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"fmt"
	"testing"

	"iotupd/proto"
	"iotupd/proto/keys"
	"iotupd/proto/seal"
	"iotupd/receiver"
)

// A pond is a Store that is as large as it has to be, and shallow.
type pond struct{}

func (pond) ReadAt(b []byte, _ int64) (int, error)  { return len(b), nil }
func (pond) WriteAt(b []byte, _ int64) (int, error) { return len(b), nil }
func (pond) Reserve(int64) error                    { return nil }
func (pond) Sync() error                            { return nil }
func (pond) Discard() error                         { return nil }
func (pond) Found() int64                           { return 0 }

// A flood is datagrams for a receiver whose store costs nothing.
type flood struct {
	t         testing.TB
	src       *source
	datagrams [][]byte
	r         *receiver.Receiver
	next      int
}

// newFlood makes the datagrams of shards first to last of a source, all groups
// in turn, in an order that fills no group.
func newFlood(t testing.TB, src *source, first, last int) *flood {
	t.Helper()
	fl := &flood{t: t, src: src}
	for i := first; i <= last; i++ {
		for g := range uint32(src.geo.Groups) {
			fl.datagrams = append(fl.datagrams, src.shard(g, i))
		}
	}
	fl.restart()
	return fl
}

// begin lets a new receiver wait for the flood.
func (fl *flood) begin() {
	fl.t.Helper()
	var err error
	fl.next = 0
	fl.r, err = receiver.New(receiver.Config{Open: func(proto.ObjectID, proto.Params) (receiver.Store, error) { return pond{}, nil }})
	if err == nil {
		err = fl.r.Handle(epoch, receiver.Origin{}, fl.src.manifest())
		openStore(fl.r, epoch)
	}
	if err != nil {
		fl.t.Fatal(err)
	}
}

// restart is begin of a receiver that knows all leaves, if there are any.
func (fl *flood) restart() {
	fl.t.Helper()
	fl.begin()
	tree := fl.src.tree
	for n := range tree.Groups * uint64(tree.Records) {
		if err := fl.r.Handle(epoch, receiver.Origin{}, fl.src.digest(uint32(n%tree.Groups), int(n/tree.Groups))); err != nil {
			fl.t.Fatal(err)
		}
	}
}

// handle lets the receiver handle the next datagram.
func (fl *flood) handle(want error) {
	if err := fl.r.Handle(epoch, receiver.Origin{}, fl.datagrams[fl.next]); err != want {
		fl.t.Fatalf("datagram %d: %v, want %v", fl.next, err, want)
	}
	fl.next++
	fl.storeIfBusy()
}

// storeIfBusy does the jobs that are there if the receiver takes nothing before.
func (fl *flood) storeIfBusy() {
	if !fl.r.Busy() {
		return
	}
	for j := fl.r.NextJob(); j != nil; j = fl.r.NextJob() {
		j.Run()
		fl.r.Finish(epoch, j)
	}
}

func TestHandleAllocatesNothing(t *testing.T) {
	// "Hot paths are pinned": once the buffers are there, and except for the list
	// of parked parity, which grows by doubling.
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	p := proto.Params{Code: proto.CodeLeopard8, K: 100, M: 100, ShardSize: 1152}
	const groups, n = 32, 1500
	tests := []struct {
		name        string
		first, last int
		want        error
	}{
		{"data", 0, 98, nil},
		{"parity", 100, 198, nil},
		{"data moves parity", 0, 48, nil},
		{"duplicate", 0, 98, receiver.ReasonDuplicate},
	}
	eachKind(t, func(t *testing.T, newSource maker) {
		src := newSource(t, "", groups*p.K*p.ShardSize, p)
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				fl := newFlood(t, src, test.first, test.last)
				if test.name == "data moves parity" {
					for i := 100; i < 150; i++ { // half of every group
						for g := range uint32(groups) {
							fl.r.Handle(epoch, receiver.Origin{}, src.shard(g, i))
							fl.storeIfBusy()
						}
					}
				}
				for range 64 {
					fl.handle(nil)
				}
				if test.want != nil {
					for range n {
						fl.handle(nil)
					}
					fl.next = 0
				}
				if got := testing.AllocsPerRun(n, func() { fl.handle(test.want) }); got > 0 {
					t.Errorf("%v allocations for a datagram, want 0", got)
				}
			})
		}
	})
}

func TestHandleOfDigestsAllocatesLittle(t *testing.T) {
	// One allocation is in the hash of the object id, of one packet in some thirty.
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	src := newTree(t, "", 3000*1152, proto.Params{Code: proto.CodeLeopard8, K: 20, M: 128, ShardSize: 1152})
	fl := newFlood(t, src, 0, 0)
	var digests [][]byte
	for i := range src.tree.Parity {
		for g := range uint32(src.tree.Groups) {
			digests = append(digests, src.digest(g, src.tree.Records+i))
		}
	}
	forged := forge(t, digests[0], func(_ *proto.Header, payload []byte) { payload[100] ^= 1 })
	shard := src.forgery(0, 3)
	for _, test := range []struct {
		name      string
		datagrams [][]byte
		want      error
		most      float64
	}{
		{"a forged shard", [][]byte{shard}, receiver.ReasonForged, 0},
		{"a forged digest", [][]byte{forged}, proto.ReasonDigest, 1},
		{"digests", digests, nil, 1},
	} {
		if test.want != receiver.ReasonForged {
			fl.begin()
		}
		n := 0
		got := testing.AllocsPerRun(400, func() {
			if err := fl.r.Handle(epoch, receiver.Origin{}, test.datagrams[n%len(test.datagrams)]); err != test.want {
				t.Fatalf("%s, datagram %d: %v", test.name, n, err)
			}
			n++
		})
		if got > test.most {
			t.Errorf("%s: %v allocations, want %v", test.name, got, test.most)
		}
	}
}

func TestIgnoringAllocatesNothing(t *testing.T) {
	// "A Reason ... is an error that costs nothing to return". Manifests alone
	// are looked into.
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	p := smallest(proto.CodeLeopard8, 8, 8)
	src, other := newSource(t, "a", 5*8*256-700, p), newSource(t, "b", 5*8*256-300, p)
	tr := src.receive(receiver.Config{})
	tr.hearAll(src.manifest(), src.shard(1, 2))
	for _, bad := range intruders(t, src, other) {
		if bad.name == "manifest of another object" {
			continue
		}
		got := testing.AllocsPerRun(100, func() { tr.r.Handle(epoch, receiver.Origin{}, bad.datagram) })
		if got > 0 {
			t.Errorf("%s: %v allocations to ignore it, want 0", bad.name, got)
		}
	}
}

func BenchmarkHandle(b *testing.B) {
	kinds := map[string]maker{"plain": newSource, "leaves": newTree}
	for _, bench := range []struct {
		name        string
		first, last func(p proto.Params) int
		want        error
	}{
		{"data", func(proto.Params) int { return 0 }, func(p proto.Params) int { return p.K - 2 }, nil},
		{"parity", func(p proto.Params) int { return p.K }, func(p proto.Params) int { return 2*p.K - 2 }, nil},
		{"duplicate", func(proto.Params) int { return 0 }, func(p proto.Params) int { return p.K - 2 }, receiver.ReasonDuplicate},
	} {
		for _, p := range []proto.Params{
			{Code: proto.CodeLeopard8, K: 128, M: 128, ShardSize: 1152},
			{Code: proto.CodeLeopard16, K: 4096, M: 4096, ShardSize: 1152},
		} {
			for _, kind := range []string{"plain", "leaves"} {
				b.Run(fmt.Sprintf("%s/%s/k=%d/m=%d/shard=%d", bench.name, kind, p.K, p.M, p.ShardSize), func(b *testing.B) {
					fl := newFlood(b, kinds[kind](b, "", 8192*p.ShardSize, p), bench.first(p), bench.last(p))
					if bench.want != nil {
						for range fl.datagrams {
							fl.handle(nil)
						}
						fl.next = 0
					}
					b.SetBytes(int64(len(fl.datagrams[0])))
					b.ReportAllocs()
					for b.Loop() {
						fl.handle(bench.want)
						if fl.next < len(fl.datagrams) {
							continue
						}
						fl.next = 0
						if bench.want == nil {
							b.StopTimer()
							fl.restart()
							b.StartTimer()
						}
					}
				})
			}
		}
	}
}

func BenchmarkHandleForgeries(b *testing.B) {
	// What a packet costs that is ignored only after a look into its payload.
	p := proto.Params{Code: proto.CodeLeopard16, K: 4096, M: 4096, ShardSize: 1152}
	src := newTree(b, "", 8192*p.ShardSize, p)
	key, foreign := keys.Generate(), keys.Generate()
	foreign.ID = key.ID
	damage := func(datagram []byte) []byte { return raw(datagram, func(b []byte) { b[len(b)-70] ^= 1 }) }
	sealed := receiver.Config{GroupKeys: []*seal.GroupKey{newKey}}
	for _, bench := range []struct {
		name     string
		cfg      receiver.Config
		datagram []byte
		want     error
	}{
		{"shard", receiver.Config{}, src.forgery(0, 3), receiver.ReasonForged},
		{"digest", receiver.Config{}, damage(src.digest(1, 200)), proto.ReasonDigest},
		{"signature", receiver.Config{Trust: trusting(key), SignatureRate: 1 << 30}, src.signed(foreign, sequence(1)), receiver.ReasonSignature},
		{"sealed shard", sealed, damage(src.seal(newKey, src.shard(0, 3))), seal.ReasonSeal},
		{"sealed manifest", sealed, damage(src.seal(newKey, src.manifest())), seal.ReasonSeal},
	} {
		b.Run(bench.name, func(b *testing.B) {
			tr := src.receive(bench.cfg)
			if len(bench.cfg.GroupKeys) > 0 {
				tr.hear(src.seal(newKey, src.shard(0, 0)), 0)
			} else {
				tr.hear(src.digest(0, 0), 0)
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := tr.r.Handle(epoch, receiver.Origin{}, bench.datagram); err != bench.want {
					b.Fatal(err)
				}
			}
		})
	}
}
