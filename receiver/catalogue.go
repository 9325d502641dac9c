// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"cmp"
	"io"

	"iotupd/proto"
)

// beginCatalogue begins to receive a catalogue (spec.md 6.6), which is kept in memory. One
// that a trusted key has signed replaces another one.
func (r *Receiver) beginCatalogue(c candidate) (*object, error) {
	s := &r.set
	geo, err := c.Descriptor.Geometry()
	switch {
	case err != nil:
		return nil, proto.ReasonGeometry
	case s.catalogues.contains(c.id.wire):
		return nil, ReasonNotNeeded
	case c.Descriptor.Size > proto.MaxCatalogueBytes || int64(c.Catalogue) > int64(r.cfg.MaxObjects):
		if r.counts(&c) {
			s.left = cmp.Or(s.left, ReasonTooMany)
		}
		r.gate.refuse(Refused{Object: c.id.wire, Size: c.Descriptor.Size, Why: ReasonTooMany})
		return nil, ReasonTooMany
	case r.object != nil && !r.supersedes(c.verifiedManifest):
		return nil, ReasonOtherObject
	case s.catalogued && r.cfg.Take == TakeAll && !r.counts(&c):
		return nil, ReasonNotNeeded
	case s.catalogue != nil && !r.replaces(&c, s.catalogue):
		return nil, ReasonBusy // it is sent again
	}
	limited := r.cfg
	limited.InMemory = true
	limited.Memory = DefaultMemory
	limited.MemoryLimit /= 2
	b, fits := limited.budget(geo)
	if !fits {
		r.gate.refuse(Refused{Object: c.id.wire, Size: c.Descriptor.Size, Why: ReasonMemory, Memory: 2 * limited.leastNeed(geo)})
		return nil, ReasonMemory
	}
	if s.catalogue != nil {
		r.dropCatalogue()
	}
	o := newObject(&r.shared, c.id, geo, c.Manifest, b)
	o.catalogue, o.heard, o.gainedAt = &c, r.now, r.now
	s.catalogue = o
	s.complete = false
	if s.until.IsZero() {
		s.since, s.until = r.now, r.now.Add(listTime)
	}
	o.waiting.limit(geo)
	r.waiting.moveTo(&o.waiting, o.wire)
	o.wake()
	return o, nil
}

// counts reports whether a catalogue is enough for the manifests in it.
func (r *Receiver) counts(c *candidate) bool { return r.cfg.Trust == nil || len(c.signers) > 0 }

// replaces reports whether a catalogue takes the place of the one that is being received:
// it counts more, or as much when nothing new has come of the old one for so long that its
// manifest may be all there is.
func (r *Receiver) replaces(c *candidate, old *object) bool {
	if !r.counts(old.catalogue) && r.counts(c) {
		return true
	}
	return r.counts(old.catalogue) == r.counts(c) && old.wire != c.id.wire && !r.now.Before(old.gainedAt.Add(listTime))
}

// dropCatalogue gives up the catalogue that is being received. It may be begun again: its
// sender may have paused.
func (r *Receiver) dropCatalogue() {
	r.set.catalogue.drop()
	r.set.catalogue = nil
}

// A catalogueWork reads a catalogue that has been received.
type catalogueWork struct {
	*object
	found []candidate
	err   error // it is not a catalogue
}

func newCatalogueWork(o *object) work {
	if o.catalogue == nil || !o.verified || o.work.running > 0 {
		return nil
	}
	return &catalogueWork{object: o}
}

func (w *catalogueWork) run() error {
	b := make([]byte, w.geo.Size)
	if _, err := w.places.queue.store.ReadAt(b, 0); err != nil && err != io.EOF {
		return storeError("read back", err)
	}
	all, err := proto.ParseCatalogue(b, w.manifest.Catalogue)
	if err != nil || all[0].Descriptor.ShardSize != w.geo.ShardSize {
		w.err = ReasonManifest
		return nil
	}
	for _, m := range all {
		if w.aborted.Load() {
			return errAborted
		}
		if c, ok := w.entry(m); ok {
			w.found = append(w.found, c)
		}
	}
	return nil
}

// entry returns the candidate of a manifest in the catalogue. Where signatures count, it
// is signed, or the catalogue is (spec.md 5.5).
func (w *catalogueWork) entry(m *proto.Manifest) (c candidate, ok bool) {
	c = candidate{id: identity{wire: m.Descriptor.Object(), group: w.group}, from: w.catalogue.from}
	if w.group != nil {
		c.id.wire = w.group.Object(c.id.wire)
	}
	c.verifiedManifest = verifiedManifest{Manifest: m, release: ReleaseOf(m)}
	if w.cfg.Trust == nil {
		return c, true
	}
	c.signers = proto.Signers(m.AppendTo(nil), w.cfg.Trust.Keys)
	switch {
	case len(c.signers) > 0:
		return c, true
	case len(w.catalogue.signers) == 0 || len(m.Signatures) > 0 || w.cfg.Trust.OwnSignature:
		return c, false
	}
	of := w.catalogue.Manifest
	m.Channel, m.Sequence, m.Created, m.Expires = of.Channel, of.Sequence, of.Created, of.Expires
	if m.Component == "" {
		m.Component = of.Component
	}
	c.signers, c.release = w.catalogue.signers, w.catalogue.release
	return c, true
}

func (w *catalogueWork) finish() error { return nil }

// learn takes the manifests of a catalogue, as if they had arrived in packets.
func (r *Receiver) learn(w *catalogueWork) {
	r.set.catalogues.remember(w.wire)
	r.set.catalogue.drop()
	r.set.catalogue = nil
	if w.err != nil {
		r.gate.report(&r.gate.reported, Refused{Object: w.wire, Size: w.geo.Size, Why: ReasonManifest})
		return
	}
	if r.cfg.Take != TakeFirst {
		r.hearSet()
	}
	for _, c := range w.found {
		geo, err := c.Descriptor.Geometry()
		if err != nil {
			continue
		}
		switch why := r.gate.refusal(c.verifiedManifest); {
		case r.find(c.id.wire) != nil || r.gate.isPinned() && !r.gate.isWanted(c.id.wire):
		case why != nil:
			r.gate.refuse(Refused{Object: c.id.wire, Name: c.Name, Why: why.(proto.Reason)})
		case r.oversize(geo) != nil:
			r.gate.refused.remember(c.id.wire)
			r.leaveOut(&c, ReasonTooLarge)
		case r.err == nil:
			r.found(c)
		}
	}
	if r.counts(w.catalogue) {
		r.endList(true)
	}
}
