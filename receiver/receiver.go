// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"time"

	"iotupd/proto"
)

// A Receiver decides what to keep of the datagrams that arrive. It does no socket
// I/O, reads no clock and starts no goroutine, and it is not safe for concurrent
// use.
type Receiver struct {
	shared
	gate    gate
	waiting waitingRoom // packets of objects without a manifest
	waited  uint64      // packets that came before a manifest to follow
	object  *object     // the chosen one; nil: none yet
	old     Store       // of an object that was given up without another in its place; nil: none
	err     error       // why the transfer failed
}

// shared is the state that all parts of a receiver use.
type shared struct {
	cfg     Config
	now     time.Time // of the call that is handled
	plain   []byte    // room for the payload of a sealed packet, decrypted
	streams Streams

	received received  // of all objects
	queued   int       // bytes that wait to be written, of all objects
	ready    []*object // that may have a job
	flushing []*object // that have gathered something to be written, in the order in which it is due

	set set
}

func (s *shared) observe(e Event) {
	if s.cfg.Observe != nil {
		s.cfg.Observe(s.now, e)
	}
}

// New returns a receiver that has received nothing yet.
func New(cfg Config) (*Receiver, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	r := &Receiver{shared: shared{cfg: cfg}}
	r.gate = newGate(&r.shared)
	return r, nil
}

// Done reports whether the object is complete and verified, or the transfer
// has failed: see [Receiver.Err].
func (r *Receiver) Done() bool {
	if r.cfg.Take == TakeAll {
		return r.err != nil || r.set.doneAll()
	}
	return r.err != nil || r.object != nil && r.object.verified && !r.object.awaitsInventory()
}

// Err returns why the transfer failed: a [*StoreError], [ErrIntegrity], or an
// error of Config.Open. It is nil while it goes on and after it succeeded.
func (r *Receiver) Err() error { return r.err }

// Manifest returns the manifest of the chosen object, nil before it arrived.
func (r *Receiver) Manifest() *proto.Manifest {
	if r.object == nil {
		return nil
	}
	return r.object.manifest
}

// Store returns the store of the chosen object, nil if there is none or it is not open
// yet.
func (r *Receiver) Store() Store {
	if r.object == nil {
		return nil
	}
	return r.object.places.queue.store
}

// Streams returns the measurements of the streams that carry undamaged packets of
// the chosen object. Counting loss starts again with every object that is chosen.
func (r *Receiver) Streams() *Streams { return &r.streams }

// Wake returns when to call [Receiver.Tick]; the zero time: never.
func (r *Receiver) Wake() time.Time { return earlier(r.flushAt(), r.set.until) }

// flushAt returns when something that was gathered is to be written.
func (r *Receiver) flushAt() time.Time {
	for len(r.flushing) > 0 {
		if at := r.flushing[0].flushAt; !at.IsZero() {
			return at
		}
		r.flushing = r.flushing[1:]
	}
	return time.Time{}
}

// Tick does what is due at now. A call before [Receiver.Wake] has no effect.
func (r *Receiver) Tick(now time.Time) {
	r.now = now
	r.tickList()
	for at := r.flushAt(); !at.IsZero() && !now.Before(at); at = r.flushAt() {
		o := r.flushing[0]
		r.flushing = r.flushing[1:]
		o.flushAt = time.Time{}
		if o.places.queue.flushBlocks() {
			o.flushSoon()
		}
		o.wake()
	}
}

// Handle takes a datagram that arrived at now. It does not keep it. An error,
// always a [proto.Reason], says why the datagram was ignored; callers may count
// it. An ignored datagram changes nothing, with the exceptions of spec.md 7.1.
func (r *Receiver) Handle(now time.Time, from Origin, datagram []byte) error {
	r.now = now
	h, payload, err := proto.Parse(datagram)
	if err != nil {
		return err
	}
	p := packet{from: from, Header: h, datagram: datagram, payload: payload, sealed: h.Sealed}
	if err := r.precheck(&p); err != nil {
		if (err == ReasonOtherObject || err == ReasonNotNeeded && !r.Done()) && r.sharesStream(&p) && proto.ChecksumOK(datagram) {
			r.noteOther(&p)
		}
		return err
	}
	if !proto.ChecksumOK(datagram) {
		return proto.ReasonChecksum
	}
	err = r.takePacket(&p)
	if o := r.find(h.Object); o != nil {
		o.wake()
	}
	if _, ignored := err.(proto.Reason); ignored {
		return err
	}
	r.fail(err)
	return nil
}

// precheck drops packets that are not worth a checksum.
func (r *Receiver) precheck(p *packet) error {
	switch {
	case p.sealed && len(r.cfg.GroupKeys) == 0:
		return ReasonSealed
	case !p.sealed && len(r.cfg.GroupKeys) > 0:
		return ReasonUnsealed
	case r.Done():
		return ReasonNotNeeded
	case r.find(p.Object) != nil:
		return nil
	case r.gate.rulesOut(p, r.object):
		return ReasonOtherObject
	}
	if known := r.set.listed[p.Object]; known != nil && known.state == over {
		return ReasonNotNeeded
	}
	return nil
}

// noteOther passes an undamaged packet of another object to the measurement of
// loss, if its sender sends a set: the packets of all objects of a set share
// their sequence numbers (spec.md 6.5).
func (r *Receiver) noteOther(p *packet) {
	if r.sharesStream(p) {
		r.streams.Note(r.now, p.from, &p.Path)
	}
}

// sharesStream reports whether the sequence numbers of what is received count the packet of
// another object, too: one of the same set, or the inventory of the chosen archive.
func (r *Receiver) sharesStream(p *packet) bool {
	switch {
	case r.object != nil && r.object.sibling == p.Object && r.object.manifest.IsArchive():
		return true
	case r.object == nil && r.set.objects == nil:
		return false
	}
	return p.Path.Flags&proto.PathSet != 0
}

// find returns the object with an id on the wire, if it is being received.
func (r *Receiver) find(wire proto.ObjectID) *object {
	if o := r.object; o != nil {
		switch {
		case o.wire == wire:
			return o
		case o.inventory != nil && o.inventory.wire == wire:
			return o.inventory
		}
	}
	if c := r.set.catalogue; c != nil && c.wire == wire {
		return c
	}
	return r.set.objects[wire]
}

// takePacket handles an undamaged packet of an object that is or may be the
// chosen one, in the order of spec.md 7.1. The error is a Reason to ignore it, or
// a failure.
func (r *Receiver) takePacket(p *packet) error {
	if o := r.find(p.Object); o != nil {
		return r.takeFor(o, p)
	}
	r.noteOther(p)
	return r.handleUnchosen(p)
}

// takeFor handles an undamaged packet of an object that is being received.
func (r *Receiver) takeFor(o *object, p *packet) error {
	switch {
	case (o.opening || o.holds()) && p.Type != proto.TypeManifest:
		if err := o.geo.Admits(&p.Header); err != nil {
			return err
		}
		r.streams.Note(r.now, p.from, &p.Path)
		o.countPacket(p, 1)
		return o.keepWaiting(p)
	case o.places.queue.busy():
		return ReasonBusy
	}
	err := o.accept(p)
	if err == ReasonScanning && p.Type != proto.TypeOutline && o.index.groups[p.Group].scanning {
		return o.keepWaiting(p)
	}
	return err
}

// Wants reports whether more packets are needed. They are not when K shards of
// every group are held and only local work remains. Forged shards may change that
// again.
func (r *Receiver) Wants() bool {
	if r.cfg.Take == TakeAll {
		return !r.set.collectedAll()
	}
	o := r.object
	return o == nil || !o.collected || o.inventory != nil && !o.inventory.collected
}

// Busy reports whether the queues for writes to the store, or for packets that
// wait for reads from it, are full, so that further packets of the object would
// be lost. Leave packets in the buffers of the sockets until a job has ended.
func (r *Receiver) Busy() bool {
	if r.cfg.Take == TakeAll {
		return r.queued >= mostBatches*batchBytes
	}
	o := r.object
	return o != nil && (o.places.queue.busy() || o.waiting.isFull() && o.resume.waiting == 0 && !o.holds())
}

// fail ends the transfer with err, if that is a failure.
func (r *Receiver) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// NextJob returns work to be done, nil if there is none now. Jobs of one receiver
// may run at the same time. Call it after every call of another method until it
// returns nil: it also handles the packets that have waited for a manifest, one
// by one, so that the jobs which they cause run as if the packets were just
// arriving.
func (r *Receiver) NextJob() *Job {
	r.beginMore()
	if j := r.nextOpen(); j != nil {
		return j
	}
	for len(r.ready) > 0 && !r.Done() {
		if r.cfg.Take == TakeAll && r.set.jobs >= maxJobs {
			return nil
		}
		o := r.ready[0]
		if r.find(o.wire) == o {
			j := o.nextJob()
			if j == nil {
				if r.takeWaiting(o) {
					continue
				}
				j = o.nextJob() // one that lets waiting packets go first
			}
			if j != nil {
				r.set.jobs++
				o.jobs++
				return j
			}
		}
		o.ready = false
		r.ready[0] = nil
		r.ready = r.ready[1:]
		if len(r.ready) == 0 {
			r.set.wakeLater() // the last one that was woken may not need it any more
		}
	}
	return nil
}

// Finish takes a job back after its Run. The transfer may end with a
// [StoreError]. After a wrong hash it goes on, unless it ends with
// [ErrIntegrity].
func (r *Receiver) Finish(now time.Time, j *Job) {
	r.now = now
	r.set.jobs--
	o := j.object
	o.jobs--
	if r.find(o.wire) != o || r.err != nil {
		return // the object was dropped meanwhile
	}
	before := o.verified
	err := j.finish()
	o.wake()
	if o.work.decoding == 0 {
		r.set.stopDecoding(o)
	}
	switch {
	case o.candidate != nil && o.verified:
		if o.jobs == 0 { // others may still write hashes behind the file
			r.verified(o)
		}
		return
	case err != nil && o.candidate != nil:
		r.failObject(o, err)
		return
	case err != nil && o.catalogue != nil:
		r.set.catalogues.remember(o.wire)
		r.dropCatalogue()
		return
	case err != nil && j.kind == openStore:
		r.fail(err)
		r.object = nil // there is no store
		return
	case err != nil:
		r.fail(err)
		return
	case j.kind == readCatalogue:
		r.learn(j.work.(*catalogueWork))
		return
	case j.kind == readInventory:
		if o.archive.verified {
			r.verified(o.archive)
		}
		return
	case j.kind == openStore:
		o.waiting.keepOnly(o.wire)
		if o.resume.waiting > 0 && o.isOnly() { // nothing is decoded meanwhile
			o.waiting.grow(max(1, min(4, o.decoders.memory/WaitingMemory)))
		}
	case j.kind.scans():
		o.waiting.again()
	}
	if o.verified && !before {
		r.verified(o)
	}
}

// verified ends the transfer, or gives the object up: its manifest may have expired
// meanwhile, or the clock was set.
func (r *Receiver) verified(o *object) {
	switch {
	case o.catalogue != nil, o.archive != nil:
		return // it is read next
	case o.awaitsInventory():
		return
	case o.candidate != nil:
		if why := r.gate.refusal(o.candidate.verifiedManifest); why != nil {
			r.failObject(o, why)
			return
		}
		r.finishObject(o)
		return
	}
	if why := r.gate.refusal(verifiedManifest{o.manifest, o.signers, o.release}); why != nil {
		r.gate.refuse(Refused{Object: o.wire, Name: o.manifest.Name, Why: why.(proto.Reason)})
		r.old = r.dropObject("its manifest is not accepted any more")
		return
	}
	r.observe(Verified{})
}

// Abort makes running jobs end soon. Their transfer fails.
func (r *Receiver) Abort() {
	if r.object != nil {
		r.object.abort()
	}
	if r.set.catalogue != nil {
		r.set.catalogue.aborted.Store(true)
	}
	for _, o := range r.set.objects {
		o.aborted.Store(true)
	}
}
