// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import "iotupd/proto"

// handleUnchosen handles a packet of an object that is not the chosen one. A
// manifest that is to be followed (spec.md 7.2) makes its object the chosen
// one, if no better object is chosen. Other packets wait for the manifest of
// their object.
func (r *Receiver) handleUnchosen(p *packet) error {
	geo, err := r.admissible(&p.Header)
	if err != nil {
		return err
	}
	id, err := r.identify(p)
	switch {
	case err != nil:
		return err
	case p.Type != proto.TypeManifest:
		return r.keepWaiting(p)
	}
	m, err := r.verifyManifest(p, &id)
	switch {
	case err != nil:
		return err
	case r.object == nil:
	case r.object.opening:
		return ReasonScanning // it is sent again
	case !r.supersedes(m.Manifest):
		r.gate.report(&r.gate.reported, Refused{Object: p.Object, Name: m.Name, Component: m.Component, Size: p.Size, Why: ReasonOtherObject})
		return ReasonOtherObject
	}
	if _, fits := r.cfg.budget(geo); !fits {
		r.gate.refuse(Refused{Object: p.Object, Name: m.Name, Why: ReasonMemory, Memory: r.cfg.leastNeed(geo)})
		return ReasonMemory
	}
	old := r.old
	if r.object != nil {
		old = r.dropObject("a newer release is sent")
	}
	r.choose(p, id, geo, m)
	r.object.old, r.old = old, nil
	return r.object.accept(p)
}

// keepWaiting keeps a packet until a manifest of its object arrives. Until then
// only its bytes are kept: anybody may have invented its object.
func (r *Receiver) keepWaiting(p *packet) error {
	if r.object == nil {
		r.waited++
	}
	if !r.waiting.keep(r.now, p) {
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
	if why := r.gate.refusal(m.Manifest); why != nil {
		r.gate.refuse(Refused{Object: p.Object, Name: m.Name, Component: m.Component, Why: why.(proto.Reason)})
		return m, why
	}
	r.gate.refused.remove(p.Object)
	return m, nil
}

// supersedes reports whether an object with manifest m, which is a manifest to
// follow, replaces the chosen one: it is a later release of the same component.
func (r *Receiver) supersedes(m *proto.Manifest) bool {
	chosen := r.object.manifest
	return r.cfg.Trust != nil && m.Component == chosen.Component && m.Sequence > chosen.Sequence
}

// admissible checks that the parameters of a packet are consistent and within
// the limits (spec.md 3.1, 7.5).
func (s *shared) admissible(h *proto.Header) (geo proto.Geometry, err error) {
	geo, err = h.Params.Geometry()
	if err != nil || geo.Admits(h) != nil {
		return geo, proto.ReasonGeometry
	}
	if h.Size > s.cfg.MaxSize || indexBytes(geo) > maxIndex {
		return geo, ReasonTooLarge
	}
	return geo, nil
}

// choose begins with the object of a manifest to follow. Its packets wait until its
// store is open: see openWork.
func (r *Receiver) choose(p *packet, id identity, geo proto.Geometry, m verifiedManifest) {
	waited := r.waiting.packetsOf(p.Object)
	since := r.now
	if len(waited) > 0 {
		since = waited[0].at
	}
	r.object = newObject(&r.shared, id, geo, m.Manifest)
	r.streams.restart(p.from)
	r.observe(ObjectFound{Object: p.Object, Params: p.Params, From: p.from, Since: since})
	r.observe(Certified{Manifest: m.Manifest, Signers: m.signers})
	for i := range waited {
		if p := r.waiting.open(&waited[i]); geo.Admits(&p.Header) == nil {
			if p.Path.Flags&proto.PathSet == 0 { // in a set, packets of other objects, numbered in between, have not waited
				r.streams.Note(waited[i].at, p.from, &p.Path)
			}
			r.object.countPacket(&p, 1+uint64(waited[i].copies))
		}
	}
}

// takeWaiting takes a packet of the chosen object that has waited, as if it
// arrived now. It reports whether there was one. Packets go on waiting while the
// store is opened, or while their group is compared with it.
func (r *Receiver) takeWaiting() bool {
	o := r.object
	if o.opening {
		return false
	}
	p, ok := r.waiting.next(func(group uint32) bool { return group >= uint32(o.geo.Groups) || !o.index.groups[group].scanning })
	if !ok {
		return false
	}
	err := r.object.geo.Admits(&p.Header)
	if err == nil {
		err = r.object.takeCounted(&p)
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
	o.aborted.Store(true)
	r.object = nil
	return o.places.queue.store
}
