// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"bytes"
	"fmt"
	"io"
)

// A Store keeps the bytes of an object while it is received. ReadAt and WriteAt
// are called from several goroutines at once. Two writes never overlap. A read
// that overlaps a write may return anything.
type Store interface {
	io.ReaderAt
	io.WriterAt

	// Found is the number of bytes that the store had when it was opened: of an
	// earlier run, or anything else.
	Found() int64

	// Reserve makes sure that size bytes fit, so that a full disk shows before
	// the transfer and not at its end. It is the first call. Bytes behind the
	// object are workspace, which is cut off when the object is committed.
	Reserve(size int64) error

	// Sync makes all that was written durable.
	Sync() error

	// Discard gives the bytes up, because another object replaces this one or a
	// call has failed. Every other call has to fail from then on, since a Job
	// may still be at work on the bytes.
	Discard() error
}

// A StoreError is a failure of the [Store]. It ends the transfer.
type StoreError struct {
	Op  string
	Err error
}

func (e *StoreError) Error() string { return fmt.Sprintf("%s: %v", e.Op, e.Err) }
func (e *StoreError) Unwrap() error { return e.Err }

func storeError(op string, err error) error {
	if err == nil {
		return nil
	}
	return &StoreError{Op: op, Err: err}
}

// places are where the shards of an object lie in the store, with the queue of
// pending writes. Methods that write return the number of their batch.
type places struct {
	layout
	queue writeQueue
	tail  []byte // parity parked in the short last place
}

// put writes a data shard, which belongs at an offset of the file, to its place.
func (p *places) put(offset uint64, shard []byte) uint32 {
	return p.queue.put(fileRegion, int64(offset), shard[:min(uint64(len(shard)), p.geo.Size-offset)])
}

// park writes a parity shard to a place.
func (p *places) park(g uint32, place int, shard []byte) uint32 {
	offset, n := p.extent(g, place)
	if n < len(shard) {
		p.tail = bytes.Clone(shard) // a job may still read the last one
		return 0
	}
	return p.queue.put(fileRegion, offset, shard)
}

// move takes a parity shard to another place, which is as long as a shard.
func (p *places) move(g uint32, to, from int) uint32 {
	target, _ := p.extent(g, to)
	source, n := p.extent(g, from)
	if n < p.geo.ShardSize {
		return p.park(g, to, p.tail)
	}
	return p.queue.move(fileRegion, target, source, n)
}
