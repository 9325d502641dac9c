// SPDX-License-Identifier: GPL-2.0-or-later

package fec

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"iotupd/proto"
)

func tree(t testing.TB, p proto.Params) proto.Tree {
	t.Helper()
	g, err := p.Geometry()
	if err != nil {
		t.Fatal(err)
	}
	tree, err := g.Tree()
	if err != nil {
		t.Fatalf("%+v: %v", p, err)
	}
	return tree
}

// newRecords returns random records of one group with their parity.
func newRecords(t testing.TB, tree proto.Tree, rnd *rand.Rand) (*Records, [][]byte) {
	t.Helper()
	r, err := NewRecords(tree)
	if err != nil {
		t.Fatal(err)
	}
	records := make([][]byte, tree.PerGroup())
	for i := range records {
		records[i] = make([]byte, tree.RecordLen())
		for j := range records[i] {
			records[i][j] = byte(rnd.Uint32())
		}
	}
	if err := r.Encode(records); err != nil {
		t.Fatalf("%+v: %v", tree, err)
	}
	return r, records
}

func TestAnyRRecordsRebuildTheOthers(t *testing.T) {
	// "Any R of the R+Q records of a group give all its leaves." spec.md 4.5
	rnd := newRand(t)
	for range 200 {
		p, err := Policy{
			Profile:   Profile(rnd.IntN(4)),
			Parity:    max(-1, rnd.IntN(200)-10) * 100,
			ShardSize: 512 + proto.ShardUnit*rnd.IntN(20),
		}.Params(rnd.Uint64N(1 << (8 + rnd.IntN(20))))
		if errors.Is(err, ErrPolicy) {
			continue // more parity than the code can make
		}
		tree := tree(t, p)
		r, want := newRecords(t, tree, rnd)
		got := make([][]byte, len(want))
		order := rnd.Perm(len(want))
		for n, i := range order {
			got[i] = bytes.Clone(want[i])
			if n >= tree.Records {
				clear(got[i])
				got[i] = got[i][:0]
			}
		}

		lost := order[0]
		kept := got[lost]
		got[lost] = nil
		if err := r.Rebuild(got); !errors.Is(err, ErrTooFewShards) {
			t.Fatalf("%+v: one record too few: got %v, want %v", tree, err, ErrTooFewShards)
		}

		got[lost] = kept
		places := slices.Clone(got)
		if err := r.Rebuild(got); err != nil {
			t.Fatalf("%+v: %v", tree, err)
		}
		for i := range tree.Records {
			if !bytes.Equal(got[i], want[i]) {
				t.Fatalf("%+v: record %d is not rebuilt", tree, i)
			}
			if &got[i][0] != &places[i][:1][0] {
				t.Fatalf("%+v: record %d was rebuilt elsewhere", tree, i)
			}
		}
	}
}

func TestRecordsNeedNoCoderUntilOneIsLost(t *testing.T) {
	// A receiver that loses nothing needs neither its memory nor its tables.
	p := proto.Params{Code: proto.CodeLeopard16, K: 8192, M: 8192, ShardSize: 512, Size: 8192 * 512}
	tree := tree(t, p)
	if tree.Code != proto.CodeLeopard16 {
		t.Fatalf("records of %v, want %v", tree.Code, proto.CodeLeopard16)
	}
	_, records := newRecords(t, tree, newRand(t))
	r, err := NewRecords(tree)
	if err != nil {
		t.Fatal(err)
	}
	clear(records[tree.Records:])
	if err := r.Rebuild(records); err != nil || r.rebuilder != nil {
		t.Errorf("nothing lost: got %v and a rebuilder %t, want none", err, r.rebuilder != nil)
	}
	records[3] = records[3][:0]
	if err := r.Rebuild(records); !errors.Is(err, ErrTooFewShards) || r.rebuilder != nil {
		t.Errorf("too much lost: got %v and a rebuilder %t, want %v and none", err, r.rebuilder != nil, ErrTooFewShards)
	}
}

func TestRecordsWithoutParity(t *testing.T) {
	tree := tree(t, proto.Params{K: 500, ShardSize: 1152, Size: 500 * 1152})
	r, records := newRecords(t, tree, newRand(t))
	if err := r.Rebuild(records); err != nil {
		t.Error(err)
	}
	records[0] = nil
	if err := r.Rebuild(records); !errors.Is(err, ErrTooFewShards) {
		t.Errorf("got %v, want %v", err, ErrTooFewShards)
	}
}

func TestRecordsOfAnImpossibleTree(t *testing.T) {
	for _, tree := range []proto.Tree{
		{},
		{Code: proto.CodeNone, Records: 3, Parity: 1},
		{Code: proto.CodeLeopard8, Records: 200, Parity: 100},
	} {
		if _, err := NewRecords(tree); err == nil {
			t.Errorf("%+v: no error", tree)
		}
	}
}

func TestGoldenRecords(t *testing.T) {
	for _, v := range []struct {
		code            proto.Code
		records, parity int
		leaves          int
	}{
		{proto.CodeLeopard8, 1, 1, 4},
		{proto.CodeLeopard8, 3, 3, 64},
		{proto.CodeLeopard8, 158, 54, 52},
		{proto.CodeLeopard16, 274, 274, 56},
	} {
		tree := proto.Tree{Code: v.code, Records: v.records, Parity: v.parity, Leaves: v.leaves}
		size := tree.RecordLen()
		name := fmt.Sprintf("records-%v-%d+%d.txt", v.code, v.records, v.parity)
		t.Run(name, func(t *testing.T) {
			r, err := NewRecords(tree)
			if err != nil {
				t.Fatal(err)
			}
			memory := append(goldenFile(v.records, size), make([]byte, v.parity*size)...)
			if err := r.Encode(slices.Collect(slices.Chunk(memory, size))); err != nil {
				t.Fatal(err)
			}
			parity := memory[v.records*size:]

			var got bytes.Buffer
			fmt.Fprintf(&got, goldenHead, v.code, v.records, v.parity, size)
			for q := range v.parity {
				record := parity[q*size:][:size]
				fmt.Fprintf(&got, "%d %x %x\n", v.records+q, record[:16], sha256.Sum256(record))
			}
			fmt.Fprintf(&got, "all %x\n", sha256.Sum256(parity))
			compareGolden(t, filepath.Join("testdata", name), got.Bytes())
		})
	}
}
