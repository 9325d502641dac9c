// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"context"
	"slices"

	"iotupd/fec"
	"iotupd/proto"
)

// overwritten describes a group that is reencoding, whose parity was overwritten.
type overwritten struct {
	shards []uint16 // that the group was decoded from
	scan   bool     // scan the places of the group when its parity has been computed
}

// invalidate drops the provisional shards of a complete group. If the group was
// decoded, its parity has to be computed again first, and until then it takes no
// packets.
func (o *object) invalidate(g uint32) {
	var lost []uint16
	for i := o.geo.K; i < o.geo.K+o.geo.M; i++ {
		if o.index.hasShard(g, i) {
			lost = append(lost, uint16(i))
		}
	}
	o.rebuilt -= uint64(len(lost))
	if len(lost) == 0 || reencodeMemory(o.geo.Params) > int64(o.decoders.memory) {
		o.index.dropProvisional(g, invalidated)
		return
	}
	o.index.dropProvisional(g, parityLost)
	if o.overwritten == nil {
		o.overwritten = make(map[uint32]*overwritten)
	}
	o.overwritten[g] = &overwritten{shards: lost}
	o.enlist(reencodeGroup, g)
}

// reencodeMemory returns the least memory, in bytes, for computing the parity of
// a group: all parity, and a strip of the data and of the code's workspace.
func reencodeMemory(p proto.Params) int64 {
	const strip = 64
	return int64(p.M)*int64(p.ShardSize) + int64(p.K+4*p.M)*strip
}

// A reencodeWork computes the parity again that was overwritten when its group
// was decoded from forged shards. The decoded data is wrong, but it belongs to
// the same code word as all shards that it was decoded from. So encoding it
// yields every parity shard among them. Leaves show which of them are genuine
// (spec.md 7.3).
type reencodeWork struct {
	*object
	source *decodeTask // places of the group; those of missing shards hold the wrong result
	lost   []uint16
	leaves *leaves // run uses only fields that never change
	known  []bool  // records of leaves

	all      []proto.Digest // leaves of the group
	free     []int          // places for parity
	restored []parkedShard  // what is parked again
}

// newReencodeWork takes the memory of all decoders, so that none may be at work.
func newReencodeWork(o *object, g uint32) *reencodeWork {
	o.decoders.release()
	o.work.reencoding = true
	w := &reencodeWork{object: o, source: newDecodeTask(o, g), lost: o.overwritten[g].shards, leaves: o.leaves, known: o.leaves.knownOf(g)}
	return w
}

func (w *reencodeWork) run() error {
	p := w.source.geo.Params
	p.Size = uint64(p.K) * uint64(p.ShardSize)
	geo, err := p.Geometry()
	if err != nil {
		return err
	}
	cfg := fec.EncodeConfig{Memory: w.decoders.memory, Workers: w.cfg.Workers}
	cfg.Put = func(_ uint32, first int, parity []byte) error { return w.park(first, parity) }
	return fec.Encode(context.Background(), geo, w, cfg)
}

// finish adds the restored parity to the index. From then on the group takes
// packets.
func (w *reencodeWork) finish() error {
	w.work.reencoding = false
	g := w.source.group
	grp := &w.index.groups[g]
	grp.apply(reencodeDone)
	if w.overwritten[g].scan {
		w.work.addTask(scanGroup, g)
	}
	delete(w.overwritten, g)
	for _, p := range w.restored {
		grp.park(int(p.place), int(p.index))
		w.index.addShard(g, int(p.index), verified)
	}
	if len(w.restored) > 0 {
		w.gained(g)
	}
	return nil
}

// ReadAt reads the data shards of the group, end to end.
func (w *reencodeWork) ReadAt(b []byte, offset int64) (n int, err error) {
	size := int64(w.source.geo.ShardSize)
	for n < len(b) {
		at := offset + int64(n)
		shard, column := int(at/size), int(at%size)
		part := b[n:][:min(int(size)-column, len(b)-n)]
		if err := w.source.read(shard, column, part); err != nil {
			return n, err
		}
		n += len(part)
	}
	return n, nil
}

// park writes the shards that match their leaves to the places of data shards
// that were given up, the highest first, except places that are too short. There
// are enough places, since the forged shard needs none. It takes parity from
// number first on. All data of the group have been read by then.
func (w *reencodeWork) park(first int, parity []byte) error {
	geo, h := w.source.geo, proto.NewHasher()
	if err := w.readLeaves(); err != nil {
		return err
	}
	for _, index := range w.lost {
		n, at := len(w.free), (int(index)-geo.K-first)*geo.ShardSize
		if at < 0 || at >= len(parity) {
			continue
		}
		b := parity[at:][:geo.ShardSize]
		if n == 0 || !w.known[int(index)/w.leaves.tree.Leaves] || h.Leaf(b) != w.all[index] {
			continue
		}
		place := w.free[n-1]
		if _, err := w.source.store.WriteAt(b, int64(geo.Offset(w.source.group, place))); err != nil {
			return storeError("write", err)
		}
		w.free = w.free[:n-1]
		w.restored = append(w.restored, parkedShard{place: uint16(place), index: index})
	}
	return nil
}

// readLeaves reads the leaves of the group, once, and notes where parity may go.
func (w *reencodeWork) readLeaves() (err error) {
	if w.all != nil {
		return nil
	}
	geo, g := w.source.geo, w.source.group
	if w.all, err = w.leaves.readAll(w.source.store, g, w.known); err != nil {
		return err
	}
	w.free = slices.DeleteFunc(slices.Clone(w.source.missing), func(place int) bool {
		return geo.ShardLen(g, place) < geo.ShardSize
	})
	return nil
}
