// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"context"
	"slices"

	"iotupd/fec"
	"iotupd/proto"
)

// spoil takes a complete group back to its verified shards. If it was decoded,
// it waits for its cure, and takes nothing before.
func (r *Receiver) spoil(g uint32) {
	o := r.object
	var lost []uint16
	for i := o.geo.K; i < o.geo.K+o.geo.M; i++ {
		if o.index.has(g, i) {
			lost = append(lost, uint16(i))
		}
	}
	o.rebuilt -= uint64(len(lost))
	if len(lost) == 0 || cureMemory(o.geo.Params) > int64(r.cfg.Memory) {
		o.index.dropProvisional(g, invalidated)
	} else {
		o.index.dropProvisional(g, parityLost)
		if o.overwritten == nil {
			o.overwritten = make(map[uint32][]uint16)
		}
		o.overwritten[g] = lost
		o.enlist(reencodeGroup, g)
	}
}

// cureMemory returns the least that making the parity of a group takes, in
// bytes: all of it, and a strip of the data and of the code's work.
func cureMemory(p proto.Params) int64 {
	const strip = 64
	return int64(p.M)*int64(p.ShardSize) + int64(p.K+4*p.M)*strip
}

// cureJob brings back the verified parity of a group. It takes the memory of all
// decoders, so that none may be at work.
func (r *Receiver) cureJob(g uint32) *Job {
	o := r.object
	o.decoders, o.work.reencoding = nil, true
	t := &cureTask{
		source: newDecodeTask(o, g), lost: o.overwritten[g],
		leaves: o.leaves, known: o.leaves.of(g),
	}
	delete(o.overwritten, g)
	err := o.places.flush()
	return r.newJob(job{
		decoding: true,
		run: func() error {
			if err != nil {
				return err
			}
			return t.run(fec.EncodeConfig{Memory: r.cfg.Memory, Workers: r.cfg.Workers})
		},
		finish: func() {
			o.work.reencoding = false
			r.cured(g, t.found)
		},
	})
}

// cured takes over the parity of a group that came back. From then on the group
// takes packets.
func (r *Receiver) cured(g uint32, found []parkedShard) {
	o := r.object
	grp := &o.index.groups[g]
	grp.apply(reencodeDone)
	for _, p := range found {
		grp.park(int(p.place), int(p.index))
		o.index.add(g, int(p.index), verified)
	}
	if len(found) > 0 {
		r.gained(g)
	}
}

// A cureTask makes the parity again that was overwritten when its group was decoded
// from forged shards. Wrong as the result is, it is the code word through all
// that it was made from: its parity is, shard by shard, what had been held. What
// is genuine of that, says its leaf (spec.md 7.3).
//
// It is one group at the moment when its cure begins. Nothing changes in the group
// until the task is finished.
type cureTask struct {
	source *decodeTask // its places; those of missing shards hold the wrong result
	lost   []uint16
	leaves *leaves // of which only what never changes is used
	known  []bool  // records of leaves

	found []parkedShard // what is parked again
}

func (t *cureTask) run(cfg fec.EncodeConfig) error {
	p := t.source.geo.Params
	p.Size = uint64(p.K) * uint64(p.ShardSize)
	geo, err := p.Geometry()
	if err != nil {
		return err
	}
	cfg.Put = func(_ uint32, parity []byte) error { return t.park(parity) }
	return fec.Encode(context.Background(), geo, t, cfg)
}

// ReadAt reads the data shards of the group, end to end.
func (t *cureTask) ReadAt(b []byte, offset int64) (n int, err error) {
	size := int64(t.source.geo.ShardSize)
	for n < len(b) {
		at := offset + int64(n)
		shard, column := int(at/size), int(at%size)
		part := b[n:][:min(int(size)-column, len(b)-n)]
		if err := t.source.read(shard, column, part); err != nil {
			return n, err
		}
		n += len(part)
	}
	return n, nil
}

// park writes the shards that are what their leaves say to the places of data
// shards that were given up, the highest first, but to none that is too short:
// a place is left over, for the forged shard.
func (t *cureTask) park(parity []byte) error {
	geo, g := t.source.geo, t.source.group
	all, err := t.leaves.readAll(t.source.store, g, t.known)
	if err != nil {
		return err
	}
	h := proto.NewHasher()
	free := slices.DeleteFunc(slices.Clone(t.source.missing), func(place int) bool { return geo.ShardLen(g, place) < geo.ShardSize })
	for _, index := range t.lost {
		n := len(free)
		b := parity[(int(index)-geo.K)*geo.ShardSize:][:geo.ShardSize]
		if n == 0 || !t.known[int(index)/t.leaves.tree.Leaves] || h.Leaf(b) != all[index] {
			continue
		}
		place := free[n-1]
		if _, err := t.source.store.WriteAt(b, t.source.position(place, 0)); err != nil {
			return storeError("write", err)
		}
		free = free[:n-1]
		t.found = append(t.found, parkedShard{place: uint16(place), index: index})
	}
	return nil
}
