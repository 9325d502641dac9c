// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"io"

	"iotupd/proto"
)

// A knownLeaf is a leaf of a known record. The record may have to be read from
// the store first, which takes a job.
type knownLeaf struct {
	proto.Digest
	slot   uint64 // of the record
	number int    // in the record
	read   bool   // Digest has the leaf
}

// leaf returns the leaf of a shard, and whether it is known.
func (l *leaves) leaf(g uint32, shard int) (leaf knownLeaf, known bool) {
	leaf = knownLeaf{slot: l.slot(g, shard/l.tree.Leaves), number: shard % l.tree.Leaves}
	if !l.known.has(leaf.slot) {
		return leaf, false
	}
	if b := l.cache.get(leaf.slot); b != nil {
		leaf.take(b)
	}
	return leaf, true
}

// take takes the leaf out of its record.
func (k *knownLeaf) take(record []byte) {
	k.Digest, k.read = proto.DigestRecord{Record: record}.Leaf(k.number), true
}

// maxReread bounds how many records a job gives to the cache.
const maxReread = 8

// A recordReader reads records for a job, each once if leaves are asked for in the
// order of their shards. The last ones go to the cache afterwards.
type recordReader struct {
	leaves *leaves // run uses only fields that never change
	store  io.ReaderAt
	last   []storedRecord // at most maxReread
}

// A storedRecord is a record that was read.
type storedRecord struct {
	slot   uint64
	record []byte
}

// complete reads a leaf unless that has been done.
func (r *recordReader) complete(k *knownLeaf) error {
	if k.read {
		return nil
	}
	if n := len(r.last); n == 0 || r.last[n-1].slot != k.slot {
		if n == maxReread {
			r.last = append(r.last[:0], r.last[1:]...)
		}
		b := make([]byte, r.leaves.tree.RecordLen())
		if err := r.leaves.read(r.store, k.slot, b); err != nil {
			return err
		}
		r.last = append(r.last, storedRecord{k.slot, b})
	}
	k.take(r.last[len(r.last)-1].record)
	return nil
}

// done puts the records that were read last into the cache.
func (r *recordReader) done() {
	for _, s := range r.last {
		r.leaves.cache.put(s.slot, s.record)
	}
}
