// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import "iotupd/proto"

// handleUnchosen handles a packet of an object that is not the chosen one. A
// manifest that is to be followed (spec.md 7.2) makes its object the chosen
// one, if no better object is chosen. Other packets wait for the manifest of
// their object.
func (r *Receiver) handleUnchosen(p *packet) error {
	if known := r.set.listed[p.Object]; known != nil && r.cfg.Take == TakeAll {
		o, err := r.begin(known)
		if err != nil {
			return err
		}
		return r.takeFor(o, p)
	}
	_, limit := r.admissible(&p.Header)
	if limit != nil && (limit != ReasonTooLarge || r.cfg.Take != TakeAll || p.Type != proto.TypeManifest) {
		return limit
	}
	id, err := r.identify(p)
	switch {
	case err != nil:
		return err
	case r.cfg.Take != TakeFirst && p.Path.Flags&proto.PathSet != 0:
		r.hearSet()
	}
	if p.Type != proto.TypeManifest {
		return r.keepWaiting(p)
	}
	m, err := r.verifyManifest(p, &id)
	if err != nil {
		return err
	}
	c := candidate{verifiedManifest: m, id: id, from: p.from}
	if limit != nil {
		return r.leaveOut(&c, ReasonTooLarge)
	}
	o, err := r.found(c)
	if err != nil || o == nil {
		return err
	}
	return o.accept(p)
}

// keepWaiting keeps a packet until a manifest of its object arrives. Until then
// only its bytes are kept: anybody may have invented its object.
func (r *Receiver) keepWaiting(p *packet) error {
	r.waited++
	if !r.waiting.keep(r.now, p) {
		return ReasonDuplicate
	}
	return nil
}

// keepWaiting keeps a packet until the store is open, or its group has been compared
// with that.
func (o *object) keepWaiting(p *packet) error {
	if !o.waiting.keep(o.now, p) {
		return ReasonDuplicate
	}
	return nil
}

// verifyManifest returns the manifest that an undamaged packet of object id
// carries, if it is a manifest to follow. An object whose manifest is genuine but
// not to be followed is refused from then on.
func (r *Receiver) verifyManifest(p *packet, id *identity) (m verifiedManifest, err error) {
	if m, err = r.gate.authenticate(p, id); err != nil {
		return m, err
	}
	if m.Archive != (proto.ObjectID{}) && !r.gate.isPinned() {
		return m, ReasonOtherObject // the manifest of its archive counts
	}
	if why := r.gate.refusal(m); why != nil {
		r.gate.refuse(Refused{Object: p.Object, Name: m.Name, Component: m.Component, Why: why.(proto.Reason)})
		return m, why
	}
	r.gate.refused.remove(p.Object)
	return m, nil
}

// supersedes reports whether an object with manifest m, which is a manifest to
// follow, replaces the chosen one: it is a later release of the same component, or a
// catalogue that may list one.
func (r *Receiver) supersedes(m verifiedManifest) bool {
	chosen := r.object.manifest
	return r.cfg.Trust != nil && len(m.signers) > 0 && m.Sequence > chosen.Sequence && (m.Component == chosen.Component || m.Catalogue > 0)
}

// admissible checks that the parameters of a packet are consistent and within
// the limits (spec.md 3.1, 7.5).
func (s *shared) admissible(h *proto.Header) (geo proto.Geometry, err error) {
	geo, err = h.Params.Geometry()
	if err != nil || geo.Admits(h) != nil {
		return geo, proto.ReasonGeometry
	}
	return geo, s.oversize(geo)
}

// oversize returns [ReasonTooLarge] for an object over the limits of size, or nil.
func (s *shared) oversize(geo proto.Geometry) error {
	if geo.Size > s.cfg.MaxSize || indexBytes(geo) > maxIndex {
		return ReasonTooLarge
	}
	return nil
}

// choose begins with the object of a manifest to follow. Its packets wait until its
// store is open: see openWork.
func (r *Receiver) choose(c candidate, geo proto.Geometry) *object {
	id, from := c.id, c.from
	waited := r.waiting.packetsOf(id.wire)
	since := r.now
	if len(waited) > 0 {
		since = waited[0].at
	}
	b, ofInventory, _, _ := r.memoryOf(c.Manifest, geo)
	o := newObject(&r.shared, id, geo, c.Manifest, b)
	o.release, o.signers = c.release, c.signers
	r.object = o
	r.streams.restart(from)
	r.observe(ObjectFound{Object: id.wire, Params: geo.Params, From: from, Since: since})
	r.observe(Certified{Manifest: c.Manifest, Signers: c.signers, Release: c.release})
	for i := range waited {
		if p := r.waiting.open(&waited[i]); geo.Admits(&p.Header) == nil {
			if p.Path.Flags&proto.PathSet == 0 && !c.Manifest.IsArchive() { // packets of other objects, numbered in between, have not waited
				r.streams.Note(waited[i].at, p.from, &p.Path)
			}
			o.countPacket(&p, 1+uint64(waited[i].copies))
		}
	}
	r.beginInventory(o, ofInventory)
	o.waiting, r.waiting = r.waiting, waitingRoom{}
	o.wake()
	return o
}

// takeWaiting takes a packet of an object that has waited, as if it arrived now. It
// reports whether there was one. Packets go on waiting while the store is opened,
// or while their group is compared with it.
func (r *Receiver) takeWaiting(o *object) bool {
	if o.opening || o.holds() {
		return false
	}
	p, ok := o.waiting.next(func(group uint32) bool { return group >= uint32(o.geo.Groups) || !o.index.groups[group].scanning })
	if !ok {
		return false
	}
	err := o.geo.Admits(&p.Header)
	if err == nil {
		err = o.takeCounted(&p)
	}
	if _, ignored := err.(proto.Reason); !ignored {
		r.fail(err)
	}
	return true
}

// dropObject gives up the chosen object, and returns its store to be discarded.
func (r *Receiver) dropObject(why string) Store {
	o := r.object
	r.observe(Dropped{Object: o.wire, Why: why})
	o.drop()
	r.object = nil
	return o.places.queue.store
}
