// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"bytes"
	"sync/atomic"
	"time"

	"iotupd/proto"
)

// flushAfter bounds how long a received shard is in memory only. For the start of
// an incomplete block it is twice as long.
const flushAfter = 250 * time.Millisecond

// An object is the state of the object being received. Errors of its methods are
// a Reason to ignore a packet, or a failure, which ends the transfer.
type object struct {
	*shared
	identity
	geo      proto.Geometry
	manifest *proto.Manifest

	signers []proto.PublicKey // of the manifest
	release Release           // to be remembered

	candidate *candidate // with TakeAll
	jobs      int        // that run
	need      uint64     // memory that it counts for, with TakeAll
	catalogue *candidate // it is a catalogue; nil: it is not
	archive   *object    // of which it is the inventory; nil: of none
	heard     time.Time  // when the last packet came, of a catalogue
	gainedAt  time.Time  // when the last one came that was new
	gone      bool       // it is not received any more

	waiting waitingRoom // packets that wait for the store
	ready   bool        // it is in shared.ready
	later   bool        // it is in set.later
	decodes bool        // it has memory of set.decoders

	index  *index
	places places
	leaves *leaves // nil: the object has no hash tree
	resume resume

	inventory *object        // that is to be read before the end; nil: none
	sibling   proto.ObjectID // id on the wire of the inventory of this archive; zero: it is not one
	seeding   seeding
	seedFirst bool // see Config.InventoryFirst

	work        workList
	decoders    decoders
	spaces      []*recordSpace          // idle
	overwritten map[uint32]*overwritten // of the groups that are reencoding
	aborted     atomic.Bool             // running jobs must end

	opening   bool      // the store is not open yet
	old       Store     // of the object that was dropped for this one, to be discarded; nil: none
	flushAt   time.Time // zero: nothing to flush
	collected bool      // Collected was observed
	hash      fileHash
	verified  bool // it is complete, right and durable
	attempts  int  // wrong hashes

	received received
	rebuilt  uint64
	forged   uint64 // shards found forged after they were stored
	lossThen Loss   // at the time when everything was collected
}

// received counts the useful and useless packets of an object.
type received struct{ data, parity, digests, outlines, manifests uint64 }

// newObject returns an object without shards, whose store is not open.
func newObject(s *shared, id identity, geo proto.Geometry, m *proto.Manifest, b budget) *object {
	if id.group != nil && id.cipher == nil { // the manifest comes from a catalogue
		id.cipher = id.group.Cipher(id.wire)
	}
	o := &object{
		shared: s, identity: id, geo: geo, manifest: m, opening: true,
		index: newIndex(geo),
	}
	o.decoders = decoders{params: geo.Params, groups: geo.Groups, memory: b.decoders, workers: s.cfg.Workers}
	records := int64(0)
	if tree, err := geo.Tree(); err == nil && m.Descriptor.Root != (proto.Digest{}) {
		o.leaves = newLeaves(tree, b.records)
		records = o.leaves.size()
	}
	o.places.layout, o.places.queue.most, o.places.queue.total = newLayout(geo, records), b.batches, &s.queued
	return o
}

// accept handles an undamaged packet of the object.
func (o *object) accept(p *packet) error {
	o.heard = o.now
	if err := o.geo.Admits(&p.Header); err != nil {
		return err
	}
	o.streams.Note(o.now, p.from, &p.Path)
	o.countPacket(p, 1)
	before := o.index.shards
	err := o.takeCounted(p)
	if o.index.shards > before {
		o.gainedAt = o.now
	}
	return err
}

// countPacket counts a packet that fits the object, of which so many copies have
// arrived.
func (o *object) countPacket(p *packet, copies uint64) {
	o.received.add(p.Type, copies)
	o.shared.received.add(p.Type, copies)
}

func (r *received) add(t proto.Type, copies uint64) {
	switch t {
	case proto.TypeManifest:
		r.manifests += copies
	case proto.TypeDigest:
		r.digests += copies
	case proto.TypeOutline:
		r.outlines += copies
	case proto.TypeData:
		r.data += copies
	default:
		r.parity += copies
	}
}

// takeCounted handles a packet that fits the object and was counted.
func (o *object) takeCounted(p *packet) error {
	switch p.Type {
	case proto.TypeManifest:
		return o.takeManifest(p)
	case proto.TypeDigest:
		err := o.takeRecord(p)
		if err == nil {
			o.streams.prove(p.from)
		}
		return err
	case proto.TypeOutline:
		return o.takeOutline(p)
	}
	if err := o.takeShard(p); err != nil {
		return err
	}
	o.flushSoon()
	o.gained(p.Group)
	return nil
}

// takeManifest handles a further manifest of the object. An equal one from
// another address proves that a sender is there.
func (o *object) takeManifest(p *packet) (err error) {
	if o.streams.proven(p.from) {
		return nil
	}
	if o.plain, err = p.open(&o.identity, o.plain); err != nil {
		return err
	}
	if known, err := o.manifest.AppendPayload(nil); err == nil && bytes.Equal(known, p.payload) {
		o.streams.prove(p.from)
	}
	return nil
}

// observe reports an event of the only file that is received: see [Finished] for the
// others.
func (o *object) observe(e Event) {
	if o.isOnly() {
		o.shared.observe(e)
	}
}

// isOnly reports whether the object is the only file that is received.
func (o *object) isOnly() bool { return o.candidate == nil && o.catalogue == nil && o.archive == nil }

// abort makes running jobs end soon.
func (o *object) abort() {
	o.aborted.Store(true)
	if o.inventory != nil {
		o.inventory.aborted.Store(true)
	}
}

// drop ends the work on an object that is not received any more.
func (o *object) drop() {
	if o.inventory != nil {
		o.inventory.drop()
	}
	o.places.queue.forget()
	o.aborted.Store(true)
	o.gone, o.flushAt = true, time.Time{}
}

// wake is called when the object may have a job.
func (o *object) wake() {
	if !o.ready {
		o.ready = true
		o.shared.ready = append(o.shared.ready, o)
	}
}

// flushSoon is called when something was gathered to be written.
func (o *object) flushSoon() {
	if o.flushAt.IsZero() {
		o.flushAt = o.now.Add(flushAfter)
		o.flushing = append(o.flushing, o)
	}
}

// gained is called when group g got a new shard.
func (o *object) gained(g uint32) {
	if o.index.groups[g].state == full {
		o.enlist(decodeGroup, g)
		o.queueCheck(g)
	}
	o.checkCollected()
}

// decoded is called when all data shards of a group are in their places, and
// the index knows it.
func (o *object) decoded(g uint32) {
	rebuilt := len(o.index.groups[g].parked) // each was kept in place of a missing data shard
	o.rebuilt += uint64(rebuilt)
	o.index.finish(g, decodeDone)
	o.observe(GroupDecoded{Group: g, Rebuilt: rebuilt})
	o.queueCheck(g)
}

// checkCollected reports when the last shard that was needed has arrived.
func (o *object) checkCollected() {
	if o.index.enough == o.geo.Groups && !o.collected {
		o.collected = true
		o.lossThen = o.streams.Loss()
		o.observe(Collected{})
	}
}

// startOver drops everything received and starts with an empty index.
func (o *object) startOver() {
	o.index = newIndex(o.geo)
	o.places.tail = nil
	o.work = workList{writing: o.work.writing, syncing: o.work.syncing, running: o.work.running, decoding: o.work.decoding}
	o.hash.restart()
	o.collected, o.rebuilt = false, 0
}
