// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import "time"

// queueDepth is the most batches between a reader and the loop. When all are in
// use, the reader waits, and datagrams stay in the kernel's buffer. The kernel
// counts those that do not fit. A batch is large, and is made only when none is
// idle.
const queueDepth = 4

// A read is what a reader hands to the loop: a filled batch, and where it goes
// when it is empty again; or the reader's error.
type read struct {
	batch Batch
	back  chan Batch
	err   error
}

// A reader reads from a Conn.
type reader struct {
	conn Conn
	back chan Batch // from the loop; there is room for every batch
	idle []Batch
	made int
	stop chan struct{}
}

// readFrom keeps batches of c moving to the loop until c is closed. While the
// loop polls a batch, the reader waits for it to come back, so that only one of
// them reads at a time.
func (s *shell) readFrom(c Conn) {
	r := reader{conn: c, back: make(chan Batch, queueDepth), stop: s.stop}
	for {
		b := r.empty()
		if b == nil {
			return
		}
		err := b.Read()
		alone := pauseOf(b) > 0
		s.full <- read{batch: b, back: r.back, err: err}
		if err != nil || alone && !r.await(b) {
			return
		}
	}
}

// empty returns a batch to read into; nil when it is time to stop. A batch is
// made only when all others are in use, since each holds buffers.
func (r *reader) empty() Batch {
	for {
		select {
		case b := <-r.back:
			r.idle = append(r.idle, b)
			continue
		case <-r.stop:
			return nil
		default:
		}
		if last := len(r.idle) - 1; last >= 0 {
			b := r.idle[last]
			r.idle = r.idle[:last]
			return b
		}
		if r.made < queueDepth {
			r.made++
			return r.conn.NewBatch()
		}
		if !r.await(nil) {
			return nil
		}
	}
}

// await waits until b, or any batch if b is nil, is back. It reports false when it
// is time to stop.
func (r *reader) await(b Batch) bool {
	for {
		select {
		case got := <-r.back:
			r.idle = append(r.idle, got)
			if b == nil || got == b {
				return true
			}
		case <-r.stop:
			return false
		}
	}
}

// pauseOf returns the time after which b wants to be polled; zero: it does not.
func pauseOf(b Batch) time.Duration {
	if p, ok := b.(Poller); ok {
		return p.Pause()
	}
	return 0
}

// A poll is a batch that the loop keeps, to look for more datagrams at a time.
type poll struct {
	read
	at time.Time
}
