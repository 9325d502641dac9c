// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import (
	"context"
	"crypto/sha256"
	"slices"
	"sync"

	"iotupd/fec"
	"iotupd/proto"
)

// fileDigests are the digests of a file.
type fileDigests struct {
	sum     [sha256.Size]byte
	nodes   *proto.Nodes
	records recordStore
	check   verifier

	proof   []byte        // of the last call
	outline proto.Outline // of the last call
}

func (d *fileDigests) view() Digests {
	v := &fileDigests{sum: d.sum, nodes: d.nodes, records: d.records, check: d.check.verifier()}
	v.records.leaves, v.records.parity = run{}, run{}
	return v
}

// AppendDigest implements [Digests].
func (d *fileDigests) AppendDigest(b []byte, group uint32, index int) ([]byte, error) {
	t := d.records.tree
	record, err := d.readRecord(group, index)
	if err != nil {
		return b, err
	}
	d.proof = d.nodes.AppendProof(d.proof[:0], t.Number(group, index))
	return proto.DigestRecord{SHA256: d.sum, Proof: d.proof, Record: record}.AppendTo(b, t.ShardSize), nil
}

// readRecord returns a record, which is valid until the next call. One that is damaged
// is repaired.
func (d *fileDigests) readRecord(group uint32, index int) ([]byte, error) {
	record, err := d.records.readRecord(group, index)
	if err != nil || !d.check.on() || d.records.memory != nil || d.check.isRecord(record, group, index) {
		return record, err
	}
	if err := d.check.repair(group); err != nil {
		return nil, err
	}
	d.records.leaves, d.records.parity = run{}, run{}
	if record, err = d.records.readRecord(group, index); err == nil && !d.check.isRecord(record, group, index) {
		return nil, errDamagedAgain
	}
	return record, err
}

// AppendOutline implements [Digests].
func (d *fileDigests) AppendOutline(b []byte, number uint32) ([]byte, error) {
	t, o := d.records.tree, &d.outline
	*o = d.nodes.AppendOutline(proto.Outline{SHA256: d.sum, Proof: o.Proof[:0], Nodes: o.Nodes[:0]}, t, number)
	return o.AppendTo(b, t.ShardSize), nil
}

// A recordStore keeps the records of the hash tree: record 0 of all groups,
// record 1 of all groups, and so on, since that is how they travel.
type recordStore struct {
	place
	tree proto.Tree

	// The last reads of a scratch. Records of leaves and of parity alternate.
	leaves, parity run
}

// position returns where a record of a group starts.
func (s *recordStore) position(group uint32, index int) int64 {
	return (int64(index)*int64(s.tree.Groups) + int64(group)) * int64(s.tree.RecordLen())
}

// readRecord returns a record, which is valid until the next call.
func (s *recordStore) readRecord(group uint32, index int) ([]byte, error) {
	at, n := s.position(group, index), s.tree.RecordLen()
	if s.memory != nil {
		return s.memory[at:][:n], nil
	}
	run := &s.leaves
	if index >= s.tree.Records {
		run = &s.parity
	}
	rest := (s.tree.Groups - uint64(group)) * uint64(n) // of this record, of all groups
	ahead := min(rest, uint64(max(n, readAhead)))
	return run.at(s.scratch, s.offset+at, n, s.offset+at, int(ahead))
}

// leaf returns the place of a leaf of a group in memory.
func (s *recordStore) leaf(group uint32, shard int) []byte {
	at := s.position(group, shard/s.tree.Leaves) + int64(shard%s.tree.Leaves)*proto.DigestLen
	return s.memory[at:][:proto.DigestLen]
}

// A recordWriter makes the records of a hash tree, and the nodes over them.
// Puts of different groups may be concurrent.
type recordWriter struct {
	store    *recordStore
	nodes    []proto.Digest
	free     sync.Pool // of *recordMaker
	together bool      // [derived.hashTogether] puts the leaves of data shards
}

func newRecordWriter(d *derived) *recordWriter {
	return &recordWriter{
		store:    &recordStore{place: d.records, tree: d.tree},
		nodes:    make([]proto.Digest, d.tree.Total()),
		together: d.together(),
	}
}

// A recordMaker makes the records of one group at a time.
type recordMaker struct {
	code    *fec.Records
	hasher  *proto.Hasher
	memory  []byte
	records [][]byte // of memory
}

func newRecordMaker(t proto.Tree) (*recordMaker, error) {
	code, err := fec.NewRecords(t)
	m := &recordMaker{code: code, hasher: proto.NewHasher(), memory: make([]byte, t.PerGroup()*t.RecordLen())}
	m.records = slices.Collect(slices.Chunk(m.memory, t.RecordLen()))
	return m, err
}

// encode makes all records of a group from its leaves.
func (m *recordMaker) encode(leaves []byte) error {
	copy(m.memory, leaves) // the rest of the last record stays zero
	return m.code.Encode(m.records)
}

// write writes the records of a group.
func (m *recordMaker) write(store *recordStore, group uint32) error {
	for i, record := range m.records {
		if err := store.write(record, store.position(group, i)); err != nil {
			return err
		}
	}
	return nil
}

// put takes the leaves of one group.
func (w *recordWriter) put(group uint32, leaves []byte) (err error) {
	m, ok := w.free.Get().(*recordMaker)
	if !ok {
		if m, err = newRecordMaker(w.store.tree); err != nil {
			return err
		}
	}
	defer w.free.Put(m)
	if err := m.encode(leaves); err != nil {
		return err
	}
	for i, record := range m.records {
		w.nodes[w.store.tree.Number(group, i)] = m.hasher.Record(record)
	}
	return m.write(w.store, group)
}

// putParity takes the leaves of one group and uses the leaves of its parity
// shards only.
func (w *recordWriter) putParity(group uint32, leaves []byte) {
	for i := w.store.tree.K; i < w.store.tree.K+w.store.tree.M; i++ {
		copy(w.store.leaf(group, i), leaves[i*proto.DigestLen:][:proto.DigestLen])
	}
}

// finish is called when all leaves are there, and returns the nodes of the
// tree; nil if there is no tree.
func (w *recordWriter) finish(ctx context.Context, d *derived) (*proto.Nodes, error) {
	if w == nil {
		return nil, nil
	}
	if w.together {
		n := w.store.tree.RecordLen()
		err := onAllCores(ctx, w.store.tree.Groups, func() func(uint64) error {
			leaves := make([]byte, w.store.tree.Records*n)
			return func(group uint64) error {
				for i := range w.store.tree.Records {
					copy(leaves[i*n:][:n], w.store.memory[w.store.position(uint32(group), i):])
				}
				return w.put(uint32(group), leaves)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	if d.nodes.scratch != nil {
		if err := d.keepNodes(w.nodes); err != nil {
			return nil, err
		}
	}
	return proto.NewNodes(d.tree, w.nodes), nil
}
