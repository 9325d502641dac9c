// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import "iotupd/proto"

// Progress is how far a transfer has come, in shards of the chosen object.
type Progress struct {
	Object    proto.ObjectID // zero: none chosen yet
	Params    proto.Params
	Certified bool // a manifest confirmed the object

	Needed  uint64 // Nd: data shards of the file
	Held    uint64 // of these, at hand: received, or replaced by parity
	Groups  uint64
	Decoded uint64 // groups complete
	Rebuilt uint64 // data shards that were lost and rebuilt

	// What arrived undamaged, duplicates included.
	Data, Parity, Manifests uint64

	// Loss on the way up to now, or up to when everything was collected.
	Loss Loss
}

// Progress returns the state of the transfer.
func (r *Receiver) Progress() Progress {
	o := r.object
	if o == nil {
		return Progress{}
	}
	p := Progress{
		Object: o.id, Params: o.geo.Params, Certified: o.manifest != nil,
		Needed: o.geo.DataShards, Held: o.index.shards,
		Groups: o.geo.Groups, Decoded: o.index.complete, Rebuilt: o.rebuilt,
		Data: r.received.data, Parity: r.received.parity, Manifests: r.received.manifests,
		Loss: r.lossThen,
	}
	if o.index.enough < o.geo.Groups {
		p.Loss = r.flows.total()
	}
	return p
}
