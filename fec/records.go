// SPDX-License-Identifier: GPL-2.0-or-later

package fec

import (
	"fmt"

	"iotupd/proto"
)

// Records runs the code of the records of a hash tree (spec.md 4.2): any R of
// the R+Q records of a group rebuild it. It holds its workspace, and makes that
// and the tables of the code when it is first needed. It is not safe for
// concurrent use.
type Records struct {
	tree proto.Tree

	// These are nil until needed.
	encoder   encoder
	rebuilder rebuilder
	used      []int
}

// NewRecords returns the code of the records of t.
func NewRecords(t proto.Tree) (*Records, error) {
	if !t.Code.Fits(t.Records, t.Parity) {
		return nil, fmt.Errorf("fec: %v cannot make %d+%d records", t.Code, t.Records, t.Parity)
	}
	return &Records{tree: t}, nil
}

// Encode fills the last Q of the R+Q records of a group from the others. Each
// has RecordLen bytes. Without parity records it does nothing.
func (r *Records) Encode(records [][]byte) error {
	if r.tree.Parity == 0 {
		return nil
	}
	if r.encoder == nil {
		list, err := newEncoders(r.params(), r.tree.RecordLen(), 1)
		if err != nil {
			return err
		}
		r.encoder = list[0]
	}
	n := r.tree.RecordLen()
	r.encoder.Start(n)
	for i, record := range records[:r.tree.Records] {
		r.encoder.Add(i, record)
	}
	r.encoder.Finish(func(first int, parity []byte) {
		for j := 0; j*n < len(parity); j++ {
			copy(records[r.tree.Records+first+j], parity[j*n:][:n])
		}
	})
	return nil
}

// Rebuild fills the missing ones among the first R of the R+Q records of a
// group: those of length 0, in their capacity, which is RecordLen bytes. If
// fewer than R records are there it returns an error that wraps
// [ErrTooFewShards] and changes nothing. What is rebuilt from a wrong record is
// wrong, without an error.
func (r *Records) Rebuild(records [][]byte) error {
	used, whole := r.used[:0], true
	for i, record := range records {
		if len(record) == 0 {
			whole = whole && i >= r.tree.Records
		} else if len(used) < r.tree.Records {
			used = append(used, i)
		}
	}
	r.used = used
	switch {
	case whole:
		return nil
	case len(used) < r.tree.Records:
		return fmt.Errorf("%w: %d records of the %d it takes", ErrTooFewShards, len(used), r.tree.Records)
	}
	if r.rebuilder == nil {
		var err error
		if r.rebuilder, err = newRebuilder(r.params(), r.tree.RecordLen()); err != nil {
			return err
		}
	}
	r.rebuilder.Choose(used)
	r.rebuilder.Columns(r.tree.RecordLen())
	for _, i := range used {
		copy(r.rebuilder.Row(i), records[i])
		r.rebuilder.Filled(i)
	}
	r.rebuilder.Rebuild()
	for i, record := range records[:r.tree.Records] {
		if len(record) == 0 {
			records[i] = append(record, r.rebuilder.Row(i)...)
		}
	}
	return nil
}

// params returns what the code needs of the parameters: no more than a count and
// a limit that the tree keeps.
func (r *Records) params() proto.Params {
	return proto.Params{Code: r.tree.Code, K: r.tree.Records, M: r.tree.Parity, ShardSize: r.tree.RecordLen()}
}
