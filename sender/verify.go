// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import (
	"context"
	"fmt"
	"io"

	"iotupd/fec"
	"iotupd/proto"
)

// A verifier compares bytes that were read from Keep with the hash tree before
// they are sent. It is not safe for concurrent use; the zero value verifies
// nothing.
type verifier struct {
	keeper *keeper // nil: there is nothing to compare with
	hasher *proto.Hasher
	store  recordStore // where it reads records for itself

	// The records of all groups that have this index. They contain the leaves
	// of a parity row.
	index   int
	records []byte // nil: none were read, or they are too many
	good    []bool // by group: the record was verified
}

// A keeper is the state that all verifiers of an object share. It is immutable.
type keeper struct {
	derived *derived
	nodes   *proto.Nodes
	src     io.ReaderAt
	memory  int // for repairs
	report  func(group uint32, err error) error
}

func newKeeper(d *derived, nodes *proto.Nodes, src io.ReaderAt, cfg PrepareConfig) *keeper {
	return &keeper{derived: d, nodes: nodes, src: src, memory: int(cfg.memory() / 2), report: cfg.Repaired}
}

// verifier returns a verifier, which verifies nothing if there is no keeper.
func (k *keeper) verifier() verifier {
	if k == nil {
		return verifier{}
	}
	return verifier{keeper: k, hasher: proto.NewHasher(), store: recordStore{place: k.derived.records, tree: k.derived.tree}}
}

// verifier returns another one of the same object.
func (v *verifier) verifier() verifier { return v.keeper.verifier() }

func (v *verifier) on() bool { return v.keeper != nil }

// isRecord reports whether b is this record.
func (v *verifier) isRecord(b []byte, group uint32, index int) bool {
	return v.hasher.Record(b) == v.keeper.nodes.Record(v.keeper.derived.tree.Number(group, index))
}

// leaf returns the leaf of a shard of a group, and false if its record is damaged.
func (v *verifier) leaf(group uint32, shard int) (leaf proto.Digest, ok bool, err error) {
	t := v.keeper.derived.tree
	index, n := shard/t.Leaves, t.RecordLen()
	var record []byte
	if all := t.Groups * uint64(n); all > tileBytes {
		if record, err = v.store.readRecord(group, index); err != nil || !v.isRecord(record, group, index) {
			return leaf, false, err
		}
	} else {
		if v.records == nil || v.index != index {
			if err := v.readRecords(index, int(all)); err != nil {
				return leaf, false, err
			}
		}
		record = v.records[int(group)*n:][:n]
		if !v.good[group] && !v.isRecord(record, group, index) {
			return leaf, false, nil
		}
		v.good[group] = true
	}
	return proto.Digest(record[shard%t.Leaves*proto.DigestLen:]), true, nil
}

// readRecords reads the records of all groups that have this index; all is
// their size in bytes.
func (v *verifier) readRecords(index, all int) error {
	if v.good == nil {
		v.good = make([]bool, v.keeper.derived.tree.Groups)
	}
	b := v.records
	if v.records = nil; b == nil {
		b = make([]byte, all)
	}
	if err := v.store.read(b, v.store.position(0, index)); err != nil {
		return err
	}
	clear(v.good)
	v.records, v.index = b, index
	return nil
}

// forget drops the cached records.
func (v *verifier) forget() {
	v.records, v.store.leaves, v.store.parity = nil, run{}, run{}
}

// repair makes parity and records of a group again, from the file. They have to be
// read again, and verified.
func (v *verifier) repair(group uint32) error {
	v.forget()
	err := v.keeper.repair(group)
	if v.keeper.report != nil {
		return v.keeper.report(group, err)
	}
	return err
}

// repair is the part of a repair that all verifiers share.
func (k *keeper) repair(group uint32) error {
	geo, t := k.derived.geo, k.derived.tree
	p := geo.Params
	p.Size = uint64(p.K) * uint64(p.ShardSize)
	one, err := p.Geometry()
	if err != nil {
		return err
	}
	parity, records := parityStore{place: k.derived.parity, geo: geo}, recordStore{place: k.derived.records, tree: t}
	return fec.Encode(context.Background(), one, groupReader{geo, group, k.src}, fec.EncodeConfig{
		Memory: k.memory,
		Put:    func(_ uint32, first int, b []byte) error { return parity.put(group, first, b) },
		Leaves: func(_ uint32, leaves []byte) error {
			m, err := newRecordMaker(t)
			if err != nil {
				return err
			}
			if err := m.encode(leaves); err != nil {
				return err
			}
			for i, record := range m.records {
				if m.hasher.Record(record) != k.nodes.Record(t.Number(group, i)) {
					return fmt.Errorf("%w: group %d differs", ErrNotKept, group)
				}
			}
			return m.write(&records, group)
		},
	})
}

// A groupReader is the data of a group, shard after shard, with zeros for what lies
// past the end of the file.
type groupReader struct {
	geo   proto.Geometry
	group uint32
	src   io.ReaderAt
}

// ReadAt implements [io.ReaderAt].
func (r groupReader) ReadAt(b []byte, offset int64) (n int, err error) {
	size := int64(r.geo.ShardSize)
	for n < len(b) {
		index, column := int((offset+int64(n))/size), int((offset+int64(n))%size)
		at, length := r.geo.Extent(r.group, index)
		part := b[n:min(len(b), n+int(size)-column)]
		inFile := part[:min(len(part), max(0, length-column))]
		if len(inFile) > 0 {
			if err := readFull(r.src, inFile, int64(at)+int64(column)); err != nil {
				return n, err
			}
		}
		clear(part[len(inFile):])
		n += len(part)
	}
	return n, nil
}
