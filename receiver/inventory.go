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
	inv.waiting.limit(geo)
	r.waiting.moveTo(&inv.waiting, inv.wire)
	inv.wake()
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

// A seeding copies data shards from a seed whose content is known by the inventory, before
// any leaf is (spec.md 7.4).
type seeding struct {
	seed   io.ReaderAt // nil: there is none
	seeded bitset      // groups that were looked for
}

// startSeeding begins to look for the data shards of all groups.
func (o *object) startSeeding(seed io.ReaderAt) {
	o.seeding = seeding{seed: seed, seeded: newBitset(o.geo.Groups)}
	for g := range uint32(o.geo.Groups) {
		o.seedLater(g)
	}
}

// seedLater queues a look into the seed for the shards of a group. One that is being scanned
// has its turn when that is done.
func (o *object) seedLater(g uint32) {
	if s := &o.seeding; s.seed != nil && !s.seeded.has(uint64(g)) && !o.index.groups[g].scanning {
		o.work.addTask(seedGroup, g)
	}
}

// mayBeSeeded reports whether provisional shards are of use to a group.
func (o *object) mayBeSeeded(g uint32) bool {
	grp := &o.index.groups[g]
	return (grp.state == untouched || grp.state == receiving) && !grp.scanning && !grp.verifiedOnly && !o.seeding.seeded.has(uint64(g))
}

// A seedWork copies the data shards of a group that the seed has. The group takes no packets
// meanwhile.
type seedWork struct {
	*object
	group uint32
	free  []int // places to fill
	found []int
}

func newSeedWork(o *object, g uint32) *seedWork {
	w := &seedWork{object: o, group: g}
	grp := o.index.group(g)
	grp.apply(scanStarted)
	o.seeding.seeded.set(uint64(g))
	for i := range o.geo.RealShards(g) {
		if !o.index.hasShard(g, i) && !grp.taken(i) {
			w.free = append(w.free, i)
		}
	}
	return w
}

func (w *seedWork) run() error {
	b := make([]byte, w.geo.ShardSize)
	for _, i := range w.free {
		if w.aborted.Load() {
			return errAborted
		}
		offset, n := w.geo.Extent(w.group, i)
		if got, _ := w.seeding.seed.ReadAt(b[:n], int64(offset)); got < n {
			continue
		}
		if _, err := w.places.queue.store.WriteAt(b[:n], int64(offset)); err != nil {
			return storeError("write", err)
		}
		w.found = append(w.found, i)
	}
	return nil
}

func (w *seedWork) finish() error {
	g := w.group
	grp := &w.index.groups[g]
	grp.apply(scanDone)
	for _, i := range w.found {
		if grp.state != receiving {
			break
		}
		w.index.addShard(g, i, provisional)
		w.resume.reused++
	}
	if len(w.found) > 0 {
		w.queueCheck(g)
		w.wantRecords(g)
		w.gained(g)
	}
	return nil
}
