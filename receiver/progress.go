// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import "iotupd/proto"

// Progress is how far a transfer has come, in shards of the chosen object.
type Progress struct {
	Object proto.ObjectID // as on the wire; zero: none chosen yet
	Params proto.Params

	// Waiting is how many packets came before a manifest to follow, of all
	// objects and including copies. The latest of them are kept until then.
	Waiting uint64

	Needed  uint64 // Nd: data shards of the file
	Held    uint64 // data shards at hand: received, or replaced by parity
	Groups  uint64
	Decoded uint64 // groups complete
	Rebuilt uint64 // data shards that were lost and rebuilt

	Resumed uint64 // of Held, found in the store, left by an earlier run
	Reused  uint64 // of Held, taken from Config.Seeds
	// Data shards of the inventory of an archive, at hand and in all, until it is read.
	InventoryHeld, InventoryNeeded uint64

	Forged uint64 // given up again after they had been stored

	// Hash records of leaves, known and in all. If there are none the object is
	// sent without digests, or they are no longer needed.
	Records, AllRecords uint64

	// Undamaged packets, duplicates included.
	Data, Parity, Digests, Outlines, Manifests uint64

	// Loss on the network until now, or until everything was collected.
	Loss Loss
}

// Progress returns the state of the transfer.
func (r *Receiver) Progress() Progress {
	switch {
	case r.cfg.Take == TakeAll:
		return r.progressOfAll()
	case r.object == nil:
		return Progress{Waiting: r.waited}
	}
	return r.progressOf(r.object)
}

// progressOfAll returns the sums of what is measured in packets.
func (r *Receiver) progressOfAll() Progress {
	all, totals := &r.received, r.Totals()
	return Progress{
		Needed: totals.Needed, Held: totals.Held,
		Waiting: r.waited, Loss: r.streams.Loss(),
		Data: all.data, Parity: all.parity, Digests: all.digests, Outlines: all.outlines, Manifests: all.manifests,
	}
}

func (r *Receiver) progressOf(o *object) Progress {
	p := Progress{
		Object: o.wire, Params: o.geo.Params, Waiting: r.waited,
		Needed: o.geo.DataShards, Held: o.index.shards,
		Groups: o.geo.Groups, Decoded: o.index.complete, Rebuilt: o.rebuilt,
		Resumed: o.resume.resumed, Reused: o.resume.reused, Forged: o.forged,
		Data: o.received.data, Parity: o.received.parity, Digests: o.received.digests,
		Outlines: o.received.outlines, Manifests: o.received.manifests,
		Loss: o.lossThen,
	}
	if i := o.inventory; i != nil {
		p.InventoryHeld, p.InventoryNeeded = i.index.shards, i.geo.DataShards
	}
	if o.leaves != nil {
		p.Records, p.AllRecords = o.leaves.records, o.leaves.tree.Groups*uint64(o.leaves.tree.Records)
	}
	if o.index.enough < o.geo.Groups {
		p.Loss = r.streams.Loss()
	}
	return p
}
