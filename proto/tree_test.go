// SPDX-License-Identifier: GPL-2.0-or-later

package proto

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// shape writes a tree as the vectors do: d, c, R, Q, code of the records.
func shape(t Tree) string {
	return fmt.Sprint(t.Depth, t.Leaves, t.Records, t.Parity, uint8(t.Code))
}

// treeOf returns the tree of parameters that have one.
func treeOf(t testing.TB, p Params) Tree {
	t.Helper()
	g, err := p.Geometry()
	if err != nil {
		t.Fatal(err)
	}
	tree, err := g.Tree()
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestTreeVectors(t *testing.T) {
	forEachVector(t, "tree.txt", func(t *testing.T, v vector) {
		g, err := v.params().Geometry()
		if err != nil {
			t.Fatal(err)
		}
		tree, err := g.Tree()
		if want := v.text("tree"); want == "none" {
			if !errors.Is(err, ErrNoTree) || tree != (Tree{}) {
				t.Errorf("got %+v, %v, want %v", tree, err, ErrNoTree)
			}
		} else if got := shape(tree); got != want || err != nil {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	})
}

func TestEveryTreeKeepsItsPromises(t *testing.T) {
	const seed = 4
	rnd := rand.New(rand.NewPCG(seed, 0))
	trees := 0
	for range 20000 {
		p := Params{
			Code:      Code(rnd.IntN(3)),
			K:         1 + rnd.IntN(1<<(1+rnd.IntN(16))),
			M:         rnd.IntN(1 << rnd.IntN(16)),
			ShardSize: MinShardSize + ShardUnit*rnd.IntN(30),
			Size:      rnd.Uint64() >> rnd.IntN(64),
		}
		g, err := p.Geometry()
		if err != nil {
			continue
		}
		tree, err := g.Tree()
		if errors.Is(err, ErrNoTree) {
			continue
		}
		trees++
		for what, ok := range map[string]bool{
			"the payload fits":                    32+tree.Depth*DigestLen+tree.RecordLen() <= p.ShardSize,
			"every shard has a leaf":              tree.Records*tree.Leaves >= p.K+p.M && (tree.Records-1)*tree.Leaves < p.K+p.M,
			"records can be coded":                tree.Code.Fits(tree.Records, tree.Parity) && tree.RecordLen()%ShardUnit == 0,
			"parity only if there is some":        (tree.Parity > 0) == (p.M > 0) && tree.Parity <= tree.Records,
			"code 1 if it will do":                tree.Code != CodeLeopard16 || !CodeLeopard8.Fits(tree.Records, tree.Parity),
			"a record fits the header":            tree.PerGroup() <= 1<<16,
			"a proof is long enough for the last": tree.Number(uint32(g.Groups-1), tree.PerGroup()-1)>>tree.Depth == 0,
		} {
			if !ok {
				t.Errorf("seed %d: not true of %+v: %s", seed, tree, what)
			}
		}
	}
	if trees < 1000 {
		t.Fatalf("%d trees only", trees)
	}
}

// place splits "group index hex" of a vector.
func place(t *testing.T, line string) (group uint32, index int, b []byte) {
	t.Helper()
	part := strings.Fields(line)
	g, err := strconv.ParseUint(part[0], 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	if index, err = strconv.Atoi(part[1]); err != nil {
		t.Fatal(err)
	}
	return uint32(g), index, unhex(t, strings.Join(part[2:], ""))
}

// vectorFile is the file of the objects in digest.txt.
func vectorFile(size uint64) []byte {
	b := make([]byte, size)
	for i := range b {
		x := uint32(i)
		x ^= x >> 16
		x *= 0x7feb352d
		x ^= x >> 15
		x *= 0x846ca68b
		x ^= x >> 16
		b[i] = byte(x)
	}
	return b
}

// shardsOf returns all K+M shards of every group of an object in digest.txt.
func shardsOf(t *testing.T, v vector, g Geometry) [][][]byte {
	file := vectorFile(g.Size)
	groups := make([][][]byte, g.Groups)
	for group := range groups {
		for i := range g.K {
			shard := make([]byte, g.ShardSize)
			if n := g.ShardLen(uint32(group), i); n > 0 {
				copy(shard, file[g.Offset(uint32(group), i):][:n])
			}
			groups[group] = append(groups[group], shard)
		}
	}
	for _, line := range v.all("parity") {
		group, index, shard := place(t, line)
		if index != len(groups[group]) || len(shard) != g.ShardSize {
			t.Fatalf("parity %d of group %d is out of order", index, group)
		}
		groups[group] = append(groups[group], shard)
	}
	return groups
}

func TestFileHashEqualsTheHashesOfTheFileAndItsShards(t *testing.T) {
	h, ok := NewFileHash()
	if !ok {
		t.Skip("this machine would gain nothing")
	}
	hasher, file := NewHasher(), make([]byte, 10*DefaultShardSize+777)
	rand.NewChaCha8([32]byte{3}).Read(file)
	rest := file
	for ; len(rest) >= DefaultShardSize; rest = rest[DefaultShardSize:] {
		shard := rest[:DefaultShardSize]
		if got, want := h.Shard(shard), hasher.Leaf(shard); got != want {
			t.Fatalf("leaf %x, want %x", got, want)
		}
	}
	if got, want := h.Sum(rest), sha256.Sum256(file); got != want {
		t.Errorf("SHA-256 %x, want %x", got, want)
	}
}

func TestLeafVectors(t *testing.T) {
	h, pieces := NewHasher(), NewLeafHash()
	forEachObject(t, func(t *testing.T, v vector, tree Tree) {
		g, err := tree.Params.Geometry()
		if err != nil {
			t.Fatal(err)
		}
		for group, shards := range shardsOf(t, v, g) {
			var got, inPieces []byte
			for i, shard := range shards {
				leaf := h.Leaf(shard)
				if a, b := h.Leaves(shard, shards[0]); a != leaf || !bytes.HasPrefix(append(got, a[:]...), b[:]) {
					t.Errorf("group %d: shards %d and 0 at once have leaves %x and %x", group, i, a, b)
				}
				got = append(got, leaf[:]...)
				pieces.Reset()
				pieces.Write(shard[:100])
				pieces.Write(shard[100:])
				leaf = pieces.Leaf()
				inPieces = append(inPieces, leaf[:]...)
			}
			want := unhex(t, v.all("leaves")[group])
			if !bytes.Equal(got, want) || !bytes.Equal(inPieces, want) {
				t.Errorf("group %d:\n got %x\n and %x\nwant %x", group, got, inPieces, want)
			}

			// A record is its leaves, and zeros where there is no shard.
			want = append(want, make([]byte, tree.Records*tree.RecordLen()-len(want))...)
			for _, line := range v.all("record") {
				g, index, record := place(t, line)
				if int(g) == group && index < tree.Records && !bytes.Equal(record, want[index*tree.RecordLen():][:tree.RecordLen()]) {
					t.Errorf("record %d of group %d is not of its leaves", index, group)
				}
			}
		}
	})
}

func TestNodeVectors(t *testing.T) {
	forEachObject(t, func(t *testing.T, v vector, tree Tree) {
		n := nodesOf(t, v, tree)
		levels := v.all("level")
		if len(n.levels) != len(levels) || len(levels) != tree.Depth+1 {
			t.Fatalf("%d levels, want %d", len(n.levels), len(levels))
		}
		for l, line := range levels {
			var got []byte
			for i := range 1 << (tree.Depth - l) {
				node := at(n.levels[l], i)
				got = append(got, node[:]...)
			}
			if want := unhex(t, line); !bytes.Equal(got, want) {
				t.Errorf("level %d:\n got %x\nwant %x", l, got, want)
			}
		}
		root := n.Root()
		d := Descriptor{Params: tree.Params, SHA256: [32]byte(v.hex("sha256")), Root: root}
		if got := d.Object().String(); !bytes.Equal(root[:], v.hex("root")) || got != v.text("object") {
			t.Errorf("root %x, object %s, want %s, %s", root, got, v.text("root"), v.text("object"))
		}
	})
}

// nodesOf builds the tree over the records of an object in digest.txt.
func nodesOf(t *testing.T, v vector, tree Tree) *Nodes {
	t.Helper()
	h := NewHasher()
	var nodes []Digest
	for _, line := range v.all("record") {
		group, index, record := place(t, line)
		if tree.Number(group, index) != uint64(len(nodes)) || len(record) != tree.RecordLen() {
			t.Fatalf("record %d of group %d is out of order", index, group)
		}
		nodes = append(nodes, h.Record(record))
	}
	if uint64(len(nodes)) != tree.Total() {
		t.Fatalf("%d records, want %d", len(nodes), tree.Total())
	}
	return NewNodes(tree, nodes)
}

// forEachObject runs test on the objects of digest.txt.
func forEachObject(t *testing.T, test func(t *testing.T, v vector, tree Tree)) {
	t.Helper()
	forEachVector(t, "digest.txt", func(t *testing.T, v vector) {
		if v.text("forged") != "" {
			return
		}
		tree := treeOf(t, v.params())
		if got, want := shape(tree), v.text("tree"); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
		test(t, v, tree)
	})
}
