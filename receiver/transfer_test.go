// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/sender"
)

// randomSource makes small objects of any code, with virtual shards, a short
// last shard, one group or several. GF(2^16) is rare: it takes a millisecond
// for a group of any size.
func randomSource(t testing.TB, rnd *rand.Rand) *source {
	for {
		p := smallest(proto.CodeLeopard8, 1+rnd.IntN(10), rnd.IntN(12))
		switch rnd.IntN(10) {
		case 0:
			p.Code, p.M = proto.CodeNone, 0
		case 1:
			p.Code = proto.CodeLeopard16
		}
		size := 1 + rnd.IntN(1+4*p.K*p.ShardSize)
		if p.Size = uint64(size); p.Validate() == nil {
			return newSource(t, "", size, p)
		}
	}
}

func TestEveryFileSizeArrivesUnderLoss(t *testing.T) {
	eachKind(t, func(t *testing.T, newSource maker) {
		for _, size := range []int{0, 1, 511, 512, 513, 5120, 65536, 65537, 200_000, 1_000_000, 4_200_000} {
			src := newSource(t, "", size, auto(t, size))
			for _, p := range []uint64{0, 10, 40} {
				if size > 1_000_000 && p != 10 {
					continue // long
				}
				tr := src.receive(receiver.Config{})
				tr.run(percent(p, 1), src.sender(sender.Config{Start: 3000}))
				tr.wantFile()
			}
		}
	})
}

func TestAnyKShardsOfAGroupAreEnough(t *testing.T) {
	// "Any K of the K+M shards of a group, virtual ones included, determine the
	// others." spec.md 3.5. In any order, and whenever the manifest comes:
	// "Nothing waits for a whole loop, for an order, or for the manifest."
	// spec.md 7.3
	rnd := newRand(t)
	for range 200 {
		src := randomSource(t, rnd)
		var needed [][2]int // K shards of every group
		for g := range uint32(src.geo.Groups) {
			all := rnd.Perm(src.geo.K + src.geo.M)
			n := src.geo.RealShards(g)
			for _, i := range all {
				if n > 0 && (i >= src.geo.K || !src.geo.Virtual(g, i)) {
					needed = append(needed, [2]int{int(g), i})
					n--
				}
			}
		}
		rnd.Shuffle(len(needed), func(i, j int) { needed[i], needed[j] = needed[j], needed[i] })
		tr := src.receive(receiver.Config{Workers: 1 + rnd.IntN(3), Memory: 1 + rnd.IntN(1<<16)})
		manifestAt := rnd.IntN(len(needed) + 1)
		for i, shard := range needed {
			if i == manifestAt {
				tr.hearAll(src.manifest())
			}
			if count[receiver.Collected](tr) > 0 {
				t.Fatalf("%+v: collected after %d of %d shards", src.geo.Params, i, len(needed))
			}
			tr.hearAll(src.shard(uint32(shard[0]), shard[1]))
		}
		if manifestAt == len(needed) {
			if tr.r.Done() {
				t.Fatal("done without a manifest")
			}
			tr.hearAll(src.manifest())
		}
		if got := count[receiver.Collected](tr); got != 1 {
			t.Fatalf("%+v: collected %d times after K shards of every group, want once", src.geo.Params, got)
		}
		tr.wantFile()
	}
}

func TestShardsArriveInAnyOrder(t *testing.T) {
	// "every packet that it has not received yet is useful to it": all shards in
	// any order, some of them twice.
	rnd := newRand(t)
	for range 200 {
		src := randomSource(t, rnd)
		tr := src.receive(receiver.Config{})
		tr.hearAll(src.manifest())
		all := src.real()
		rnd.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		heard := 0
		for _, shard := range all {
			for range 1 + rnd.IntN(2) {
				if !tr.r.Done() {
					tr.hear(src.shard(uint32(shard[0]), shard[1]), 0)
					heard++
				}
			}
		}
		tr.wantFile()
		useful := int(src.geo.DataShards)
		if got := heard - tr.ignored[receiver.ReasonDuplicate] - tr.ignored[receiver.ReasonNotNeeded]; got != useful {
			t.Fatalf("%+v: %d shards were useful, want %d", src.geo.Params, got, useful)
		}
		if len(tr.ignored) > 2 {
			t.Fatalf("%+v: ignored %v", src.geo.Params, tr.ignored)
		}
		p := tr.r.Progress()
		if p.Held != p.Needed || p.Decoded != p.Groups || p.Data+p.Parity != uint64(heard) {
			t.Fatalf("%+v: progress %+v after %d shards", src.geo.Params, p, heard)
		}
	}
}

func TestLossIsMeasuredUntilEverythingIsThere(t *testing.T) {
	// "Loss on the network until now, or until everything was collected."
	src := newSource(t, "", 12*256, smallest(proto.CodeLeopard8, 12, 12))
	tr := src.receive(receiver.Config{})
	s := src.sender(sender.Config{})
	tr.idle = true // it goes on
	tr.hear(tr.next(s), 0)
	for count[receiver.Collected](tr) == 0 {
		tr.hear(tr.next(s), 0)
		tr.next(s) // lost
	}
	want := receiver.Loss{Spanned: 24, Lost: 11}
	if got := tr.r.Progress().Loss; got != want {
		t.Errorf("loss %+v, want %+v", got, want)
	}
	for range 30 {
		tr.next(s)
	}
	if err := tr.hear(tr.next(s), 0); err != receiver.ReasonDuplicate && err != receiver.ReasonNotNeeded {
		t.Errorf("a shard more than enough: %v", err)
	}
	if got := tr.r.Progress().Loss; got != want {
		t.Errorf("loss %+v after more was lost that was not needed, want %+v", got, want)
	}
}

func TestHandleKeepsNothingOfItsArgument(t *testing.T) {
	// "Handle takes a datagram that arrived at now. It does not keep it."
	src := newSource(t, "name", 3000, smallest(proto.CodeLeopard8, 12, 12))
	src.object.Manifest.Metadata = []byte("metadata")
	tr := src.receive(receiver.Config{})
	s := src.sender(sender.Config{Start: 4000})
	for !tr.r.Done() {
		b := tr.next(s)
		tr.r.Handle(tr.now, receiver.Origin{}, b)
		clear(b)
		tr.work()
	}
	tr.wantFile()
	if m := tr.r.Manifest(); m.Name != "name" || string(m.Metadata) != "metadata" {
		t.Errorf("the manifest is now %+v", m)
	}
}

func TestALosslessReceiverFromTheStartHearsTheFileOnce(t *testing.T) {
	// "A receiver that loses nothing has the file after Nd packets" spec.md 6.1,
	// and with "K data shards: nothing to decode" spec.md 7.3
	eachKind(t, func(t *testing.T, newSource maker) {
		for _, size := range []int{1, 700, 25_000, 99_999} {
			src := newSource(t, "", size, small(proto.CodeLeopard8, 9, 9))
			tr := src.receive(receiver.Config{})
			tr.run(nothing, src.sender(sender.Config{}))
			tr.wantFile()
			p := tr.r.Progress()
			if p.Data != src.geo.DataShards || p.Parity != 0 || p.Rebuilt != 0 || count[receiver.GroupDecoded](tr) != 0 {
				t.Errorf("%d bytes: heard %d data and %d parity shards, rebuilt %d, want the %d data shards alone",
					size, p.Data, p.Parity, p.Rebuilt, src.geo.DataShards)
			}
			if delete(tr.ignored, receiver.ReasonNotNeeded); len(tr.ignored) > 0 { // but records of complete groups
				t.Errorf("%d bytes: ignored %v, want nothing", size, tr.ignored)
			}
		}
	})
}

func TestALateLosslessReceiverHearsLittleMore(t *testing.T) {
	// "... after Nd packets, plus at most G-1 if it joins late" spec.md 6.1
	eachKind(t, func(t *testing.T, newSource maker) {
		for _, test := range []struct{ k, m, shards int }{{6, 6, 30}, {6, 4, 30}, {6, 2, 30}, {6, 9, 30}, {5, 5, 23}, {4, 4, 4}} {
			p := small(proto.CodeLeopard8, test.k, test.m)
			src := newSource(t, "", test.shards*p.ShardSize-7, p)
			sent := int(src.geo.DataShards) + int(src.geo.Groups)*p.M
			most := uint64(0)
			for join := range sent {
				tr := src.receive(receiver.Config{})
				tr.hearAll(src.manifest())
				s := src.sender(sender.Config{Rate: -1})
				for range join {
					tr.next(s)
				}
				tr.run(nothing, s)
				tr.wantFile()
				got := tr.r.Progress()
				most = max(most, got.Data+got.Parity)
			}
			// Where the parity rows serve it, a group with virtual shards is full
			// before the others and is sent what it does not need.
			virtual := src.geo.Groups*uint64(p.K) - src.geo.DataShards
			if limit := src.geo.DataShards + virtual + src.geo.Groups - 1; most > limit {
				t.Errorf("%+v: joined late, a receiver heard %d shards, want at most %d", test, most, limit)
			}
		}
	})
}

func TestSendersShareTheWork(t *testing.T) {
	// "To avoid duplicates, D coordinated senders, at most 16, share out the
	// starting points" spec.md 6.2: together they send hardly more than one does.
	eachKind(t, func(t *testing.T, newSource maker) {
		p := small(proto.CodeLeopard8, 60, 60)
		src := newSource(t, "", 12*60*p.ShardSize-100, p)
		for _, loss := range []uint64{0, 5, 20} {
			alone := 0
			for senders := 1; senders <= 3; senders++ {
				t.Run(fmt.Sprintf("loss=%d/senders=%d", loss, senders), func(t *testing.T) {
					sent := 0
					const receivers = 10
					for seed := range uint64(receivers) {
						var carousels []*sender.Sender
						for i := 1; i <= senders; i++ {
							carousels = append(carousels, src.sender(sender.Config{Sender: i, Senders: senders}))
						}
						tr := src.receive(receiver.Config{})
						sent += tr.run(percent(loss, seed), carousels...)
						tr.wantFile()
						if got := tr.ignored[receiver.ReasonDuplicate]; got > 0 && loss == 0 {
							t.Errorf("%d duplicates of coordinated senders", got)
						}
					}
					if senders == 1 {
						alone = sent
					}
					if most := alone*103/100 + receivers*senders; sent > most {
						t.Errorf("%d senders sent %d shards together, one alone %d, want at most %d", senders, sent, alone, most)
					}
				})
			}
		}
	})
}

func TestUncoordinatedSendersWorkTogether(t *testing.T) {
	// "Any number of senders may send an object at the same time without knowing
	// of each other." spec.md 6.2. Here at any positions, two of them in step.
	eachKind(t, func(t *testing.T, newSource maker) {
		src := newSource(t, "", 50_000, small(proto.CodeLeopard8, 20, 20))
		tr := src.receive(receiver.Config{})
		tr.run(percent(10, 3), src.sender(sender.Config{}), src.sender(sender.Config{Start: 1}), src.sender(sender.Config{Start: 7000}), src.sender(sender.Config{Start: 7000}))
		tr.wantFile()
		if tr.ignored[receiver.ReasonDuplicate] == 0 {
			t.Error("no duplicates of two senders in step")
		}
	})
}

func TestPeriodicLossDoesNotStarveAGroup(t *testing.T) {
	// "If every row started at group 0, a loss with a period that shares a factor
	// with G would hit the same groups in every row, and its receiver would never
	// finish." spec.md 6.1
	eachKind(t, func(t *testing.T, newSource maker) {
		for _, groups := range []int{4, 5, 10, 20} {
			p := small(proto.CodeLeopard8, 32, 32)
			src := newSource(t, "", groups*p.K*p.ShardSize, p)
			for _, period := range []int{groups, 2 * groups, 20} {
				tr := src.receive(receiver.Config{})
				tr.hearAll(src.manifest())
				s := src.sender(sender.Config{})
				lost := periodic(period)
				for n := 0; !tr.r.Done(); {
					b := tr.next(s)
					h, _, err := proto.Parse(b)
					if err != nil || h.Type == proto.TypeManifest {
						continue // of the others alone: manifests would break the rhythm
					}
					if h.Type != proto.TypeDigest {
						n++
					}
					if !lost() {
						tr.hear(b, 0)
					}
					if least := int(src.geo.DataShards) * period / (period - 1); n > least*5/4 {
						t.Fatalf("%d groups, one of %d packets lost: not done after %d shards, the least is %d", groups, period, n, least)
					}
				}
				tr.wantFile()
			}
		}
	})
}

func TestFewPacketsAreUseless(t *testing.T) {
	// "one that loses a share p needs little more than Nd/(1-p)" spec.md 6.1:
	// DATA and PARITY packets sent between a receiver's join and its completion.
	eachKind(t, func(t *testing.T, newSource maker) {
		p := small(proto.CodeLeopard16, 1000, 1000)
		src := newSource(t, "", 4*p.K*p.ShardSize, p)
		const receivers = 3
		for _, loss := range []uint64{0, 10, 30} {
			total := 0.0
			for i := range uint64(receivers) {
				tr := src.receive(receiver.Config{Workers: 1})
				s := src.sender(sender.Config{Rate: -1, Start: int(i) * 2345})
				lost := percent(loss, i)
				sent := 0
				for count[receiver.Collected](tr) == 0 {
					b := tr.next(s)
					if _, _, ok := hasShard(t, b); ok {
						sent++
					}
					if !lost() {
						tr.hear(b, 0)
					}
				}
				tr.wantFile()
				total += float64(sent) * (1 - float64(loss)/100) / float64(src.geo.DataShards)
			}
			mean := total / receivers
			t.Logf("loss %d %%: inefficiency %.4f", loss, mean)
			if mean > 1.05 {
				t.Errorf("loss %d %%: %.4f times the least number of packets were sent, want at most 1.05", loss, mean)
			}
		}
	})
}
