// SPDX-License-Identifier: GPL-2.0-or-later

package proto

import (
	"bytes"
	"reflect"
	"testing"
)

func TestDigestVectors(t *testing.T) {
	h := NewHasher()
	forEachObject(t, func(t *testing.T, v vector, tree Tree) {
		n := nodesOf(t, v, tree)
		records, payloads := v.all("record"), v.all("payload")
		if len(payloads) != len(records) {
			t.Fatalf("%d payloads for %d records", len(payloads), len(records))
		}
		for i, line := range payloads {
			group, index, payload := place(t, line)
			_, _, record := place(t, records[i])
			want := DigestRecord{
				SHA256: [32]byte(v.hex("sha256")),
				Proof:  n.AppendProof([]byte{}, tree.Number(group, index)),
				Record: record,
			}
			got := want.AppendTo([]byte("foo"), tree.ShardSize)
			if !bytes.Equal(got, append([]byte("foo"), payload...)) {
				t.Errorf("record %d of group %d:\n got %x\nwant %x", index, group, got[3:], payload)
			}
			parsed, err := tree.ParseDigest(payload)
			if err != nil || !reflect.DeepEqual(parsed, want) {
				t.Errorf("record %d of group %d: got %+v, %v, want %+v", index, group, parsed, err, want)
			}
			d, err := tree.Descriptor(h, group, index, parsed)
			if got := d.Object().String(); got != v.text("object") || err != nil {
				t.Errorf("record %d of group %d proves %s, %v, want %s", index, group, got, err, v.text("object"))
			}
			for n := range payload {
				if _, err := tree.ParseDigest(payload[:n]); err != ReasonDigest {
					t.Fatalf("%d of %d bytes: got %v, want %v", n, len(payload), err, ReasonDigest)
				}
			}
		}
	})
}

func TestForgedDigestVectors(t *testing.T) {
	// "It MUST do so before a record enters a decoder." spec.md 4.5
	h := NewHasher()
	var tree Tree // of the first object
	object := ""
	forEachVector(t, "digest.txt", func(t *testing.T, v vector) {
		if object == "" {
			tree, object = treeOf(t, v.params()), v.text("object")
		}
		forged := v.text("forged")
		if forged == "" {
			return
		}
		var d Descriptor
		r, err := tree.ParseDigest(v.hex("payload"))
		if err == nil {
			d, err = tree.Descriptor(h, uint32(v.num("group")), int(v.num("index")), r)
		}
		switch {
		case err != nil && err != Reason(forged) || err == nil && forged != "object":
			t.Errorf("got %v, want %s", err, forged)
		case d.Object().String() == object:
			t.Error("proves the object")
		}
	})
}

// exampleDigest is a DIGEST payload of an object of three groups.
func exampleDigest(t testing.TB) (tree Tree, payload []byte, group uint32, index int) {
	tree = treeOf(t, Params{Code: CodeLeopard8, K: 10, M: 5, ShardSize: MinShardSize, Size: 5732})
	h := NewHasher()
	records, nodes := make([][]byte, tree.Total()), make([]Digest, tree.Total())
	for i := range records {
		records[i] = bytes.Repeat([]byte{byte(i + 1)}, tree.RecordLen())
		nodes[i] = h.Record(records[i])
	}
	group, index = 2, 1
	number := tree.Number(group, index)
	proof := NewNodes(tree, nodes).AppendProof(nil, number)
	return tree, DigestRecord{SHA256: [32]byte{1}, Proof: proof, Record: records[number]}.AppendTo(nil, tree.ShardSize), group, index
}

func TestEveryBitOfADigestCounts(t *testing.T) {
	// "A receiver verifies a DIGEST by itself" spec.md 4.5: payload, group and
	// index, and nothing else.
	tree, payload, group, index := exampleDigest(t)
	h := NewHasher()
	proves := func(payload []byte, group uint32, index int) ObjectID {
		r, err := tree.ParseDigest(payload)
		if err != nil {
			return ObjectID{}
		}
		d, err := tree.Descriptor(h, group, index, r)
		if err != nil {
			return ObjectID{}
		}
		return d.Object()
	}
	object := proves(payload, group, index)
	if object == (ObjectID{}) {
		t.Fatal("the unchanged payload is refused")
	}
	for bit := range 8 * len(payload) {
		b := bytes.Clone(payload)
		b[bit/8] ^= 1 << (bit % 8)
		if proves(b, group, index) == object {
			t.Errorf("bit %d of byte %d changed nothing", bit%8, bit/8)
		}
	}
	for bit := range 32 {
		if proves(payload, group^1<<bit, index) == object {
			t.Errorf("bit %d of the group changed nothing", bit)
		}
	}
	for bit := range 16 {
		if proves(payload, group, index^1<<bit) == object {
			t.Errorf("bit %d of the index changed nothing", bit)
		}
	}
}

func TestLeafOfARecord(t *testing.T) {
	tree, _, _, _ := exampleDigest(t)
	r := DigestRecord{Record: make([]byte, tree.RecordLen())}
	for i := range tree.Leaves {
		r.Record[i*DigestLen] = byte(i)
	}
	for i := range tree.Leaves {
		if got, want := r.Leaf(i), (Digest{byte(i)}); got != want {
			t.Errorf("leaf %d: got %x, want %x", i, got, want)
		}
	}
}
