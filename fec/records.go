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
	tree  proto.Tree
	coder *coder // nil until needed
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
	if err := r.prepare(); err != nil {
		return err
	}
	copy(r.coder.shards, records)
	return r.coder.encode()
}

// Rebuild fills the missing ones among the first R of the R+Q records of a
// group: those of length 0, in their capacity, which is RecordLen bytes. If
// fewer than R records are there it returns an error that wraps
// [ErrTooFewShards] and changes nothing. What is rebuilt from a wrong record is
// wrong, without an error.
func (r *Records) Rebuild(records [][]byte) error {
	held, whole := 0, true
	for i, record := range records {
		if len(record) > 0 {
			held++
		} else if i < r.tree.Records {
			whole = false
		}
	}
	switch {
	case whole:
		return nil
	case held < r.tree.Records:
		return fmt.Errorf("%w: %d records of the %d it takes", ErrTooFewShards, held, r.tree.Records)
	}
	if err := r.prepare(); err != nil {
		return err
	}
	copy(r.coder.shards, records)
	if err := r.coder.rebuild(); err != nil {
		return err
	}
	copy(records[:r.tree.Records], r.coder.shards)
	return nil
}

// prepare makes the coder, once.
func (r *Records) prepare() (err error) {
	if r.coder == nil {
		// The code asks for no more than a count and a limit that the tree keeps.
		p := proto.Params{Code: r.tree.Code, K: r.tree.Records, M: r.tree.Parity}
		r.coder, err = newCoder(p, decodeWork(p), r.tree.RecordLen())
	}
	return err
}
