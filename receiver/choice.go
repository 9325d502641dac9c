// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"fmt"
	"slices"
	"time"

	"iotupd/proto"
)

// unwanted reports whether a packet of an object that is not the chosen one can
// be ignored without a further look. Once an object is chosen, others have to
// show a manifest, as have those that were refused: they come back by one that is
// to follow.
func (r *Receiver) unwanted(p *packet) bool {
	switch {
	case len(r.pins) > 0 && !slices.Contains(r.pins, p.Object):
		return true
	case p.Type == proto.TypeOutline: // it tells of what is on disk, of a chosen object
		return true
	case p.Type != proto.TypeManifest:
		return r.object != nil || r.wary || r.refused.has(p.Object)
	case r.cfg.Trust == nil && r.object != nil && r.object.manifest != nil:
		return r.reported.full() || r.reported.has(p.Object) // there is no more to say
	}
	return false
}

// meet decides what to do about an object that is not the chosen one. It
// returns nil if it has become that (spec.md 7.2).
func (r *Receiver) meet(p *packet) error {
	geo, err := r.admissible(&p.Header)
	if err != nil {
		return err
	}
	id, err := r.identify(p)
	if err != nil {
		return err
	}
	var m vouched
	switch {
	case p.Type == proto.TypeManifest:
		m, err = r.vouch(p, &id)
	case p.Type == proto.TypeDigest:
		err = id.prove(geo, p)
	}
	if err != nil {
		return err
	}
	if r.object != nil {
		if !r.supersedes(m.Manifest) {
			r.report(&r.reported, Refused{Object: p.Object, Name: m.Name, Why: ReasonOtherObject})
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
	case err != nil && r.hearsay(m.Manifest):
		r.wary = true
		return ReasonOtherObject
	case err != nil:
		r.fail(err)
	case m.Manifest != nil:
		r.certify(m)
	}
	return nil
}

// hearsay reports whether an object with manifest m, nil if it has shown none,
// may be anybody's, where only signed ones count.
func (r *Receiver) hearsay(m *proto.Manifest) bool { return r.cfg.Trust != nil && m == nil }

// excuse goes on after a failure of the store that hearsay caused: else forged
// packets could fill a disk, or reach beyond what a file system can hold, and so
// end the transfer. Once is enough: nothing more is stored without a manifest.
func (r *Receiver) excuse() {
	if r.err == nil || r.object == nil || !r.hearsay(r.object.manifest) {
		return
	}
	why := fmt.Sprintf("%v, and no trusted key has signed it", r.err)
	r.err, r.wary = nil, true
	r.drop(why)
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
func (r *Receiver) admissible(h *proto.Header) (geo proto.Geometry, err error) {
	geo, err = h.Params.Geometry()
	if err != nil || geo.Admits(h) != nil {
		return geo, proto.ReasonGeometry
	}
	if h.Size > r.cfg.MaxSize || indexBytes(geo) > maxIndex {
		return geo, ReasonTooLarge
	}
	return geo, nil
}

// choose begins with the object of a packet. The error is one of Config.Open.
func (r *Receiver) choose(p *packet, id identity, geo proto.Geometry) error {
	store, err := r.cfg.Open(p.Object, p.Params)
	if err != nil {
		return err
	}
	o := newObject(geo, store)
	o.identity, o.since = id, r.now
	if tree, err := geo.Tree(); err == nil {
		o.leaves = newLeaves(tree, r.cfg.LeafMemory)
	}
	r.object = o
	r.received, r.lossThen, r.attempts = received{}, Loss{}, 0
	r.streams.restart()
	r.observe(ObjectFound{Object: p.Object, Params: p.Params, From: p.from})
	r.adopt()
	return nil
}

// drop gives up the chosen object.
func (r *Receiver) drop(why string) {
	o := r.object
	r.observe(Dropped{Object: o.wire, Why: why})
	o.aborted.Store(true)
	if err := o.places.store.Discard(); err != nil {
		r.fail(storeError("discard", err))
	}
	r.object, r.flushAt = nil, time.Time{}
}

// recognize takes a manifest of the chosen object, which has none yet. Its
// descriptor hashes to the object id, so that its parameters, and not those of
// the packet that came first, are the true ones.
func (r *Receiver) recognize(p *packet) error {
	o := r.object
	m, err := r.vouch(p, &o.identity)
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
			r.fail(err)
			return nil
		}
	}
	r.certify(m)
	return nil
}

// certify takes the first manifest of the chosen object.
func (r *Receiver) certify(m vouched) {
	o := r.object
	o.manifest = m.Manifest
	if o.leaves != nil && m.Descriptor.Root == (proto.Digest{}) {
		r.withoutLeaves()
	}
	r.observe(Certified{Manifest: m.Manifest, Signers: m.signers})
	if err := o.reserve(); err != nil {
		r.fail(storeError("reserve space", err))
		return
	}
	if o.geo.Size == 0 {
		r.checkCollected()
	}
}

// reserve makes room for the object and, if it has leaves, for them.
func (o *object) reserve() error {
	if o.leaves == nil {
		return o.places.store.Reserve(int64(o.geo.Size))
	}
	if err := o.places.store.Reserve(o.leaves.end()); err != nil {
		return err
	}
	return o.writeTrailer()
}

// A vouched manifest is one to follow.
type vouched struct {
	*proto.Manifest
	signers []proto.PublicKey // all trusted ones; nil: nobody asked for a signature
}

// vouch returns the manifest that an undamaged packet of object id carries, if
// it is one to follow. An object whose manifest is genuine and not to be
// followed is dropped, if it is the chosen one, and refused from then on.
func (r *Receiver) vouch(p *packet, id *identity) (m vouched, err error) {
	if r.plain, err = p.open(id, r.plain); err != nil {
		return m, err
	}
	if r.cfg.Trust != nil {
		if m.signers, err = r.signers(p); err != nil {
			return m, err
		}
	}
	m.Manifest, err = proto.ParseManifestPayload(slices.Clone(p.payload))
	if err != nil || m.Descriptor.Params != p.Params || !id.proves(m.Descriptor) {
		return m, ReasonManifest
	}
	if err := r.wants(m); err != nil {
		if r.chosen(p.Object) {
			r.drop("it is not one to receive")
		}
		r.refused.add(p.Object)
		r.report(&r.reported, Refused{Object: p.Object, Name: m.Name, Why: err.(proto.Reason)})
		return m, err
	}
	r.refused.remove(p.Object)
	return m, nil
}

// signers returns the trusted keys that have signed a manifest. Manifests that
// name none of them are no load, and take nothing of what others may be verified
// in.
func (r *Receiver) signers(p *packet) (signers []proto.PublicKey, err error) {
	keys := r.cfg.Trust.Keys
	if n := proto.Verifications(p.payload, keys); n > 0 {
		if !r.checks.take(r.now, r.cfg.SignatureRate, n) {
			return nil, ReasonSignatureRate
		}
		signers = proto.PayloadSigners(p.payload, keys)
	}
	if signers == nil {
		r.report(&r.unsigned, Refused{Object: p.Object, Why: ReasonSignature})
		return nil, ReasonSignature
	}
	return signers, nil
}

// wants returns why a genuine manifest is not to be followed, a Reason, or nil.
func (r *Receiver) wants(m vouched) error {
	if r.cfg.Trust != nil {
		if err := r.cfg.Trust.judge(r.now, m.Manifest); err != nil {
			return err
		}
	}
	if r.cfg.Name != nil && !r.cfg.Name(m.Name) {
		return ReasonOtherObject
	}
	if r.cfg.SHA256 != [32]byte{} && r.cfg.SHA256 != m.Descriptor.SHA256 {
		return ReasonOtherObject
	}
	return nil
}

// report tells of an object, unless that was told before or too many were.
func (r *Receiver) report(told *recent, e Refused) {
	if !told.full() && !told.has(e.Object) {
		told.add(e.Object)
		r.observe(e)
	}
}

// recent remembers the last few objects: their number is an attacker's to
// choose.
type recent struct{ ids []proto.ObjectID }

const maxRecent = 64

func (s *recent) full() bool { return len(s.ids) == maxRecent }

func (s *recent) has(id proto.ObjectID) bool { return slices.Contains(s.ids, id) }

func (s *recent) add(id proto.ObjectID) {
	if s.has(id) {
		return
	}
	if s.full() {
		s.ids = slices.Delete(s.ids, 0, 1)
	}
	s.ids = append(s.ids, id)
}

func (s *recent) remove(id proto.ObjectID) {
	if i := slices.Index(s.ids, id); i >= 0 {
		s.ids = slices.Delete(s.ids, i, i+1)
	}
}
