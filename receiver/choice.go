// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"time"

	"iotupd/proto"
)

// uncertifiedFor is how long an object without a manifest stays chosen while
// another one has shown its own; senders repeat theirs within 10 s.
const uncertifiedFor = 12 * time.Second

// meet decides what to do about an object that is not the chosen one. It returns
// nil if it has become the chosen one (spec.md 7.2).
func (r *Receiver) meet(p *packet) error {
	geo, err := r.admissible(&p.Header)
	if err != nil {
		return err
	}
	id, err := r.identify(p)
	if err != nil {
		return err
	}
	var m verifiedManifest
	switch p.Type {
	case proto.TypeManifest:
		m, err = r.verifyManifest(p, &id)
	case proto.TypeDigest:
		err = id.prove(geo, p)
	}
	if err != nil {
		return err
	}
	if r.object != nil {
		if !r.supersedes(m.Manifest) {
			r.gate.report(&r.gate.reported, Refused{Object: p.Object, Name: m.Name, Why: ReasonOtherObject})
			return ReasonOtherObject
		}
		why := "it has shown no manifest, and another object has"
		if r.object.manifest != nil {
			why = "a newer release is on the air"
		}
		r.drop(why)
	}
	err = r.choose(p, id, geo)
	switch {
	case err != nil && r.gate.isUnauthenticated(m.Manifest):
		r.gate.manifestRequired = true
		return ReasonOtherObject
	case err != nil || m.Manifest == nil:
		return err
	}
	return r.object.certify(m)
}

// verifyManifest returns the manifest that an undamaged packet of object id
// carries, if it is one to follow. An object whose manifest is genuine and not to be
// followed is dropped, if it is the chosen one, and refused from then on.
func (r *Receiver) verifyManifest(p *packet, id *identity) (m verifiedManifest, err error) {
	if m, err = r.gate.authenticate(p, id); err != nil {
		return m, err
	}
	if why := r.gate.refusal(m.Manifest); why != nil {
		if r.chosen(p.Object) {
			r.drop("it is not one to receive")
		}
		r.gate.refuse(Refused{Object: p.Object, Name: m.Name, Why: why.(proto.Reason)})
		return m, why
	}
	r.gate.refused.remove(p.Object)
	return m, nil
}

// supersedes reports whether an object with manifest m, which is one to follow,
// takes the place of the chosen one.
func (r *Receiver) supersedes(m *proto.Manifest) bool {
	o := r.object
	switch {
	case r.cfg.Trust != nil:
		return o.manifest == nil || m.Sequence > o.manifest.Sequence
	case o.manifest != nil:
		return false
	}
	return r.cfg.Name != nil || r.now.Sub(o.since) > uncertifiedFor
}

// admissible checks the parameters of a packet against themselves and against
// the limits (spec.md 3.1, 7.5).
func (s *shared) admissible(h *proto.Header) (geo proto.Geometry, err error) {
	geo, err = h.Params.Geometry()
	if err != nil || geo.Admits(h) != nil {
		return geo, proto.ReasonGeometry
	}
	if h.Size > s.cfg.MaxSize || indexBytes(geo) > maxIndex {
		return geo, ReasonTooLarge
	}
	if _, fits := s.cfg.budget(geo); !fits {
		s.needed = max(s.needed, s.cfg.leastNeed(geo))
		return geo, ReasonMemory
	}
	return geo, nil
}

// choose begins with the object of a packet. The error is one of Config.Open.
func (r *Receiver) choose(p *packet, id identity, geo proto.Geometry) error {
	store, err := r.cfg.Open(p.Object, p.Params)
	if err != nil {
		return err
	}
	r.object = newObject(&r.shared, id, geo, store)
	r.streams.restart()
	r.observe(ObjectFound{Object: p.Object, Params: p.Params, From: p.from})
	r.object.startResume()
	return nil
}

// drop gives up the chosen object.
func (r *Receiver) drop(why string) {
	o := r.object
	r.observe(Dropped{Object: o.wire, Why: why})
	o.aborted.Store(true)
	if err := o.places.store.Discard(); err != nil && r.err == nil {
		r.err = storeError("discard", err) // whatever is received next
	}
	r.object = nil
}

// recognize takes a manifest of the chosen object, which does not have one yet. Its
// descriptor hashes to the object id, so that its parameters, and not those of
// the packet that came first, are the true ones.
func (r *Receiver) recognize(p *packet) error {
	o := r.object
	m, err := r.verifyManifest(p, &o.identity)
	if err != nil {
		return err
	}
	if o.geo.Params != p.Params {
		geo, err := r.admissible(&p.Header)
		if err != nil {
			return err
		}
		r.drop("its first packet was forged")
		if err := r.choose(p, o.identity, geo); err != nil {
			return err
		}
	}
	return r.object.certify(m)
}
