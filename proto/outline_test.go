// SPDX-License-Identifier: GPL-2.0-or-later

package proto

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// ranges lists the ranges of which OUTLINEs are sent.
func (t Tree) ranges() (all []uint64) {
	for i, ok := t.NextOutline(0); ok; i, ok = t.NextOutline(i + 1) {
		all = append(all, i)
	}
	return all
}

// forEachOutlined runs test on the objects of outline.txt.
func forEachOutlined(t *testing.T, test func(t *testing.T, v vector, tree Tree)) {
	t.Helper()
	forEachVector(t, "outline.txt", func(t *testing.T, v vector) {
		if v.text("forged") == "" {
			test(t, v, treeOf(t, v.params()))
		}
	})
}

func TestOutlineRangeVectors(t *testing.T) {
	forEachOutlined(t, func(t *testing.T, v vector, tree Tree) {
		all := tree.ranges()
		if got := fmt.Sprint(tree.OutlineLevel(), tree.DataRecords(), len(all)); got != v.text("outline") {
			t.Errorf("got %s, want %s", got, v.text("outline"))
		}
		got := strings.Trim(fmt.Sprint(all), "[]")
		if want, listed := v.fields["ranges"]; listed && got != want[0] {
			t.Errorf("ranges %s, want %s", got, want[0])
		}
		geo, err := tree.Params.Geometry()
		if err != nil {
			t.Fatal(err)
		}
		for i := range tree.Outlines() + 2 {
			h := Header{Type: TypeOutline, Params: tree.Params, Group: uint32(i)}
			if got, want := geo.Admits(&h) == nil, slices.Contains(all, i); got != want {
				t.Errorf("range %d is admitted: %v, want %v", i, got, want)
			}
		}
	})
}

// numbered splits "number hex" of a vector.
func numbered(t *testing.T, line string) (number uint32, b []byte) {
	t.Helper()
	part := strings.Fields(line)
	n, err := strconv.ParseUint(part[0], 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(n), unhex(t, strings.Join(part[1:], ""))
}

// plainNodes builds the tree over a file of outline.txt that has no parity.
func plainNodes(t *testing.T, tree Tree) (n *Nodes, records [][]byte) {
	t.Helper()
	g, err := tree.Params.Geometry()
	if err != nil {
		t.Fatal(err)
	}
	h, file := NewHasher(), vectorFile(tree.Size)
	var nodes []Digest
	for group := range uint32(tree.Groups) {
		leaves := make([]byte, 0, tree.Records*tree.RecordLen())
		for i := range tree.K {
			shard := make([]byte, tree.ShardSize)
			if n := g.ShardLen(group, i); n > 0 {
				copy(shard, file[g.Offset(group, i):][:n])
			}
			leaf := h.Leaf(shard)
			leaves = append(leaves, leaf[:]...)
		}
		for record := range slices.Chunk(leaves[:cap(leaves)], tree.RecordLen()) {
			records, nodes = append(records, record), append(nodes, h.Record(record))
		}
	}
	return NewNodes(tree, nodes), records
}

func TestOutlineVectors(t *testing.T) {
	h := NewHasher()
	forEachOutlined(t, func(t *testing.T, v vector, tree Tree) {
		payloads := v.all("payload")
		if len(payloads) > 0 && len(payloads) != len(tree.ranges()) {
			t.Fatalf("%d payloads of %d ranges", len(payloads), len(tree.ranges()))
		}
		for _, line := range payloads {
			i, payload := numbered(t, line)
			o, err := tree.ParseOutline(payload)
			if err != nil {
				t.Fatal(err)
			}
			if got := o.AppendTo([]byte("foo"), tree.ShardSize); !bytes.Equal(got, append([]byte("foo"), payload...)) {
				t.Errorf("range %d:\n got %x\nwant %x", i, got[3:], payload)
			}
			d, err := tree.OutlineDescriptor(i, o)
			if got := d.Object().String(); got != v.text("object") || err != nil {
				t.Errorf("range %d proves %s, %v, want %s", i, got, err, v.text("object"))
			}
			for n := range payload {
				if _, err := tree.ParseOutline(payload[:n]); err != ReasonDigest {
					t.Fatalf("%d of %d bytes: got %v, want %v", n, len(payload), err, ReasonDigest)
				}
			}
			if tree.M > 0 {
				continue // its records are in digest.txt
			}
			nodes, records := plainNodes(t, tree)
			want := nodes.AppendOutline(Outline{SHA256: [32]byte(v.hex("sha256")), Proof: []byte{}}, tree, i)
			if !reflect.DeepEqual(o, want) {
				t.Errorf("range %d: got %x, want %x", i, o, want)
			}
			first, end := tree.OutlineRange(i)
			for n, record := range records[first:end] {
				group, index := tree.RecordAt(first + uint64(n))
				d, err := tree.Descriptor(h, group, index, tree.Unfold(i, o, n, record))
				if got := d.Object().String(); got != v.text("object") || err != nil || h.Record(record) != o.Node(n) {
					t.Errorf("record %d of range %d proves %s, %v, want %s", n, i, got, err, v.text("object"))
				}
			}
		}
	})
}

func TestOutlinesUnfoldToDigestVectors(t *testing.T) {
	// "With its record, each node gives the DIGEST of that." spec.md 4.6
	forEachObject(t, func(t *testing.T, v vector, tree Tree) {
		n := nodesOf(t, v, tree)
		payloads := v.all("payload")
		for i := range uint32(tree.Outlines()) {
			o := n.AppendOutline(Outline{SHA256: [32]byte(v.hex("sha256"))}, tree, i)
			first, end := tree.OutlineRange(i)
			for number := first; number < end; number++ {
				_, _, want := place(t, payloads[number])
				_, _, record := place(t, v.all("record")[number])
				if got := tree.Unfold(i, o, int(number-first), record).AppendTo(nil, tree.ShardSize); !bytes.Equal(got, want) {
					t.Errorf("record %d:\n got %x\nwant %x", number, got, want)
				}
			}
		}
	})
}

func TestForgedOutlineVectors(t *testing.T) {
	var tree Tree // of the first object
	object := ""
	forEachVector(t, "outline.txt", func(t *testing.T, v vector) {
		if object == "" {
			tree, object = treeOf(t, v.params()), v.text("object")
		}
		forged := v.text("forged")
		if forged == "" {
			return
		}
		var d Descriptor
		o, err := tree.ParseOutline(v.hex("payload"))
		if err == nil {
			d, err = tree.OutlineDescriptor(uint32(v.num("number")), o)
		}
		switch {
		case err != nil && err != Reason(forged) || err == nil && forged != "object":
			t.Errorf("got %v, want %s", err, forged)
		case d.Object().String() == object:
			t.Error("proves the object")
		}
	})
}

// exampleOutline is the last OUTLINE of an object of three groups: the range is
// not full.
func exampleOutline(t testing.TB) (tree Tree, payload []byte, number uint32) {
	tree = treeOf(t, Params{Code: CodeLeopard8, K: 10, M: 5, ShardSize: MinShardSize, Size: 5732})
	nodes := make([]Digest, tree.Total())
	for i := range nodes {
		nodes[i] = Digest{byte(i + 1)}
	}
	o := NewNodes(tree, nodes).AppendOutline(Outline{SHA256: [32]byte{1}}, tree, 1)
	return tree, o.AppendTo(nil, tree.ShardSize), 1
}

func TestEveryBitOfAnOutlineCounts(t *testing.T) {
	// "It proves itself as a DIGEST does" spec.md 4.6: payload and number, and
	// nothing else.
	tree, payload, number := exampleOutline(t)
	proves := func(payload []byte, number uint32) ObjectID {
		o, err := tree.ParseOutline(payload)
		if err != nil {
			return ObjectID{}
		}
		d, err := tree.OutlineDescriptor(number, o)
		if err != nil {
			return ObjectID{}
		}
		return d.Object()
	}
	object := proves(payload, number)
	if object == (ObjectID{}) {
		t.Fatal("the unchanged payload is refused")
	}
	for bit := range 8 * len(payload) {
		b := bytes.Clone(payload)
		b[bit/8] ^= 1 << (bit % 8)
		if proves(b, number) == object {
			t.Errorf("bit %d of byte %d changed nothing", bit%8, bit/8)
		}
	}
	for bit := range 32 {
		if proves(payload, number^1<<bit) == object {
			t.Errorf("bit %d of the number changed nothing", bit)
		}
	}
}

func TestEveryOutlineKeepsItsPromises(t *testing.T) {
	const seed = 5
	rnd := rand.New(rand.NewPCG(seed, 0))
	trees := 0
	for range 20000 {
		g, err := Params{
			Code:      Code(rnd.IntN(3)),
			K:         1 + rnd.IntN(1<<(1+rnd.IntN(16))),
			M:         rnd.IntN(1 << rnd.IntN(16)),
			ShardSize: MinShardSize + ShardUnit*rnd.IntN(30),
			Size:      rnd.Uint64() >> rnd.IntN(64),
		}.Geometry()
		if err != nil {
			continue
		}
		tree, err := g.Tree()
		if err != nil {
			continue
		}
		trees++
		e, slots := tree.OutlineLevel(), tree.ShardSize/DigestLen-2
		number := rnd.Uint64N(tree.Total())
		inData := int(number%uint64(tree.PerGroup())) < tree.DataRecords()
		next := tree.NextDataRecord(number)
		for what, ok := range map[string]bool{
			"the payload fits":                 1<<e+tree.Depth-e <= slots,
			"and is the largest":               e == tree.Depth || 2<<e+tree.Depth-e-1 > slots,
			"data records have data alone":     tree.M == 0 || tree.DataRecords()*tree.Leaves <= tree.K,
			"and are all that do":              tree.M == 0 || (tree.DataRecords()+1)*tree.Leaves > tree.K,
			"the next data record is one":      next == tree.Total() || next%uint64(tree.PerGroup()) < uint64(tree.DataRecords()),
			"a data record is its own next":    inData == (next == number) || next == tree.Total(),
			"its range is outlined":            !inData || tree.outlined(uint32(number>>e)),
			"and within those that there are":  number>>e < tree.Outlines(),
			"a range past the end is not sent": !tree.outlined(uint32(tree.Outlines())),
		} {
			if !ok {
				t.Errorf("seed %d: not true of %+v, record %d: %s", seed, tree, number, what)
			}
		}
	}
	if trees < 1000 {
		t.Fatalf("%d trees only", trees)
	}
}
