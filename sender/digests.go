// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import (
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

	proof   []byte        // of the last call
	outline proto.Outline // likewise
}

func (d *fileDigests) view() Digests {
	v := &fileDigests{sum: d.sum, nodes: d.nodes, records: d.records}
	v.records.leaves, v.records.parity = run{}, run{}
	return v
}

// AppendDigest implements [Digests].
func (d *fileDigests) AppendDigest(b []byte, group uint32, index int) ([]byte, error) {
	t := d.records.tree
	record, err := d.records.record(group, index)
	if err != nil {
		return b, err
	}
	d.proof = d.nodes.AppendProof(d.proof[:0], t.Number(group, index))
	return proto.DigestRecord{SHA256: d.sum, Proof: d.proof, Record: record}.AppendTo(b, t.ShardSize), nil
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

	// What was read of a scratch. Records of leaves and of parity take turns.
	leaves, parity run
}

// position returns where a record of a group starts.
func (s *recordStore) position(group uint32, index int) int64 {
	return (int64(index)*int64(s.tree.Groups) + int64(group)) * int64(s.tree.RecordLen())
}

// record returns a record, which is valid until the next call.
func (s *recordStore) record(group uint32, index int) ([]byte, error) {
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

// A recordWriter makes the records of a hash tree, and the nodes over them.
// Puts of different groups may be concurrent.
type recordWriter struct {
	store *recordStore
	nodes []proto.Digest
	free  sync.Pool // of *recordMaker
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

// put takes the leaves of one group.
func (w *recordWriter) put(group uint32, leaves []byte) (err error) {
	m, ok := w.free.Get().(*recordMaker)
	if !ok {
		if m, err = newRecordMaker(w.store.tree); err != nil {
			return err
		}
	}
	defer w.free.Put(m)
	copy(m.memory, leaves) // the rest of the last record stays zero
	if err := m.code.Encode(m.records); err != nil {
		return err
	}
	for i, record := range m.records {
		w.nodes[w.store.tree.Number(group, i)] = m.hasher.Record(record)
		if err := w.store.write(record, w.store.position(group, i)); err != nil {
			return err
		}
	}
	return nil
}
