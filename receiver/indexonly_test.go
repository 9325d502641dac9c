// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"testing"
	"time"

	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/sender"
)

func TestAnIndexAloneTakesTheSamePacketsAsAReceiver(t *testing.T) {
	// "IndexOnly keeps account of shards and throws their bytes away."
	const size = 700_001
	src := newSource(t, "file", size, auto(t, size))
	for _, loss := range []uint64{0, 10, 40} {
		with := src.receive(receiver.Config{})
		lost := percent(loss, 3)
		var indexDone, bytesDone int

		index, err := receiver.New(receiver.Config{IndexOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		s, headers := src.sender(sender.Config{Start: 1234}), src.sender(sender.Config{Start: 1234})
		now := epoch
		for n := 1; indexDone == 0 || bytesDone == 0; n++ {
			b := with.next(s)
			if at := headers.Wake(); at.After(now) {
				now = at
			}
			h, ok := headers.Next(now)
			if !ok {
				t.Fatal("nothing to send at the time of Wake")
			}
			if lost() {
				continue
			}
			with.hear(b, 0)
			index.HandleHeader(now, receiver.Origin{}, &h, manifestOf(&h, headers))
			if with.r.Done() && bytesDone == 0 {
				bytesDone = n
			}
			if index.Done() && indexDone == 0 {
				indexDone = n
			}
		}
		with.wantFile()
		if indexDone != bytesDone {
			t.Errorf("loss %d %%: the index was done after %d packets, the receiver after %d", loss, indexDone, bytesDone)
		}
		got, want := index.Progress(), with.r.Progress()
		got.Loss, want.Loss = receiver.Loss{}, receiver.Loss{}
		if got != want {
			t.Errorf("loss %d %%: progress of the index alone is %+v, want %+v", loss, got, want)
		}
	}
}

func manifestOf(h *proto.Header, s *sender.Sender) []byte {
	if h.Type == proto.TypeManifest {
		return s.ManifestPayload()
	}
	return nil
}

func BenchmarkHandleHeader(b *testing.B) {
	const size = 64 << 20
	p := proto.Params{Code: proto.CodeLeopard16, K: 7282, M: 8192, ShardSize: 1152, Size: size}
	o := &sender.Object{Manifest: proto.Manifest{Descriptor: proto.Descriptor{Params: p}}}
	var r *receiver.Receiver
	var s *sender.Sender
	start := func() {
		var err error
		if r, err = receiver.New(receiver.Config{IndexOnly: true}); err != nil {
			b.Fatal(err)
		}
		if s, err = sender.New(sender.Config{Rate: -1}, o); err != nil {
			b.Fatal(err)
		}
	}
	now := time.Time{}.Add(time.Hour)
	start()
	for b.Loop() {
		h, _ := s.Next(now)
		r.HandleHeader(now, receiver.Origin{}, &h, manifestOf(&h, s))
		if r.Done() {
			b.StopTimer()
			start()
			b.StartTimer()
		}
	}
}
