// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"crypto/sha256"
	"io"

	"iotupd/proto"
)

// workspaceAlign is a multiple of the block of every usual file system.
const workspaceAlign = 4096

// leaves are the hash records of an object that are known. They lie in the
// store behind the object, each as the payload of its DIGEST packet, so that a
// later run finds them and can prove them again; memory has a bit for each, and
// a cache. Records that were rebuilt from others have no proof and a zero in
// its place.
type leaves struct {
	tree  proto.Tree
	start int64 // of the workspace in the store

	known   bitset        // by slot
	counts  []recordCount // by group
	records uint64        // of leaves, known

	hasher *proto.Hasher
	cache  recordCache
}

// A recordCount counts the known records of a group.
type recordCount struct {
	leaf, parity uint16
	queued       bool // the missing ones are to be rebuilt
}

// newLeaves returns an empty set for an object with tree t. The cache takes
// memory bytes at most.
func newLeaves(t proto.Tree, memory int) *leaves {
	return &leaves{
		tree:   t,
		start:  workspaceStart(t.Size),
		known:  newBitset(t.Total()),
		counts: make([]recordCount, t.Groups),
		hasher: proto.NewHasher(),
		cache:  newRecordCache(t, memory),
	}
}

func workspaceStart(size uint64) int64 {
	return int64((size + workspaceAlign - 1) / workspaceAlign * workspaceAlign)
}

// slot returns where a record stands in the workspace: records that travel
// together lie together.
func (l *leaves) slot(g uint32, record int) uint64 {
	return uint64(record)*l.tree.Groups + uint64(g)
}

// offset returns the position of a slot in the store.
func (l *leaves) offset(slot uint64) int64 { return l.start + int64(slot)*int64(l.tree.ShardSize) }

// end returns the size of the store that holds object and workspace, with the
// trailer that names the object.
func (l *leaves) end() int64 { return l.offset(l.tree.Total()) + trailerLen }

// recordAt returns the position of the record within a slot.
func (l *leaves) recordAt() int { return sha256.Size + l.tree.Depth*proto.DigestLen }

func (l *leaves) has(g uint32, record int) bool { return l.known.has(l.slot(g, record)) }

// add records that a record is in its slot.
func (l *leaves) add(g uint32, record int) {
	l.known.set(l.slot(g, record))
	if record < l.tree.Records {
		l.counts[g].leaf++
		l.records++
	} else {
		l.counts[g].parity++
	}
}

// allLeaves reports whether all leaves of a group are known.
func (l *leaves) allLeaves(g uint32) bool { return int(l.counts[g].leaf) == l.tree.Records }

// rebuildable reports whether records of a group are missing that the others
// give.
func (l *leaves) rebuildable(g uint32) bool {
	c := l.counts[g]
	return !c.queued && !l.allLeaves(g) && int(c.leaf)+int(c.parity) >= l.tree.Records
}

// addAll is add of a set of slots.
func (l *leaves) addAll(slots bitset) {
	for slot := range l.tree.Total() {
		if slots.has(slot) {
			l.add(uint32(slot%l.tree.Groups), int(slot/l.tree.Groups))
		}
	}
}

// of returns which of the records of leaves of a group are known.
func (l *leaves) of(g uint32) []bool {
	known := make([]bool, l.tree.Records)
	for i := range known {
		known[i] = l.has(g, i)
	}
	return known
}

// read fills b with a record that is known.
func (l *leaves) read(from io.ReaderAt, slot uint64, b []byte) error {
	_, err := from.ReadAt(b, l.offset(slot)+int64(l.recordAt()))
	return storeError("read back", err)
}

// readAll returns the leaves of a group; those of records that are not known are
// zero.
func (l *leaves) readAll(from io.ReaderAt, g uint32, known []bool) ([]proto.Digest, error) {
	all := make([]proto.Digest, len(known)*l.tree.Leaves)
	record := make([]byte, l.tree.RecordLen())
	for i, k := range known {
		if !k {
			continue
		}
		if err := l.read(from, l.slot(g, i), record); err != nil {
			return nil, err
		}
		for j := range l.tree.Leaves {
			all[i*l.tree.Leaves+j] = proto.DigestRecord{Record: record}.Leaf(j)
		}
	}
	return all, nil
}

// leaf returns the leaf of a shard, if it is known.
func (l *leaves) leaf(p *places, g uint32, shard int) (leaf proto.Digest, known bool, err error) {
	record, i := shard/l.tree.Leaves, shard%l.tree.Leaves
	slot := l.slot(g, record)
	if !l.known.has(slot) {
		return leaf, false, nil
	}
	b, hit := l.cache.get(slot)
	if !hit {
		if err := l.read(p.store, slot, b); err != nil {
			l.cache.forget(slot)
			return leaf, false, err
		}
	}
	return proto.Digest(b[i*proto.DigestLen:]), true, nil
}

// A recordCache holds recently used records, each in the only entry that its
// slot may have: the records of a row of all groups, which are used at a time,
// have consecutive slots.
type recordCache struct {
	memory []byte
	slots  []uint64 // of the entries, plus one; zero: nothing
	length int      // of a record, in bytes
}

func newRecordCache(t proto.Tree, memory int) recordCache {
	n := max(1, min(uint64(max(0, memory)/t.RecordLen()), t.Groups*uint64(t.Records)))
	return recordCache{memory: make([]byte, int(n)*t.RecordLen()), slots: make([]uint64, n), length: t.RecordLen()}
}

// get returns the entry for a slot, and whether the record is in it. If not,
// the caller fills it.
func (c *recordCache) get(slot uint64) (record []byte, hit bool) {
	i := slot % uint64(len(c.slots))
	hit = c.slots[i] == slot+1
	c.slots[i] = slot + 1
	return c.memory[int(i)*c.length:][:c.length], hit
}

// put fills the entry of a slot.
func (c *recordCache) put(slot uint64, record []byte) {
	b, _ := c.get(slot)
	copy(b, record)
}

func (c *recordCache) forget(slot uint64) { c.slots[slot%uint64(len(c.slots))] = 0 }
