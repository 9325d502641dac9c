// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import (
	"context"
	"sync"
	"time"
)

const (
	// aheadSetTime is the time for which a chunk lasts if it has packets of many objects.
	// A chunk takes a read for each packet, so that it is smaller than others.
	aheadSetTime = aheadTime / 8
	// aheadSetChunks are so many that they last for aheadTime.
	aheadSetChunks = 2 + int(aheadTime/aheadSetTime)
)

// newAheadOfSet returns payloads of size bytes for all objects of a large set, sent at a
// rate in bit/s.
func newAheadOfSet(size int, rate int64) *ahead {
	bytes, chunks := aheadChunk, aheadMost
	if rate >= 0 {
		bytes, chunks = min(aheadChunk, int(rate/8*int64(aheadSetTime)/int64(time.Second))), aheadSetChunks
	}
	a := makeAhead(size, bytes, chunks)
	a.ofSet = true
	return a
}

// A setWalk goes through the slots of a large set, ahead of the sender. An object that cannot
// be read is left out from then on, as the sender does when it comes to that packet.
type setWalk struct {
	mix    mix
	slot   uint64
	layers int
	tracks []track // of all layers of the first object, then of the second one, and so on
}

// walk returns the walk from the present slot on.
func (s *Sender) walk() *setWalk {
	w := &setWalk{mix: s.mix, slot: s.slot, layers: len(s.lanes), tracks: make([]track, 0, len(s.carousels)*len(s.lanes))}
	w.mix.others = s.mix.others.clone()
	for i := range s.carousels {
		for _, t := range s.carousels[i].tracks {
			if !s.carousels[i].dropped {
				t.shards, t.digests = view(t.shards), view(t.digests)
			}
			w.tracks = append(w.tracks, t)
		}
	}
	return w
}

// appendNext appends the payload of the next slot, and moves on by it.
func (w *setWalk) appendNext(b []byte) ([]byte, error) {
	object := w.mix.current
	b, err := w.tracks[object*w.layers+layerOf(w.slot, w.layers)].appendNext(b)
	if w.slot++; w.slot%(1<<(w.layers-1)) == 0 {
		w.mix.next(nil)
	}
	if err != nil {
		w.mix.drop(object, nil)
	}
	return b, err
}

// readSetAhead starts one goroutine that reads the shards of all objects, in the order in
// which they are sent. When an object is dropped that can be read, a new one starts. stop
// ends all, and waits for them.
func (s *Sender) readSetAhead() (stop func()) {
	cancel := context.CancelFunc(func() {})
	var running sync.WaitGroup
	s.readAgain = func() {
		cancel() // one that waits for a disk ends later
		var ctx context.Context
		ctx, cancel = context.WithCancel(context.Background())
		a := newAheadOfSet(s.carousels[0].geo.ShardSize, s.cfg.total())
		w := s.walk()
		for i := range s.carousels {
			for j := range s.carousels[i].tracks {
				s.carousels[i].tracks[j].ahead = a
			}
		}
		running.Go(func() { a.fill(ctx, w.appendNext) })
	}
	s.readAgain()
	return func() {
		s.readAgain = nil
		cancel()
		running.Wait()
	}
}

// skipAhead leaves out the payload of the present slot, which has another packet: the
// payloads of all layers of a large set are one sequence.
func (s *Sender) skipAhead() {
	if s.readAgain == nil {
		return
	}
	if _, err := s.track().ahead.next(); err != nil {
		s.stale = true
	}
}
