// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"bytes"
	"fmt"
	"io"

	"iotupd/proto"
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

	// Reserve makes sure that size bytes fit, so that a full disk shows
	// before the transfer and not at its end. It is the first call. What is behind the object is workspace: whoever
	// commits the object cuts it off.
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

// maxRun bounds the consecutive shards that are written at once: 2 to 4 times
// faster than single ones, since in the carousel's order they follow each
// other in the file.
const maxRun = 256 << 10

// places reads and writes whole shards in their places of the store. The last
// place of a file may be shorter than a shard; then parity for it is kept in
// memory.
type places struct {
	store Store
	geo   proto.Geometry

	run       []byte // consecutive bytes not written yet
	runOffset uint64

	tail []byte // parity parked in the short last place
}

// put writes a data shard, which belongs at an offset of the file, to its place.
func (p *places) put(offset uint64, shard []byte) error {
	return p.write(offset, shard[:min(uint64(len(shard)), p.geo.Size-offset)])
}

// park writes a parity shard to the place of a data shard.
func (p *places) park(g uint32, place int, shard []byte) error {
	offset, n := p.geo.Extent(g, place)
	if n < len(shard) {
		p.tail = bytes.Clone(shard) // a job may still read the last one
		return nil
	}
	return p.write(offset, shard)
}

// parked reads a parked shard back into b.
func (p *places) parked(g uint32, place int, b []byte) error {
	offset, n := p.geo.Extent(g, place)
	if n < len(b) {
		copy(b, p.tail)
		return nil
	}
	if err := p.flush(); err != nil {
		return err
	}
	_, err := p.store.ReadAt(b, int64(offset))
	return storeError("read back", err)
}

// read fills b with the shard that lies in a place, padded with zeros. What was
// never written is zero.
func (p *places) read(g uint32, place int, b []byte) error {
	offset, n := p.geo.Extent(g, place)
	clear(b)
	_, err := p.store.ReadAt(b[:n], int64(offset))
	if err == io.EOF {
		err = nil
	}
	return storeError("read back", err)
}

// write gathers bytes as long as they follow each other.
func (p *places) write(offset uint64, b []byte) error {
	if offset != p.runOffset+uint64(len(p.run)) || len(p.run)+len(b) > maxRun {
		if err := p.flush(); err != nil {
			return err
		}
		p.runOffset = offset
	}
	if p.run == nil {
		p.run = make([]byte, 0, maxRun)
	}
	p.run = append(p.run, b...)
	return nil
}

// flush writes what was gathered.
func (p *places) flush() error {
	if len(p.run) == 0 {
		return nil
	}
	_, err := p.store.WriteAt(p.run, int64(p.runOffset))
	p.run = p.run[:0]
	return storeError("write", err)
}
