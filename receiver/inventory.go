// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"io"

	"iotupd/proto"
)

// An InventoryFunc takes the inventory of an archive (spec.md 6.7), which is complete and
// verified. It returns what files on disk have of the archive, at its offsets: a read ends
// early where they lack bytes. If there are no such files, it returns nil. The error ends the
// transfer.
type InventoryFunc func(m *proto.Manifest, content []byte) (seed io.ReaderAt, err error)

// wantsInventory reports whether the inventory of an archive is to be received.
func (r *Receiver) wantsInventory(m *proto.Manifest) bool {
	return r.cfg.Inventory != nil && r.cfg.Take != TakeAll && m.IsArchive()
}

// memoryOf returns the memory for the object of a manifest, and for its inventory, which are
// received at a time. need is how much both take at least.
func (r *Receiver) memoryOf(m *proto.Manifest, geo proto.Geometry) (b, inventory budget, need uint64, fits bool) {
	cfg := r.cfg
	need = cfg.leastNeed(geo)
	if !r.wantsInventory(m) {
		b, fits = cfg.budget(geo)
		return b, inventory, need, fits
	}
	of, err := m.Inventory.Geometry()
	if err != nil {
		return b, inventory, need, false
	}
	small := cfg
	small.Memory = DefaultMemory
	least := leastNeed(of) + inventoryMemory(of.Size)
	need += least
	if cfg.MemoryLimit > 0 {
		if need > uint64(cfg.MemoryLimit) {
			return b, inventory, need, false
		}
		spare := (cfg.MemoryLimit - int(need)) / 4
		small.MemoryLimit = int(leastNeed(of)) + spare
		small.InMemory = false // inventoryMemory has its bytes
		cfg.MemoryLimit -= int(least) + spare
	}
	b, fits = cfg.budget(geo)
	inventory, ok := small.budget(of)
	return b, inventory, need, fits && ok
}

// inventoryMemory is how much the bytes of an inventory take, and what is made from them.
func inventoryMemory(size uint64) uint64 { return size + size/2 }

// beginInventory begins to receive the inventory of the chosen object, if it is wanted. Its
// packets that have waited are taken over.
func (r *Receiver) beginInventory(o *object, b budget) {
	m := o.manifest
	if !m.IsArchive() {
		return
	}
	id := identity{wire: m.Inventory.Object(), group: o.group}
	if id.group != nil {
		id.wire = id.group.Object(id.wire)
	}
	o.sibling = id.wire
	if !r.wantsInventory(m) {
		return
	}
	geo, err := m.Inventory.Geometry()
	if err != nil {
		return // memoryOf has refused it
	}
	own := &proto.Manifest{Descriptor: m.Inventory, Archive: m.Descriptor.Object()}
	inv := newObject(&r.shared, id, geo, own, b)
	inv.archive = o
	o.inventory = inv
	o.seedFirst = r.cfg.InventoryFirst != nil && r.cfg.InventoryFirst(m)
	inv.waiting.limit(geo)
	r.waiting.moveTo(&inv.waiting, inv.wire)
	inv.wake()
}

// holds reports whether packets wait since files on disk may have what is in them.
func (o *object) holds() bool {
	return o.seedFirst && (o.inventory != nil || o.seeding.seed != nil && (o.seeding.running || o.seeding.next < o.geo.DataShards))
}

// awaitsInventory reports whether an object cannot end before its inventory is read.
func (o *object) awaitsInventory() bool { return o.inventory != nil }

// An inventoryWork has an inventory that has been received be read.
type inventoryWork struct {
	*object
	seed io.ReaderAt
}

func newInventoryWork(o *object) work {
	if o.archive == nil || !o.verified || o.work.running > 0 {
		return nil
	}
	return &inventoryWork{object: o}
}

func (w *inventoryWork) run() (err error) {
	b := make([]byte, w.geo.Size)
	if _, err := w.places.queue.store.ReadAt(b, 0); err != nil && err != io.EOF {
		return storeError("read back", err)
	}
	w.seed, err = w.cfg.Inventory(w.archive.manifest, b)
	return err
}

func (w *inventoryWork) finish() error {
	w.drop()
	w.archive.inventory = nil
	if w.seed != nil && !w.archive.verified {
		w.archive.startSeeding(w.seed)
	}
	w.archive.wake()
	return nil
}

// seedBytes is how much is copied from a seed at a time. Packets of the segment wait
// meanwhile.
const seedBytes = 1 << 20

// A seeding copies data shards from a seed whose content is known by the inventory, before
// any leaf is (spec.md 7.4): in the order of the file, so that each of the files on disk is
// opened once.
type seeding struct {
	seed    io.ReaderAt // nil: there is none
	next    uint64      // data shard to go on with
	running bool
}

// startSeeding begins to look for all data shards.
func (o *object) startSeeding(seed io.ReaderAt) { o.seeding = seeding{seed: seed} }

// A seedWork copies some data shards that follow one another in a segment. Its groups take no
// packets meanwhile.
type seedWork struct {
	*object
	first, end uint64
	groups     []uint32
	wanted     []bool   // whether shard first+i is
	found      []uint64 // shards that were copied
}

// newSeedWork returns nil if there is nothing to copy now: packets that wait have their turn
// before, and so have other comparisons with the disk.
func newSeedWork(o *object) work {
	s := &o.seeding
	if s.seed == nil || s.running || s.next >= o.geo.DataShards || o.resume.waiting > 0 || !o.holds() && !o.waiting.exhausted() {
		return nil
	}
	g, _ := o.geo.DataShard(s.next)
	segment := o.geo.SegmentOf(g)
	from, to := segment.First, segment.First+segment.Groups
	for g := from; g < to; g++ {
		if o.index.groups[g].scanning {
			return nil
		}
	}
	end := min(o.geo.DataShards, to*uint64(o.geo.K), s.next+max(1, seedBytes/uint64(o.geo.ShardSize)))
	w := &seedWork{object: o, first: s.next, end: end, wanted: make([]bool, end-s.next)}
	for g := from; g < to; g++ {
		if w.takes(uint32(g)) {
			o.index.group(uint32(g)).apply(scanStarted)
			w.groups = append(w.groups, uint32(g))
		}
	}
	for n := range w.wanted {
		g, i := o.geo.DataShard(w.first + uint64(n))
		grp := &o.index.groups[g]
		w.wanted[n] = grp.scanning && !o.index.hasShard(g, i) && !grp.taken(i)
	}
	s.running, s.next = true, end
	return w
}

// takes reports whether provisional shards are of use to a group.
func (w *seedWork) takes(g uint32) bool {
	grp := &w.index.groups[g]
	return (grp.state == untouched || grp.state == receiving) && !grp.verifiedOnly
}

func (w *seedWork) run() error {
	size := uint64(w.geo.ShardSize)
	b := make([]byte, min((w.end-w.first)*size, w.geo.Size-w.first*size))
	for n := uint64(0); n < uint64(len(w.wanted)); n++ {
		if w.aborted.Load() {
			return errAborted
		}
		if !w.wanted[n] {
			continue
		}
		at := n * size
		got, _ := w.seeding.seed.ReadAt(b[at:], int64(w.first*size+at))
		whole := n + uint64(got)/size
		if at+uint64(got) == uint64(len(b)) {
			whole = uint64(len(w.wanted))
		}
		if err := w.copy(b, n, whole); err != nil {
			return err
		}
		n = whole // which the seed lacks
	}
	return nil
}

// copy writes the wanted ones of some shards, those that are adjacent at once.
func (w *seedWork) copy(b []byte, from, to uint64) error {
	size := uint64(w.geo.ShardSize)
	for n := from; n < to; n++ {
		if !w.wanted[n] {
			continue
		}
		start := n
		for ; n < to && w.wanted[n]; n++ {
			w.found = append(w.found, w.first+n)
		}
		part := b[start*size : min(n*size, uint64(len(b)))]
		if _, err := w.places.queue.store.WriteAt(part, int64((w.first+start)*size)); err != nil {
			return storeError("write", err)
		}
	}
	return nil
}

func (w *seedWork) finish() error {
	w.seeding.running = false
	for _, g := range w.groups {
		w.index.groups[g].apply(scanDone)
	}
	for _, n := range w.found {
		if g, i := w.geo.DataShard(n); w.index.groups[g].state == receiving {
			w.index.addShard(g, i, provisional)
			w.resume.reused++
		}
	}
	for _, g := range w.groups {
		w.queueCheck(g)
		w.wantRecords(g)
		w.gained(g)
	}
	return nil
}
