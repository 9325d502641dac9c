// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import (
	"fmt"
	"io"

	"iotupd/proto"
)

// A place keeps bytes that were derived from the file: in memory, in a scratch
// from offset on, or in both. Writes of different bytes may be concurrent.
type place struct {
	memory  []byte  // nil: they are in the scratch only
	scratch Scratch // nil: they are in memory only
	offset  int64
}

func (p *place) write(b []byte, at int64) error {
	if p.memory != nil {
		copy(p.memory[at:], b)
	}
	if p.scratch == nil {
		return nil
	}
	if _, err := p.scratch.WriteAt(b, p.offset+at); err != nil {
		return fmt.Errorf("write to the temporary file: %w", err)
	}
	return nil
}

// read fills b from the scratch.
func (p *place) read(b []byte, at int64) error { return readFull(p.scratch, b, p.offset+at) }

// appendFrom appends n bytes at offset at.
func (p *place) appendFrom(b []byte, at int64, n int) ([]byte, error) {
	if p.memory != nil {
		return append(b, p.memory[at:][:n]...), nil
	}
	start := len(b)
	b = append(b, make([]byte, n)...)
	return b, p.read(b[start:], at)
}

// A run is the last read of a file. The zero value is empty.
type run struct {
	b      []byte
	offset int64
}

// at returns n bytes at offset, which are valid until the next call. If the
// last read does not include them, it reads a longer piece that does: its
// offset is from, its length ahead.
func (r *run) at(src io.ReaderAt, offset int64, n int, from int64, ahead int) ([]byte, error) {
	if offset < r.offset || offset+int64(n) > r.offset+int64(len(r.b)) {
		if cap(r.b) < ahead {
			r.b = make([]byte, ahead)
		}
		r.b, r.offset = r.b[:ahead], from
		if err := readFull(src, r.b, from); err != nil {
			r.b = r.b[:0]
			return nil, err
		}
	}
	return r.b[offset-r.offset:][:n], nil
}

// A derived is all that is derived from a file, and where it is kept: all parity,
// the records of the hash tree, and in a Keep the nodes over them.
type derived struct {
	geo  proto.Geometry
	tree proto.Tree // zero: there is none

	parityBytes, recordBytes, nodeBytes uint64
	parity, records, nodes              place
}

// keepIn makes keep the place of all derived bytes.
func (d *derived) keepIn(keep Scratch) {
	d.parity.scratch, d.records.scratch, d.nodes.scratch = keep, keep, keep
	d.records.offset = int64(d.parityBytes)
	d.nodes.offset = int64(d.parityBytes + d.recordBytes)
}

// ParityBytes returns the size in bytes of an object's parity, which a sender
// keeps in memory or on disk.
func ParityBytes(geo proto.Geometry) uint64 {
	_, parity := geo.LoopPackets()
	return parity * uint64(geo.ShardSize)
}

// sizes returns the sizes of the derived bytes of a file with geometry geo.
func (cfg PrepareConfig) sizes(geo proto.Geometry) (d derived, err error) {
	d = derived{geo: geo, parityBytes: ParityBytes(geo)}
	if !cfg.WithoutDigests {
		if d.tree, err = geo.Tree(); err != nil {
			return d, err
		}
		d.recordBytes = d.tree.Total() * uint64(d.tree.RecordLen())
		d.nodeBytes = d.tree.Total() * proto.DigestLen
	}
	if d.parityBytes+d.recordBytes+d.nodeBytes > 1<<62 {
		return d, fmt.Errorf("sender: %d bytes of parity and records are too many", d.parityBytes+d.recordBytes)
	}
	return d, nil
}

// inMemory reports which of parity and records fit into the memory, in this
// order.
func (cfg PrepareConfig) inMemory(d derived) (parity, records bool) {
	left := uint64(cfg.memory())
	if parity = d.parityBytes <= left; parity {
		left -= d.parityBytes
	}
	return parity, d.recordBytes <= left
}

// ScratchBytes returns how many bytes [Prepare] will ask Scratch for, where
// there is no Keep.
func (cfg PrepareConfig) ScratchBytes(geo proto.Geometry) (n uint64, err error) {
	d, err := cfg.sizes(geo)
	parity, records := cfg.inMemory(d)
	if !parity {
		n += d.parityBytes
	}
	if !records {
		n += d.recordBytes
	}
	return n, err
}

// MemoryBytes returns how many bytes [Prepare] keeps in memory.
func (cfg PrepareConfig) MemoryBytes(geo proto.Geometry) (n uint64, err error) {
	d, err := cfg.sizes(geo)
	parity, records := cfg.inMemory(d)
	if parity {
		n += d.parityBytes
	}
	if records {
		n += d.recordBytes
	}
	return n, err
}

// KeepBytes returns how many bytes [Prepare] writes to Keep.
func (cfg PrepareConfig) KeepBytes(geo proto.Geometry) (uint64, error) {
	d, err := cfg.sizes(geo)
	return d.parityBytes + d.recordBytes + d.nodeBytes, err
}

// places makes the places of the bytes that are derived from a file.
func (cfg PrepareConfig) places(geo proto.Geometry) (*derived, error) {
	d, err := cfg.sizes(geo)
	if err != nil {
		return nil, err
	}
	parity, records := cfg.inMemory(d)
	if parity {
		d.parity.memory = make([]byte, d.parityBytes)
	}
	if records {
		d.records.memory = make([]byte, d.recordBytes)
	}
	if cfg.Keep != nil {
		d.keepIn(cfg.Keep)
		return &d, nil
	}
	size, err := cfg.ScratchBytes(geo)
	if err != nil || size == 0 {
		return &d, err
	}
	if cfg.Scratch == nil {
		return nil, fmt.Errorf("sender: %d bytes of parity and records are over the limit of %d",
			d.parityBytes+d.recordBytes, cfg.memory())
	}
	scratch, err := cfg.Scratch(int64(size))
	if !parity {
		d.parity.scratch = scratch
		d.records.offset = int64(d.parityBytes)
	}
	if !records {
		d.records.scratch = scratch
	}
	return &d, err
}
