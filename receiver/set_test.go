// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"math"
	"testing"

	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/sender"
)

func TestLossOfASetIsMeasuredByTheStream(t *testing.T) {
	// "Every undamaged packet of a layer counts, whatever its object." spec.md 6.5
	small := newTree(t, "small", 20_000, small(proto.CodeLeopard8, 20, 20))
	large := newTree(t, "large", 400_000, small.geo.Params)
	for name, test := range map[string]struct {
		source *source
		lost   int // one of so many packets is lost
	}{
		"the small one, nothing lost": {small, math.MaxInt},
		"the small one, a tenth lost": {small, 10},
		"the large one, a tenth lost": {large, 10},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := sender.NewSet(sender.Config{Rate: -1}, sender.ShareSqrt, sender.Member{Object: large.object}, sender.Member{Object: small.object})
			if err != nil {
				t.Fatal(err)
			}
			tr := test.source.receive(receiver.Config{Object: test.source.id})
			sent := 0
			for ; !tr.r.Done() && sent < 10_000; sent++ {
				b, err := s.AppendDatagrams(nil, tr.now, 1)
				if err != nil {
					t.Fatal(err)
				}
				if sent%test.lost != test.lost-1 {
					tr.r.Handle(tr.now, from(1), b)
					tr.work()
				}
			}
			loss := tr.r.Progress().Loss
			if want := 1 / float64(test.lost); math.Abs(loss.Ratio()-want) > 0.02 {
				t.Errorf("%d of %d packets lost, want a share of %.2f", loss.Lost, loss.Spanned, want)
			}
			if !tr.r.Done() || float64(loss.Spanned) < 0.9*float64(sent) {
				t.Errorf("%d packets counted of %d; done: %v", loss.Spanned, sent, tr.r.Done())
			}
		})
	}
}

func BenchmarkHandleAnotherObjectOfASet(b *testing.B) {
	// A receiver that wants one of the objects of a set gets the packets of all.
	p := proto.Params{Code: proto.CodeLeopard16, K: 4096, M: 4096, ShardSize: 1152}
	wanted := newTree(b, "wanted", 4096*1152, p)
	other := newTree(b, "other", 4096*1152, p)
	datagram := forge(b, other.shard(0, 3), func(h *proto.Header, _ []byte) { h.Path.Flags |= proto.PathSet })
	tr := wanted.receive(receiver.Config{Object: wanted.id})
	tr.r.Handle(epoch, from(1), wanted.manifest())
	tr.work()
	b.SetBytes(int64(len(datagram)))
	b.ReportAllocs()
	for b.Loop() {
		if err := tr.r.Handle(epoch, from(1), datagram); err != receiver.ReasonOtherObject {
			b.Fatal(err)
		}
	}
}
