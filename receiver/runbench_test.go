// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"fmt"
	"net"
	"testing"
	"time"

	"iotupd/proto"
	"iotupd/receiver"
)

// A torrent is a Conn on which so many datagrams arrive that no receiver wants, as
// fast as they are read.
type torrent struct {
	datagram []byte
	left     int
	size     int  // of a batch
	polled   bool // by the loop
}

// NewBatch implements [receiver.Conn].
func (f *torrent) NewBatch() receiver.Batch {
	if f.polled {
		return &polledTorrent{torrentBatch{f, 0}}
	}
	return &torrentBatch{f, 0}
}

// Close implements [receiver.Conn].
func (f *torrent) Close() error { return nil }

type torrentBatch struct {
	*torrent
	n int
}

func (b *torrentBatch) Read() error {
	if b.n = min(b.size, b.left); b.n == 0 {
		return net.ErrClosed
	}
	b.left -= b.n
	return nil
}

func (b *torrentBatch) Len() int { return b.n }

func (b *torrentBatch) Datagram(int) ([]byte, receiver.Origin) { return b.datagram, receiver.Origin{} }

type polledTorrent struct{ torrentBatch }

func (b *polledTorrent) Pause() time.Duration { return 1 }
func (b *polledTorrent) Poll() error          { return b.Read() }

// pass has a receiver ignore so many datagrams.
func (f *torrent) pass(tb testing.TB, n int) {
	f.left = n
	r, err := receiver.New(receiver.Config{Open: func(proto.ObjectID, proto.Params) (receiver.Store, error) { return nil, nil }})
	if err != nil {
		tb.Fatal(err)
	}
	receiver.Run(tb.Context(), r, []receiver.Conn{f}, receiver.RunOptions{})
	if f.left != 0 {
		tb.Fatalf("%d datagrams were not read", f.left)
	}
}

// torrents are one for each way from a Conn to the loop.
func torrents() map[string]*torrent {
	all := make(map[string]*torrent)
	for _, size := range []int{1, 32} {
		for name, polled := range map[string]bool{"read": false, "polled": true} {
			all[fmt.Sprintf("%s/batch=%d", name, size)] = &torrent{datagram: make([]byte, 1232), size: size, polled: polled}
		}
	}
	return all
}

func TestTheWayToTheLoopCostsNoAllocation(t *testing.T) {
	for name, f := range torrents() {
		t.Run(name, func(t *testing.T) {
			few := testing.AllocsPerRun(5, func() { f.pass(t, 1000) })
			many := testing.AllocsPerRun(5, func() { f.pass(t, 3000) })
			if many-few >= 100 {
				t.Errorf("%v allocations for 1000 datagrams and %v for 3000, want as many", few, many)
			}
		})
	}
}

// BenchmarkRun is the way from a Conn to the loop, without a socket and without what
// a receiver does with a datagram.
func BenchmarkRun(b *testing.B) {
	for name, f := range torrents() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			f.pass(b, b.N)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "datagrams/s")
		})
	}
}
