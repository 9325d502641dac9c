// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"io"
	"slices"
)

const (
	// batchBytes is the size of the buffer in which writes are gathered. It is a
	// multiple of [blockSize].
	batchBytes = 64 << 10

	// maxWrites is the most writes of a batch.
	maxWrites = 256

	// leastBatches and mostBatches bound how many may wait to be written.
	leastBatches, mostBatches = 4, 32

	// blockSize is a multiple of the block of every usual file system. A long run of
	// bytes ends at a multiple of it, so that no block is written twice.
	blockSize = 4096
)

// A region is a part of the store that is written in ascending order, as a rule. The
// writes to each are gathered apart from the others, which arrive between them.
type region uint8

const (
	fileRegion   region = iota // the file
	recordRegion               // its hash records
	regions
)

// A writeQueue gathers writes to the store. A job writes it, one batch after the
// other, in the order in which they were queued. The zero value with a store is
// empty.
//
// Batches are numbered. A reader of bytes that went through the queue needs the
// number of their batch, and has to wait until it is written: see settle.
type writeQueue struct {
	store  Store
	open   [regions]*batch // being gathered; nil: none
	queued []*batch        // in the order in which they are to be written
	active []*batch        // with a job
	idle   []*batch        // to be used again
	last   uint32          // number of the batch that was opened last
	most   int             // batches that may wait to be written
	small  bool            // of one of several objects: batches take no more memory than bytes
	bytes  int             // in queued and active
	total  *int            // the same of all objects; nil: nobody asks
}

// A batch is some writes to a region of the store. Its first bytes may have
// been put into an older batch, whose number is in first.
type batch struct {
	number, first uint32
	buffer        []byte
	writes        []write
}

// A write is the next n bytes of the buffer of a batch, which belong at an offset of
// the store. A move copies as many bytes of the store from another offset instead.
type write struct {
	offset, from int64 // from: negative for bytes of the buffer
	n            int
}

// put takes bytes that belong at an offset of the store, and returns the number of
// their batch.
func (q *writeQueue) put(r region, offset int64, b []byte) (number uint32) {
	if o := q.open[r]; o != nil && len(o.buffer)+len(b) > batchBytes {
		q.enqueue(r)
	}
	o := q.openBatch(r)
	o.appendWrite(offset, b)
	return o.number
}

// move copies n bytes of a region to another offset of it, after all that was put
// there before.
func (q *writeQueue) move(r region, to, from int64, n int) (number uint32) {
	b := q.openBatch(r)
	b.writes = append(b.writes, write{offset: to, from: from, n: n})
	return b.number
}

// openBatch returns the batch that is gathered for a region.
func (q *writeQueue) openBatch(r region) *batch {
	if o := q.open[r]; o != nil && len(o.writes) == maxWrites {
		q.enqueue(r)
	}
	if q.open[r] == nil {
		q.last++
		q.open[r] = q.unused()
		q.open[r].number, q.open[r].first = q.last, q.last
	}
	return q.open[r]
}

// unused returns an empty batch.
func (q *writeQueue) unused() *batch {
	n := len(q.idle)
	switch {
	case n == 0 && q.small:
		return &batch{}
	case n == 0:
		return &batch{buffer: make([]byte, 0, batchBytes)}
	}
	b := q.idle[n-1]
	q.idle = q.idle[:n-1]
	b.buffer, b.writes = b.buffer[:0], b.writes[:0]
	return b
}

// appendWrite appends a write, or makes the last one longer.
func (b *batch) appendWrite(offset int64, bytes []byte) {
	b.buffer = append(b.buffer, bytes...)
	if n := len(b.writes); n > 0 && b.writes[n-1].end() == offset && b.writes[n-1].from < 0 {
		b.writes[n-1].n += len(bytes)
		return
	}
	b.writes = append(b.writes, write{offset: offset, from: -1, n: len(bytes)})
}

func (w write) end() int64 { return w.offset + int64(w.n) }

// flushBlocks queues what was gathered, except the start of a block at the end of
// a long run. It reports whether there is such a start.
func (q *writeQueue) flushBlocks() (rest bool) {
	for r := range regions {
		if q.open[r] != nil {
			q.enqueue(r)
			rest = rest || q.open[r] != nil
		}
	}
	return rest
}

// enqueue queues the open batch of a region. A long run of bytes goes on in the next
// batch from the start of a block.
func (q *writeQueue) enqueue(r region) {
	full := q.open[r]
	q.queued, q.open[r] = append(q.queued, full), nil
	q.count(len(full.buffer))
	last := &full.writes[len(full.writes)-1]
	if last.from >= 0 {
		return
	}
	rest := int(last.end() % blockSize)
	if last.n < 2*blockSize || rest == 0 {
		return
	}
	next := q.openBatch(r)
	next.first = full.first
	keep := len(full.buffer) - rest
	next.appendWrite(last.end()-int64(rest), full.buffer[keep:])
	q.count(-rest)
	full.buffer, last.n = full.buffer[:keep], last.n-rest
}

// flush queues the open batches up to a number.
func (q *writeQueue) flush(number uint32) {
	for r, b := range q.open {
		if b != nil && b.first <= number {
			q.queued, q.open[r] = append(q.queued, b), nil
			q.count(len(b.buffer))
		}
	}
}

// settle reports whether the batches up to a number are written. It queues the
// others.
func (q *writeQueue) settle(number uint32) bool {
	q.flush(number)
	return q.isWritten(number)
}

// isWritten reports whether the batches up to a number are written.
func (q *writeQueue) isWritten(number uint32) bool {
	waits := func(b *batch) bool { return b.first <= number }
	return !slices.ContainsFunc(q.active, waits) && !slices.ContainsFunc(q.queued, waits) &&
		!slices.ContainsFunc(q.open[:], func(b *batch) bool { return b != nil && waits(b) })
}

// busy reports whether the queue is full.
func (q *writeQueue) busy() bool {
	return len(q.queued)+len(q.active) >= max(q.most, leastBatches)
}

// takeQueued returns the batches that wait, for one job to write. There must be no other.
func (q *writeQueue) takeQueued() []*batch {
	q.active, q.queued = q.queued, q.active[:0]
	return q.active
}

// done takes the batches of a job back.
func (q *writeQueue) done() {
	for i, b := range q.active {
		q.count(-len(b.buffer))
		if !q.small {
			q.idle = append(q.idle, b)
		}
		q.active[i] = nil
	}
	q.active = q.active[:0]
}

// count notes that more bytes wait to be written.
func (q *writeQueue) count(n int) {
	q.bytes += n
	if q.total != nil {
		*q.total += n
	}
}

// forget is called when nothing that waits will be written.
func (q *writeQueue) forget() { q.count(-q.bytes) }

// write writes the batch to the store.
func (b *batch) write(store Store) error {
	rest := b.buffer
	var moved []byte
	for _, w := range b.writes {
		bytes := rest
		if w.from >= 0 {
			moved = slices.Grow(moved[:0], w.n)[:w.n]
			bytes = moved
			if _, err := store.ReadAt(bytes, w.from); err != nil && err != io.EOF {
				return storeError("read back", err)
			}
		} else {
			bytes, rest = rest[:w.n], rest[w.n:]
		}
		if _, err := store.WriteAt(bytes, w.offset); err != nil {
			return storeError("write", err)
		}
	}
	return nil
}

// A writeWork writes the queued batches.
type writeWork struct {
	*object
	batches []*batch
}

func newWriteWork(o *object) *writeWork { return &writeWork{o, o.places.queue.takeQueued()} }

func (w *writeWork) run() error {
	for _, b := range w.batches {
		if err := b.write(w.places.queue.store); err != nil {
			return err
		}
	}
	return nil
}

func (w *writeWork) finish() error {
	w.places.queue.done()
	return nil
}
