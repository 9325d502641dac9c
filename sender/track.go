// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import "iotupd/proto"

// A track is the carousel of one layer.
type track struct {
	geo     proto.Geometry
	tree    proto.Tree // zero: there are no digests
	shards  Shards
	digests Digests
	ahead   payloads // of both shards and digests; nil: these are read when they are sent

	order order

	pos     uint64 // next position of the loop
	walked  uint64 // positions passed since the start
	records int    // how many of the records that travel before the shard at pos were sent
}

// init makes t the track of a layer at its start.
func (t *track) init(cfg Config, o *Object, layer int) (err error) {
	d := &o.Manifest.Descriptor
	if t.geo, err = d.Geometry(); err != nil {
		return err
	}
	if o.Digests != nil {
		if t.tree, err = t.geo.Tree(); err != nil {
			return err
		}
	}
	t.shards, t.digests = view(o.Shards), view(o.Digests)
	t.order = newOrder(cfg.Order, d.Object(), t.geo)
	t.order.dyadic.layers = cfg.Layers
	start := cfg.start(t.order.loop())
	t.order.dyadic.layer = layer
	// The same turn of the same block in all layers.
	t.pos = start * t.order.dyadic.share()
	t.settle()
	return nil
}

// packet moves on by one packet and fills in what it carries.
func (t *track) packet(h *proto.Header) {
	h.Type = proto.TypeParity
	h.Group, h.Index = t.order.at(t.pos)
	if index, ok := t.nextRecord(h.Index); ok {
		h.Type, h.Index = proto.TypeDigest, index
		t.records++
		t.settle()
		return
	}
	if h.Index < t.geo.K {
		h.Type, h.Offset = proto.TypeData, t.geo.Offset(h.Group, h.Index)
	}
	t.step()
}

// appendNext appends the payload of the next packet, and moves on by it.
func (t *track) appendNext(b []byte) ([]byte, error) {
	var h proto.Header
	t.packet(&h)
	return t.appendPayload(b, &h)
}

// appendPayload appends what the packet of a header carries.
func (t *track) appendPayload(b []byte, h *proto.Header) ([]byte, error) {
	if h.Type == proto.TypeDigest {
		return t.digests.AppendDigest(b, h.Group, h.Index)
	}
	return t.shards.AppendShard(b, h.Group, h.Index)
}

// nextRecord returns the next record to send before the shard of row at pos.
func (t *track) nextRecord(row int) (index int, ok bool) {
	switch {
	case t.digests == nil:
		return 0, false
	case t.order.dyadic.layers > 1:
		return t.order.dyadic.recordBefore(t.order.turn(t.pos), t.records, recordsAmongRows{t.tree.PerGroup(), t.order.rows})
	}
	records, n := recordsBefore(t.tree, row)
	if t.records == n {
		return 0, false
	}
	return records[t.records], true
}

// step moves on to the next packet of the carousel. A loop of an empty file is
// one manifest.
func (t *track) step() {
	t.advance(1)
	t.settle()
}

func (t *track) advance(positions uint64) {
	t.walked += positions
	t.records = 0
	if t.pos += positions; t.pos == t.order.loop() {
		t.pos = 0
		t.order.lap++
	}
}

// settle passes over positions that have nothing to transmit: virtual shards and
// rows that do not exist, once their records were sent. An empty file has only
// such positions.
func (t *track) settle() {
	for t.geo.Size > 0 {
		group, row := t.order.at(t.pos)
		_, record := t.nextRecord(row)
		switch {
		case record:
			return
		case uint64(row) >= t.order.rows && t.records == 0:
			t.advance(t.restOfShare()) // there are neither rows nor records
		case uint64(row) >= t.order.rows || row < t.geo.K && t.geo.Virtual(group, row):
			t.advance(1)
		default:
			return
		}
	}
}

// restOfShare returns how many positions are left of the share of a block.
func (t *track) restOfShare() uint64 {
	n := t.order.groups * t.order.dyadic.share()
	return n - t.pos%n
}
