// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"crypto/sha256"
	"io"

	"iotupd/proto"
)

// leaves are the hash records of an object that are known. They lie in the store
// behind the object, each as the payload of its DIGEST packet, so that a later
// run finds them and can verify them again; in memory there is a bit for each,
// and a cache. Records that were rebuilt from others have no proof and a zero in
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
		start:  alignUp(int64(t.Size)),
		known:  newBitset(t.Total()),
		counts: make([]recordCount, t.Groups),
		hasher: proto.NewHasher(),
		cache:  newRecordCache(t, memory),
	}
}

// slot returns the number of a record in the workspace: records that are sent one
// after the other are adjacent.
func (l *leaves) slot(g uint32, record int) uint64 {
	return uint64(record)*l.tree.Groups + uint64(g)
}

// offset returns the position of a slot in the store.
func (l *leaves) offset(slot uint64) int64 { return l.start + int64(slot)*int64(l.tree.ShardSize) }

// size returns how many bytes of the store the records take.
func (l *leaves) size() int64 { return int64(l.tree.Total()) * int64(l.tree.ShardSize) }

// recordAt returns the position of the record within a slot.
func (l *leaves) recordAt() int { return sha256.Size + l.tree.Depth*proto.DigestLen }

func (l *leaves) hasRecord(g uint32, record int) bool { return l.known.has(l.slot(g, record)) }

// addRecord notes that a record is in its slot.
func (l *leaves) addRecord(g uint32, record int) {
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

// rebuildable reports whether missing records of a group can be computed from the
// known ones.
func (l *leaves) rebuildable(g uint32) bool {
	c := l.counts[g]
	return !c.queued && !l.allLeaves(g) && int(c.leaf)+int(c.parity) >= l.tree.Records
}

// addRecords is addRecord for a set of slots.
func (l *leaves) addRecords(slots bitset) {
	for slot := range l.tree.Total() {
		if slots.has(slot) {
			l.addRecord(uint32(slot%l.tree.Groups), int(slot/l.tree.Groups))
		}
	}
}

// knownOf returns which of the records of leaves of a group are known.
func (l *leaves) knownOf(g uint32) []bool {
	known := make([]bool, l.tree.Records)
	for i := range known {
		known[i] = l.hasRecord(g, i)
	}
	return known
}

// read fills b with a record that is known.
func (l *leaves) read(from io.ReaderAt, slot uint64, b []byte) error {
	_, err := from.ReadAt(b, l.offset(slot)+int64(l.recordAt()))
	return storeError("read back", err)
}

// readAll returns the leaves of a group; leaves of unknown records are zero.
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

// A recordCache holds recently used records. Each slot maps to one entry. The
// records of a row of all groups, which are used together, have consecutive slots
// and so do not evict each other.
type recordCache struct {
	memory []byte
	slots  []uint64 // slot of every entry, plus one; zero: the entry is empty
	length int      // of a record, in bytes
}

func newRecordCache(t proto.Tree, memory int) recordCache {
	n := max(1, min(uint64(max(0, memory)/t.RecordLen()), t.Groups*uint64(t.Records)))
	return recordCache{memory: make([]byte, int(n)*t.RecordLen()), slots: make([]uint64, n), length: t.RecordLen()}
}

// get returns the record of a slot, nil if it is not there.
func (c *recordCache) get(slot uint64) []byte {
	i := slot % uint64(len(c.slots))
	if c.slots[i] != slot+1 {
		return nil
	}
	return c.memory[int(i)*c.length:][:c.length]
}

// put fills the entry of a slot.
func (c *recordCache) put(slot uint64, record []byte) {
	i := slot % uint64(len(c.slots))
	c.slots[i] = slot + 1
	copy(c.memory[int(i)*c.length:][:c.length], record)
}
