// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"bytes"
	"fmt"
	"io"
)

// A Store keeps the bytes of an object while it is received. ReadAt and WriteAt
// are called from several goroutines at once. Two writes never overlap. What a
// read gives that overlaps a write does not matter.
type Store interface {
	io.ReaderAt
	io.WriterAt

	// Found is the number of bytes that were there already when the store was
	// opened: left by an earlier run, or anything at all. 0: nothing.
	Found() int64

	// Reserve makes sure that size bytes fit, so that a full disk shows before
	// the transfer and not at its end. It is the first call, and comes again with less
	// if it fails. What is behind the object is workspace: whoever commits the object
	// cuts it off.
	Reserve(size int64) error

	// Sync makes all that was written durable.
	Sync() error

	// Discard gives the bytes up: another object takes their place, or a call
	// has failed. A Job may still be at work on them, so that every other call
	// fails from then on.
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

// places are where the shards of an object lie in the store. Those of a group are
// numbered: data shard i has place i, in the file, and parity may be parked there
// as long as it is missing. Places from K on are in the parity region, if there is
// one. The last place of a file may be shorter than a shard; then parity for it is
// kept in memory.
type places struct {
	layout
	queue writeQueue
	rows  rowTable
	tail  []byte // parity parked in the short last place
}

// put writes a data shard, which belongs at an offset of the file, to its place. It
// returns the number of its batch, as all that writes does.
func (p *places) put(offset uint64, shard []byte) uint32 {
	return p.queue.put(fileRegion, int64(offset), shard[:min(uint64(len(shard)), p.geo.Size-offset)])
}

// park writes a parity shard to a place.
func (p *places) park(g uint32, place int, shard []byte) uint32 {
	offset, n := p.extent(g, place)
	switch {
	case n < len(shard):
		p.tail = bytes.Clone(shard) // a job may still read the last one
		return 0
	case place < p.geo.K:
		return p.queue.put(fileRegion, offset, shard)
	}
	return p.queue.put(parityRegion, offset, shard)
}

// move takes a parity shard to another place of the file.
func (p *places) move(g uint32, to, from int) uint32 {
	target, _ := p.extent(g, to)
	source, n := p.extent(g, from)
	if n < p.geo.ShardSize {
		return p.park(g, to, p.tail)
	}
	return p.queue.move(fileRegion, target, source, n)
}

// mayStay reports whether a parity shard that an earlier run has parked may stay in its
// place.
func (p *places) mayStay(s parkedShard) bool {
	return int(s.place) < p.geo.K || p.rows.found(&p.layout, int(s.place), int(s.index))
}

// read fills b with the shard that lies in a place, padded with zeros. What was
// never written is zero.
func (l layout) read(from io.ReaderAt, g uint32, place int, b []byte) error {
	offset, n := l.extent(g, place)
	clear(b)
	_, err := from.ReadAt(b[:n], offset)
	if err == io.EOF {
		err = nil
	}
	return storeError("read back", err)
}
