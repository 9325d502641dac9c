// SPDX-License-Identifier: GPL-2.0-or-later

package sender_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"iotupd/proto"
	"iotupd/sender"
)

func TestWhatIsReadAheadIsWhatIsSent(t *testing.T) {
	// "in the order in which its track sends them"
	p := smallest(proto.CodeLeopard8, 100, 50)
	p.ShardSize = 1024
	o := prepare(t, randomFile(700_000), p, sender.PrepareConfig{Memory: 1, Scratch: scratchInMemory})
	for _, layers := range []int{1, 3} {
		cfg := func() sender.Config {
			return sender.Config{Rate: 5_000_000, Layers: layers, Loops: 3, Rand: rand.New(rand.NewPCG(1, 2))}
		}
		var want [][]byte
		for c := startObject(t, o, cfg()); !c.s.Done(); {
			want = append(want, c.next().raw)
		}
		var got []byte
		synctest.Test(t, func(t *testing.T) {
			c := startObject(t, o, cfg())
			wires := []sender.Conn{}
			for range layers {
				wires = append(wires, tape{&got})
			}
			if err := sender.Run(t.Context(), c.s, wires[0], sender.RunOptions{Upper: wires[1:]}); err != nil {
				t.Fatal(err)
			}
		})
		// Layers leave batch by batch, and manifests by the clock.
		comparable := func(all [][]byte) (some [][]byte) {
			for _, b := range all {
				if h, payload, err := proto.Parse(b); err != nil {
					t.Fatal(err)
				} else if h.Type != proto.TypeManifest {
					some = append(some, append([]byte{byte(h.Path.Layer), byte(h.Type)}, payload...))
				}
			}
			slices.SortStableFunc(some, func(a, b []byte) int { return int(a[0]) - int(b[0]) })
			return some
		}
		a, b := comparable(slices.Collect(slices.Chunk(got, len(want[0])))), comparable(want)
		if !slices.EqualFunc(a, b, bytes.Equal) {
			t.Errorf("%d layers: %d packets differ from %d that were not read ahead", layers, len(a), len(b))
		}
	}
}

// A tape keeps what is written.
type tape struct{ b *[]byte }

// WriteSegments implements [sender.Conn].
func (t tape) WriteSegments(b []byte, _ int) error { *t.b = append(*t.b, b...); return nil }

// onSlowDisk starts the carousel of a file of which each read takes as long as
// pause says, in virtual time.
func onSlowDisk(t *testing.T, cfg sender.Config, pause *atomic.Int64, f func(t *testing.T, w *wire)) {
	file := randomFile(2_000_000)
	p := smallest(proto.CodeNone, 1, 0)
	p.ShardSize, p.Size = 1024, uint64(len(file))
	synctest.Test(t, func(t *testing.T) {
		src := readerAt(func(b []byte, off int64) (int, error) {
			time.Sleep(time.Duration(pause.Load()))
			return bytes.NewReader(file).ReadAt(b, off)
		})
		o, err := sender.Prepare(t.Context(), src, p, sender.PrepareConfig{})
		if err != nil {
			t.Fatal(err)
		}
		f(t, &wire{t: t, c: startObject(t, o, cfg)})
	})
}

func TestASlowReadDoesNotDelayPackets(t *testing.T) {
	// "so that the sending goroutine never waits for a disk"
	var pause atomic.Int64
	onSlowDisk(t, sender.Config{Rate: 20_000_000, Loops: 3}, &pause, func(t *testing.T, w *wire) {
		pause.Store(int64(20 * time.Millisecond)) // for 64 KiB, which last for 24 ms
		if err := sender.Run(t.Context(), w.c.s, w, sender.RunOptions{}); err != nil {
			t.Fatal(err)
		}
		for i := 100; i < len(w.sent); i++ { // what is first has to be waited for
			if gap := w.sent[i].at.Sub(w.sent[i-1].at); gap > 25*time.Millisecond {
				t.Fatalf("%v between packets %d and %d", gap, i-1, i)
			}
		}
	})
}

func TestADiskThatIsTooSlowIsSaidToBoundTheRate(t *testing.T) {
	var pause atomic.Int64
	onSlowDisk(t, sender.Config{Rate: 20_000_000, Loops: 5}, &pause, func(t *testing.T, w *wire) {
		pause.Store(int64(100 * time.Millisecond))
		bounds := map[sender.Bound]int{}
		err := sender.Run(t.Context(), w.c.s, w, sender.RunOptions{Report: func(_ time.Time, p sender.Progress) error {
			bounds[p.Bound]++
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		if bounds[sender.BySource] < 2 || bounds[sender.ByLink]+bounds[sender.ByProcessor] > 0 {
			t.Errorf("got %v, want the source", bounds)
		}
	})
}
