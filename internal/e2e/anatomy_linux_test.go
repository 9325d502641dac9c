// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"bytes"
	"crypto/sha256"
	"math/rand/v2"
	"os"
	"testing"

	"iotupd/fec"
	"iotupd/proto"
	"iotupd/sender"
)

// An anatomy is all that there is of an object: what a partial file of it may
// hold.
type anatomy struct {
	geo     proto.Geometry
	tree    proto.Tree
	file    []byte
	parity  []map[[sha256.Size]byte]int // of every group, its parity shards by their SHA-256
	digests sender.Digests
}

func dissect(t *testing.T, path string, profile fec.Profile) *anatomy {
	t.Helper()
	a := &anatomy{}
	var err error
	if a.file, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	params, err := fec.Policy{Profile: profile}.Params(uint64(len(a.file)))
	if err == nil {
		a.geo, err = params.Geometry()
	}
	if err == nil {
		a.tree, err = a.geo.Tree()
	}
	if err != nil {
		t.Fatal(err)
	}
	a.parity = make([]map[[sha256.Size]byte]int, a.geo.Groups)
	err = fec.Encode(t.Context(), a.geo, bytes.NewReader(a.file), fec.EncodeConfig{Put: func(g uint32, first int, parity []byte) error {
		if first == 0 {
			a.parity[g] = make(map[[sha256.Size]byte]int, a.geo.M)
		}
		for i := range len(parity) / a.geo.ShardSize {
			a.parity[g][sha256.Sum256(parity[i*a.geo.ShardSize:][:a.geo.ShardSize])] = a.geo.K + first + i
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	object, err := sender.Prepare(t.Context(), bytes.NewReader(a.file), params, sender.PrepareConfig{})
	if err != nil {
		t.Fatal(err)
	}
	a.digests = object.Digests
	return a
}

// An autopsy is what a partial file holds of its object.
type autopsy struct {
	data, parity int // shards that are intact, in their places or parked there
	proven       int // intact shards whose leaf the file has as well
	whole        int // data shards of records all of whose leaves are of such
	records      int // of leaves and of parity
}

func (a autopsy) intact() int { return a.data + a.parity }

// examine looks at a partial file, byte by byte.
func (a *anatomy) examine(t *testing.T, path string) (found autopsy) {
	t.Helper()
	part, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// Bytes that are not there match nothing.
	at := func(offset, n int) []byte { return part[min(offset, len(part)):min(offset+n, len(part))] }
	for g := range uint32(a.geo.Groups) {
		records := a.recordsIn(t, g, at)
		found.records += len(records.held)
		seen := make(map[int]bool)
		real := a.geo.RealShards(g)
		inRecord := make([]int, a.tree.Records)
		for i := range real {
			offset, n := int(a.geo.Offset(g, i)), a.geo.ShardLen(g, i)
			b := at(offset, n)
			shard, isParity := a.parity[g][sha256.Sum256(b)]
			switch {
			case bytes.Equal(b, a.file[offset:offset+n]):
				shard = i
				found.data++
				inRecord[i/a.tree.Leaves]++
			case isParity && !seen[shard]:
				seen[shard] = true
				found.parity++
			default:
				continue
			}
			if records.prove(shard) {
				found.proven++
			}
		}
		for j := range a.tree.DataRecords() {
			if n := min((j+1)*a.tree.Leaves, real) - j*a.tree.Leaves; n == inRecord[j] {
				found.whole += n
			}
		}
	}
	return found
}

// A recordSet are the records of a group that a partial file has.
type recordSet struct {
	tree proto.Tree
	held map[int]bool
}

// prove reports whether they give the leaf of a shard.
func (s recordSet) prove(shard int) bool {
	return s.held[shard/s.tree.Leaves] || len(s.held) >= s.tree.Records
}

// recordsIn looks for the records of a group behind the object: record 0 of all
// groups, record 1 of all groups, and so on.
func (a *anatomy) recordsIn(t *testing.T, g uint32, at func(offset, n int) []byte) recordSet {
	t.Helper()
	const align = 4096
	start := (len(a.file) + align - 1) / align * align
	held := make(map[int]bool)
	for i := range a.tree.PerGroup() {
		want, err := a.digests.AppendDigest(nil, g, i)
		if err != nil {
			t.Fatal(err)
		}
		slot := i*int(a.tree.Groups) + int(g)
		if bytes.Equal(at(start+slot*len(want), len(want)), want) {
			held[i] = true
		}
	}
	return recordSet{a.tree, held}
}

// Damage that may take the records with it, which are at the end.
const (
	zeroed   = "zeroed ranges"
	cutShort = "cut short"
)

// damage corrupts a partial file at random, and returns how.
func damage(t *testing.T, rnd *rand.Rand, path string) string {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return "empty"
	}
	size := info.Size()
	what := []string{"nothing", "flipped bits", zeroed, cutShort}[rnd.IntN(4)]
	switch what {
	case "flipped bits":
		for range 1 + rnd.IntN(8) {
			b, at := make([]byte, 1), rnd.Int64N(size)
			f.ReadAt(b, at)
			b[0] ^= 1 << rnd.IntN(8)
			f.WriteAt(b, at)
		}
	case zeroed:
		for range 1 + rnd.IntN(3) {
			f.WriteAt(make([]byte, rnd.Int64N(16<<10)), rnd.Int64N(size))
		}
	case cutShort:
		f.Truncate(rnd.Int64N(size))
	}
	return what
}
