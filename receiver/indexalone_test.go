// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"testing"
	"time"

	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/sender"
)

func TestAnIndexIsCompleteWithTheSamePacketsAsAReceiver(t *testing.T) {
	// "a simulation needs no more to find out when a receiver is done"
	for _, size := range []int{0, 1, 700_001} {
		src := newSource(t, "file", size, auto(t, size))
		for _, loss := range []uint64{0, 10, 40} {
			with := src.receive(receiver.Config{})
			lost := percent(loss, 3)
			index, err := receiver.NewIndex(src.geo)
			if err != nil {
				t.Fatal(err)
			}
			s := src.sender(sender.Config{Start: 1234})
			heard, certified := 0, false
			for !with.r.Done() {
				b := with.next(s)
				if lost() {
					continue
				}
				answer := with.hear(b, 0)
				h, _, err := proto.Parse(b)
				if err != nil {
					t.Fatal(err)
				}
				switch h.Type {
				case proto.TypeManifest:
					certified = true
				default:
					heard++
					if got := index.Add(h.Group, h.Index); got != answer {
						t.Fatalf("size %d, loss %d %%: shard %d of group %d: %v, the receiver says %v", size, loss, h.Index, h.Group, got, answer)
					}
				}
				if done := certified && index.Complete(); done != with.r.Done() {
					t.Fatalf("size %d, loss %d %%: done %v after %d shards, the receiver says %v", size, loss, done, heard, with.r.Done())
				}
			}
			with.wantFile()
		}
	}
}

func TestAnIndexIsBounded(t *testing.T) {
	// "index | 160 MiB" spec.md 7.5
	geo, err := proto.Params{Code: proto.CodeLeopard8, K: 1, M: 1, ShardSize: proto.MinShardSize, Size: 1 << 31}.Geometry()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := receiver.NewIndex(geo); err != receiver.ReasonTooLarge {
		t.Errorf("an index of %d groups: %v", geo.Groups, err)
	}
}

func BenchmarkIndex(b *testing.B) {
	p := proto.Params{Code: proto.CodeLeopard16, K: 7282, M: 8192, ShardSize: 1152, Size: 64 << 20}
	o := &sender.Object{Manifest: proto.Manifest{Descriptor: proto.Descriptor{Params: p}}}
	geo, err := p.Geometry()
	if err != nil {
		b.Fatal(err)
	}
	var x *receiver.Index
	var s *sender.Sender
	start := func() {
		if x, err = receiver.NewIndex(geo); err == nil {
			s, err = sender.New(sender.Config{Rate: -1}, o)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	now := time.Time{}.Add(time.Hour)
	start()
	for b.Loop() {
		if h, _ := s.Next(now); h.Type == proto.TypeData || h.Type == proto.TypeParity {
			x.Add(h.Group, h.Index)
		}
		if x.Complete() {
			b.StopTimer()
			start()
			b.StartTimer()
		}
	}
}
