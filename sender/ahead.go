// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import (
	"context"
	"sync"
	"time"
)

// The size of the read-ahead. It covers a long read of a disk, and a busy host on
// which the reading goroutine does not run for a while.
const (
	aheadTime  = 200 * time.Millisecond
	aheadChunk = 256 << 10 // bytes that are handed to the sender at a time
	aheadMost  = 16        // chunks
)

// payloads are the payloads of the packets of a layer, in the order in which its
// track sends them.
type payloads interface {
	// ready reports whether next has the payload of one more packet, or an error.
	ready() bool
	// next returns that payload, which is valid until the next call, or the
	// error.
	next() ([]byte, error)
}

// A chunk has several payloads, end to end, and perhaps an error that follows
// after them.
type chunk struct {
	b   []byte
	err error
}

// An ahead provides payloads that a goroutine prepares: it reads the file and its
// parity, so that the sending goroutine never waits for a disk.
type ahead struct {
	size       int  // of a payload
	ofSet      bool // the packets after an error are of other objects
	full, free chan *chunk

	now  *chunk // being used; nil: none yet
	left []byte // rest of now that next has not returned
}

// newAhead returns payloads of size bytes for a layer with a rate in bit/s. A
// negative rate means unlimited. The memory for a layer is divided by the
// number of objects.
func newAhead(size int, rate int64, objects int) *ahead {
	chunks := aheadMost
	if rate >= 0 {
		chunks = min(aheadMost, 2+int(rate/8*int64(aheadTime)/int64(time.Second)/aheadChunk))
	}
	return makeAhead(size, aheadChunk/objects, chunks)
}

// makeAhead returns payloads of size bytes, in so many chunks of about so many bytes.
func makeAhead(size, bytes, chunks int) *ahead {
	bytes = max(1, bytes/size) * size
	a := &ahead{size: size, full: make(chan *chunk, chunks), free: make(chan *chunk, chunks)}
	for range chunks {
		a.free <- &chunk{b: make([]byte, 0, bytes)}
	}
	return a
}

// ready implements payloads.
func (a *ahead) ready() bool {
	if len(a.left) > 0 || a.now != nil && a.now.err != nil {
		return true
	}
	select {
	case c := <-a.full:
		a.use(c)
		return true
	default:
		return false
	}
}

// use makes c the current chunk.
func (a *ahead) use(c *chunk) {
	if a.now != nil {
		a.free <- a.now
	}
	a.now, a.left = c, c.b
}

// next implements payloads.
func (a *ahead) next() (b []byte, err error) {
	if len(a.left) == 0 {
		err := a.now.err
		if a.ofSet {
			a.now.err = nil
		}
		return nil, err
	}
	b, a.left = a.left[:a.size], a.left[a.size:]
	return b, nil
}

// wait waits until ready, or until done is closed or t has expired.
func (a *ahead) wait(done <-chan struct{}, t *time.Timer) {
	select {
	case c := <-a.full:
		a.use(c)
	case <-done:
	case <-t.C:
	}
}

// fill prepares the payloads that appendNext appends, until ctx ends or, unless they are of
// a set, a read fails.
func (a *ahead) fill(ctx context.Context, appendNext func(b []byte) ([]byte, error)) {
	for {
		select {
		case c := <-a.free:
			c.b, c.err = c.b[:0], nil
			for len(c.b)+a.size <= cap(c.b) && c.err == nil {
				c.b, c.err = appendNext(c.b)
			}
			err := c.err
			a.full <- c // never waits; it is the reader's from here on
			if err != nil && !a.ofSet {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// readAhead starts a goroutine for each layer of each object, which reads the
// shards that the layer sends. stop ends the goroutines and waits for them.
// There is no read-ahead for an empty file, nor for a carousel in another
// [Order]: it would go through the [Walk] a second time, which a Walk need not
// allow. A large set has one goroutine for all.
func (s *Sender) readAhead() (stop func()) {
	if s.large() {
		return s.readSetAhead()
	}
	ctx, cancel := context.WithCancel(context.Background()) // a stopped sender goes on for a while
	var running sync.WaitGroup
	for i := range s.carousels {
		c := &s.carousels[i]
		if s.cfg.Order != nil || c.empty() {
			continue
		}
		for j := range c.tracks {
			t := &c.tracks[j]
			rate := s.cfg.Rate
			if rate > 0 {
				rate *= int64(t.order.dyadic.share())
			}
			a := newAhead(c.geo.ShardSize, rate, len(s.carousels))
			t.ahead = a
			walk := *t
			walk.shards, walk.digests = view(t.shards), view(t.digests)
			running.Go(func() { a.fill(ctx, walk.appendNext) })
		}
	}
	return func() { cancel(); running.Wait() }
}
