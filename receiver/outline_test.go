// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"time"

	"iotupd/fec"
	"iotupd/proto"
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

// takes lets the receiver hear a carousel until it is done, but for what is lost,
// and returns which part of Nd shards it took.
func (tr *transfer) takes(lost func(datagram []byte) bool, s *sender.Sender) float64 {
	tr.t.Helper()
	taken := 0
	for range 200_000 {
		b := tr.next(s)
		if lost(b) {
			continue
		}
		if _, _, ok := hasShard(tr.t, b); tr.hear(b, 0) == nil && ok {
			taken++
		}
		if tr.r.Done() {
			tr.wantFile()
			return float64(taken) / float64(tr.src.geo.DataShards)
		}
	}
	tr.t.Fatalf("not done: %+v", tr.r.Progress())
	return 0
}

// large makes the object of a file of some groups, as senders make it.
func large(t *testing.T) *source {
	t.Helper()
	const size = 16<<20 - 77
	p, err := fec.Policy{}.Params(size)
	if err != nil {
		t.Fatal(err)
	}
	return newTree(t, "", size, p)
}

// joins are where in the loop receivers join, in hundredths of a percent.
var joins = []int{0, 2500, 5100, 9000}

// wantShares lets receivers start at each join, with a tenth of loss and without,
// and fails if one takes more than its limit. Without outlines a receiver is what
// it was before there were any.
func wantShares(t *testing.T, src *source, most [2]float64, start func() *transfer) {
	t.Helper()
	for i, loss := range []uint64{0, 10} {
		for _, join := range joins {
			without := func(keep bool) float64 {
				drop := percent(loss, 1)
				return start().takes(func(b []byte) bool { return isOutline(b) && !keep || drop() }, src.sender(sender.Config{Start: join}))
			}
			before, now := without(false), without(true)
			t.Logf("loss %2d %%, joined at %2d %%: received %5.1f %% of Nd, without outlines %5.1f %%", loss, join/100, 100*now, 100*before)
			if now > most[i] {
				t.Errorf("received %.3f of Nd, want at most %.3f", now, most[i])
			}
		}
	}
}

func TestWhoJoinsLateWithAnOlderFileReceivesWhatChanged(t *testing.T) {
	// "So a receiver learns within a twentieth of a loop what of the files on its
	// disk is right, wherever it joins." spec.md 4.6
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
	// "A partial file whose records are lost" spec.md 7.4
	src := large(t)
	first := src.receive(receiver.Config{})
	first.hearFor(int(src.geo.DataShards)*7/10, nothing, src.sender(sender.Config{}))
	first.later(time.Second)
	var had int
	start := func() *transfer {
		found := first.killed()
		found.Damage(func(b []byte) []byte { return b[:min(len(b), len(src.file))] })
		had = len(src.intact(found.All()))
		return src.resume(found, receiver.Config{})
	}
	start()
	t.Logf("%.1f %% of Nd are on disk", 100*float64(had)/float64(src.geo.DataShards))
	wantShares(t, src, [2]float64{0.5, 0.5}, start)
	_ = fmt.Sprint
}
