// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"bytes"
	"encoding/binary"
	"iter"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"iotupd/fec"
	"iotupd/proto"
	"iotupd/proto/keys"
	"iotupd/receiver"
	"iotupd/sender"
)

func TestForgedPacketsAreNotDecoded(t *testing.T) {
	// "no object has a table, an index, a decoder or a file before it is chosen"
	// spec.md 7.5: not even the one that was asked for, whose id is not a secret.
	src := newTree(t, "fw", 20*512, small(proto.CodeLeopard8, 10, 10))
	key := keys.Generate()
	params := small(proto.CodeLeopard16, 2, 2)
	params.Size = 2 * uint64(params.ShardSize)
	for name, cfg := range map[string]receiver.Config{"any": {}, "trust": {Trust: trusting(key)}, "object": {Object: src.id}} {
		t.Run(name, func(t *testing.T) {
			tr := src.receive(cfg)
			tr.idle = true
			for i := range 2 {
				tr.hearAll(forge(t, src.shard(0, 10), func(h *proto.Header, _ []byte) { h.Params, h.Index = params, 2+i }))
			}
			if tr.job() != nil || len(tr.stores) > 0 || len(tr.events) > 0 {
				t.Errorf("a job, or %d stores, events %+v; want nothing", len(tr.stores), tr.events)
			}
			tr.idle = false
			tr.hearAll(src.signed(key, sequence(1)))
			tr.run(percent(10, 1), src.sender(sender.Config{}))
			tr.wantFile()
		})
	}
}

// Something hostile is what an attacker sends to a receiver that waits for a release of key.
type hostile struct {
	name    string
	packets func(t testing.TB, key keys.SecretKey) iter.Seq[[]byte]

	bytes int64 // garbage that one packet may leave in the mean: manifests are copied
}

var floods = []hostile{
	{"1000 invented objects", inventedObjects, 0},
	{"100000 mutated packets", mutatedPackets, 200},
	{"a replayed recording", replayedRecording, 200},
	{"20000 shards of the largest object", largestObject, 0},
}

// inventedObjects has 20 packets of each of a thousand objects, in turn.
func inventedObjects(t testing.TB, _ keys.SecretKey) iter.Seq[[]byte] {
	src := newTree(t, "", 40*1152, proto.Params{Code: proto.CodeLeopard8, K: 40, M: 20, ShardSize: 1152})
	return func(yield func([]byte) bool) {
		for i := range 20 {
			b := src.shard(0, 3*i)
			for n := range uint64(1000) {
				binary.BigEndian.PutUint64(b[8:], n)
				proto.PutChecksum(b)
				if !yield(b) {
					return
				}
			}
		}
	}
}

// mutatedPackets has packets of all types in which bytes were changed.
func mutatedPackets(t testing.TB, key keys.SecretKey) iter.Seq[[]byte] {
	src := newTree(t, "fw", 64*512, small(proto.CodeLeopard8, 8, 8))
	all := [][]byte{src.manifest(), src.signed(key, sequence(1)), src.outline(0)}
	for i := range 16 {
		all = append(all, src.shard(uint32(i%8), i), src.digest(uint32(i%8), 0))
	}
	rnd := rand.New(rand.NewPCG(1, 1))
	return func(yield func([]byte) bool) {
		for range 100_000 {
			b := raw(all[rnd.IntN(len(all))], func(b []byte) {
				for range 1 + rnd.IntN(3) {
					// Not in the path word, of which every value is valid.
					at := (proto.HeaderLen + rnd.IntN(len(b)-8)) % len(b)
					b[at] ^= 1 << rnd.IntN(8)
				}
			})
			if !yield(b) {
				return
			}
		}
	}
}

// replayedRecording is a loop of a signed release that is older than what was
// installed, three times, from between two manifests on.
func replayedRecording(t testing.TB, key keys.SecretKey) iter.Seq[[]byte] {
	src := newTree(t, "fw", 3000*1152, proto.Params{Code: proto.CodeLeopard8, K: 150, M: 50, ShardSize: 1152})
	old := src.signed(key, sequence(0))
	tr := src.receive(receiver.Config{})
	s := src.sender(sender.Config{Start: 5000})
	tr.next(s) // a manifest
	var recorded [][]byte
	for len(recorded) < 4000 {
		b := tr.next(s)
		if b[3] == byte(proto.TypeManifest) {
			b = old
		}
		recorded = append(recorded, b)
	}
	return func(yield func([]byte) bool) {
		for range 3 {
			for _, b := range recorded {
				if !yield(b) {
					return
				}
			}
		}
	}
}

// largestObject has shards all over an object of the largest size.
func largestObject(t testing.TB, _ keys.SecretKey) iter.Seq[[]byte] {
	p, err := fec.Policy{ShardSize: proto.DefaultShardSize}.Params(receiver.DefaultMaxSize)
	if err != nil {
		t.Fatal(err)
	}
	geo, err := p.Geometry()
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	payload := make([]byte, p.ShardSize)
	return func(yield func([]byte) bool) {
		b := make([]byte, 0, proto.MaxDatagramLen)
		for range 20_000 {
			h := proto.Header{Type: proto.TypeData, Object: proto.ObjectID{1}, Params: p, Path: proto.Path{Layers: 1, Sender: 1, Senders: 1}}
			h.Group, h.Index = uint32(rnd.Uint64N(geo.Groups-1)), rnd.IntN(p.K)
			h.Offset = geo.Offset(h.Group, h.Index)
			binary.BigEndian.PutUint64(payload, rnd.Uint64())
			b = append(h.AppendTo(b[:0]), payload...)
			proto.PutChecksum(b)
			if !yield(b) {
				return
			}
		}
	}
}

// waitingPolicy is the policy of a receiver that has release 1 of key.
func waitingPolicy(key keys.SecretKey) *receiver.Policy {
	policy := trusting(key)
	policy.Installed = map[receiver.Series]receiver.Release{{Key: key.ID}: {Sequence: 1}}
	return policy
}

// waitingFor returns a receiver that waits for a release of key, newer than the
// first, and what it opens and observes.
func waitingFor(t testing.TB, key keys.SecretKey) (r *receiver.Receiver, opened, observed *int) {
	t.Helper()
	opened, observed = new(int), new(int)
	r, err := receiver.New(receiver.Config{
		Trust:   waitingPolicy(key),
		Open:    func(proto.ObjectID, proto.Params) (receiver.Store, error) { *opened++; return pond{}, nil },
		Observe: func(time.Time, receiver.Event) { *observed++ },
	})
	if err != nil {
		t.Fatal(err)
	}
	return r, opened, observed
}

// A bill is what it costs to take packets, live memory in bytes and allocations.
type bill struct{ live, allocated, allocations int64 }

// costs returns the bill of f.
func costs(f func()) (b bill) {
	var before, after runtime.MemStats
	b.live = heapGrowth(func() {
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
	})
	b.allocated, b.allocations = int64(after.TotalAlloc-before.TotalAlloc), int64(after.Mallocs-before.Mallocs)
	return b
}

func TestWhatIsNotVerifiedTakesOneMebibyte(t *testing.T) {
	// "all objects before one is chosen | 1 MiB, together" spec.md 7.5, whatever is
	// sent, and how much of it.
	if raceDetector {
		t.Skip("the race detector allocates, too")
	}
	const beside = 64 << 10 // objects that are remembered
	for _, f := range floods {
		t.Run(f.name, func(t *testing.T) {
			key := keys.Generate()
			packets := f.packets(t, key)
			r, opened, observed := waitingFor(t, key)
			n, kept := int64(0), 0
			alone := costs(func() {
				for range packets {
					n++
				}
			})
			now := epoch
			all := costs(func() {
				for b := range packets {
					now = now.Add(time.Millisecond)
					if r.Handle(now, receiver.Origin{}, b) == nil {
						kept++
					}
					if r.NextJob() != nil {
						t.Fatal("there is a job")
					}
				}
			})
			allocated, allocations := all.allocated-alone.allocated, all.allocations-alone.allocations
			t.Logf("%d packets, %d of them kept for a while: %d bytes live, %d allocated %d times", n, kept, all.live, allocated, allocations)
			if all.live > 1<<20+beside || allocated > 1<<20+beside+n*f.bytes || allocations > 1000+n*f.bytes/100 {
				t.Errorf("%d bytes live, %d allocated %d times; want 1 MiB, and %d a packet", all.live, allocated, allocations, f.bytes)
			}
			if *opened > 0 || *observed > 128 || kept == 0 {
				t.Errorf("%d stores, %d events, %d packets kept", *opened, *observed, kept)
			}
			runtime.KeepAlive(r)
			runtime.KeepAlive(packets)
		})
	}
}

func TestAFloodDisplacesOnlyEarlierPackets(t *testing.T) {
	// "Packets of any source displace older ones, and nothing else" spec.md 7.2
	for _, f := range floods {
		t.Run(f.name, func(t *testing.T) {
			key := keys.Generate()
			src := newTree(t, "next", 300*1152, proto.Params{Code: proto.CodeLeopard8, K: 150, M: 50, ShardSize: 1152})
			tr := src.receive(receiver.Config{Trust: waitingPolicy(key)})
			for b := range f.packets(t, key) {
				tr.r.Handle(tr.now, receiver.Origin{}, b)
			}
			tr.later(time.Second) // signatures are verified again
			for i := range 120 {
				tr.hearAll(src.shard(0, i), src.shard(1, i+30))
			}
			tr.hearAll(src.signed(key, sequence(2)))
			tr.wantCertified(src)
			tr.wantHeld(240)
			tr.run(percent(10, 1), src.sender(sender.Config{}))
			tr.wantFile()
		})
	}
}

func BenchmarkUnverified(b *testing.B) {
	// Packets before an object is chosen, and their cost.
	for _, f := range floods {
		b.Run(strings.ReplaceAll(f.name, " ", "-"), func(b *testing.B) {
			key := keys.Generate()
			var packets [][]byte
			size := 0
			for datagram := range f.packets(b, key) {
				packets = append(packets, bytes.Clone(datagram))
				size += len(datagram)
			}
			r, _, _ := waitingFor(b, key)
			now := epoch
			b.SetBytes(int64(size / len(packets)))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				now = now.Add(time.Millisecond)
				r.Handle(now, receiver.Origin{}, packets[i%len(packets)])
			}
		})
	}
}

func TestNothingIsLostBeforeTheManifest(t *testing.T) {
	// "Packets that came before the manifest are used as if they came after it"
	// spec.md 7.2: who hears the manifest last needs no packet more than who heard it
	// first, wherever they join.
	p, err := fec.Policy{ShardSize: proto.DefaultShardSize}.Params(200 << 10)
	if err != nil {
		t.Fatal(err)
	}
	src := newTree(t, "", 200<<10, p)
	rnd := newRand(t)
	waited := uint64(0)
	for n := range 400 {
		if n >= 40 && waited >= 40*20 {
			break // it depends on where they join
		}
		first, last := src.receive(receiver.Config{}), src.receive(receiver.Config{})
		first.hearAll(src.manifest())
		s, lost := src.sender(sender.Config{Start: rnd.IntN(10000)}), percent(30, rnd.Uint64())
		for !last.r.Done() {
			b := first.next(s)
			last.now = first.now
			if lost() {
				continue
			}
			last.hear(b, 0)
			if !first.r.Done() {
				first.hear(b, 0)
			}
			if got := last.r.Progress().Held; last.r.Manifest() != nil && got != first.r.Progress().Held {
				t.Fatalf("%d shards are held, and %d by who heard the manifest first", got, first.r.Progress().Held)
			}
		}
		last.wantFile()
		waited += last.r.Progress().Waiting
	}
	if waited < 40*20 {
		t.Errorf("%d packets have waited: too few for this", waited)
	}
}

func TestWhatWaitsIsTakenAfterTheDisk(t *testing.T) {
	// "While the object is compared with what is on disk ... they wait on" spec.md 7.4
	src := newTree(t, "", 60*512, small(proto.CodeLeopard8, 10, 10))
	before := src.receive(receiver.Config{})
	before.hearAll(src.manifest())
	for g := range uint32(6) {
		before.hearAll(src.digest(g, 0), src.shard(g, 0), src.shard(g, 1), src.shard(g, 2))
	}
	before.later(time.Second)
	for _, beside := range []bool{false, true} {
		tr := src.resume(before.killed(), receiver.Config{})
		if beside {
			tr.beside = newRand(t)
		}
		for g := range uint32(6) {
			for i := 3; i < 10; i++ {
				tr.hearAll(src.shard(g, i))
			}
		}
		tr.hearAll(src.manifest())
		for !tr.r.Done() {
			tr.work()
		}
		tr.wantFile()
		if p := tr.r.Progress(); p.Resumed != 18 || p.Data != 42 {
			t.Errorf("%d shards resumed, %d received, want 18 and 42", p.Resumed, p.Data)
		}
	}
}
