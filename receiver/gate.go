// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"slices"

	"iotupd/proto"
)

// A gate decides which objects are not to be received, and which manifests are to
// be followed.
type gate struct {
	*shared
	pins []proto.ObjectID // all forms that Config.Object may have on the wire; empty: any object

	refused  recent // objects that were looked at and are not wanted
	reported recent // objects for which Refused was reported
	unsigned recent // the same for manifests without a trusted signature; apart, since anybody can make them

	checks allowance // of signatures
}

func newGate(s *shared) gate {
	g := gate{shared: s}
	if id := s.cfg.Object; id != (proto.ObjectID{}) {
		g.pins = append(g.pins, id)
		for _, key := range s.cfg.GroupKeys {
			g.pins = append(g.pins, key.Object(id))
		}
	}
	return g
}

// rulesOut reports whether a packet of an object that is not the chosen one,
// which is nil if there is none, can be ignored without a further look. Once an
// object is chosen, only the manifests of other objects are examined. The same
// holds for refused objects, since a manifest that is to be followed makes them
// acceptable again.
func (g *gate) rulesOut(p *packet, chosen *object) bool {
	switch {
	case g.isPinned() && !g.isWanted(p.Object):
		return true
	case p.Type != proto.TypeManifest:
		return chosen != nil || g.refused.contains(p.Object)
	case g.cfg.Trust == nil && chosen != nil:
		return g.reported.full() || g.reported.contains(p.Object) // there is no more to report
	}
	return false
}

// A verifiedManifest is a manifest that was checked and is to be followed: "to
// follow" in spec.md 7.2 and elsewhere.
type verifiedManifest struct {
	*proto.Manifest
	signers []proto.PublicKey // all trusted ones; nil: no signature was asked for, or it is a catalogue
	release Release           // to be remembered
}

// ReleaseOf returns how the object of a manifest is remembered.
func ReleaseOf(m *proto.Manifest) Release {
	return Release{Sequence: m.Sequence, Object: m.Descriptor.Object()}
}

// authenticate returns the manifest that an undamaged packet of object id carries,
// if it is genuine.
func (g *gate) authenticate(p *packet, id *identity) (m verifiedManifest, err error) {
	if g.plain, err = p.open(id, g.plain); err != nil {
		return m, err
	}
	var unsigned error
	if g.cfg.Trust != nil {
		if m.signers, unsigned = g.signers(p); unsigned != nil && unsigned != ReasonSignature {
			return m, unsigned
		}
	}
	m.Manifest, err = proto.ParseManifestPayload(slices.Clone(p.payload))
	switch {
	case unsigned != nil && (err != nil || m.Catalogue == 0 && m.Archive == (proto.ObjectID{})): // these need no signature (spec.md 6.6, 6.7)
		g.report(&g.unsigned, Refused{Object: p.Object, Why: ReasonSignature})
		return m, unsigned
	case err != nil || m.Descriptor.Params != p.Params || !id.proves(m.Descriptor):
		return m, ReasonManifest
	}
	m.release = ReleaseOf(m.Manifest)
	return m, nil
}

// isPinned reports whether only one object is wanted, and isWanted whether it is that.
func (g *gate) isPinned() bool                    { return len(g.pins) > 0 }
func (g *gate) isWanted(wire proto.ObjectID) bool { return slices.Contains(g.pins, wire) }

// signers returns the trusted keys that have signed a manifest. Manifests signed by
// unknown keys are cheap to reject and do not count against the verification budget.
func (g *gate) signers(p *packet) (signers []proto.PublicKey, err error) {
	keys := g.cfg.Trust.Keys
	if n := proto.Verifications(p.payload, keys); n > 0 {
		if !g.checks.allow(g.now, g.cfg.SignatureRate, n) {
			return nil, ReasonSignatureRate
		}
		signers = proto.PayloadSigners(p.payload, keys)
	}
	if signers == nil {
		return nil, ReasonSignature
	}
	return signers, nil
}

// refusal returns why a genuine manifest is not to be followed, a Reason, or nil.
func (g *gate) refusal(m verifiedManifest) error {
	if g.cfg.Trust != nil && (m.Catalogue == 0 || len(m.signers) > 0) {
		if err := g.cfg.Trust.refusal(g.now, m.Manifest, m.release, g.cfg.Take == TakeAll); err != nil {
			return err
		}
	}
	if m.Catalogue > 0 {
		return nil
	}
	if g.cfg.Name != nil && !g.cfg.Name(m.Name) {
		return ReasonOtherObject
	}
	if c := g.cfg.Components; g.cfg.Trust == nil && len(c) > 0 && !slices.Contains(c, m.Component) {
		return ReasonOtherObject
	}
	if g.cfg.SHA256 != [32]byte{} && g.cfg.SHA256 != m.Descriptor.SHA256 {
		return ReasonOtherObject
	}
	return nil
}

// refuse remembers an object that is not to be received.
func (g *gate) refuse(e Refused) {
	g.refused.remember(e.Object)
	g.report(&g.reported, e)
}

// report passes Refused of an object to Config.Observe, unless that was done
// before or too often.
func (g *gate) report(before *recent, e Refused) {
	if !before.full() && !before.contains(e.Object) {
		before.remember(e.Object)
		g.observe(e)
	}
}

// recent remembers the last few objects only, since an attacker can invent any
// number of them.
type recent struct{ ids []proto.ObjectID }

const maxRecent = 64

func (s *recent) full() bool { return len(s.ids) == maxRecent }

func (s *recent) contains(id proto.ObjectID) bool { return slices.Contains(s.ids, id) }

func (s *recent) remember(id proto.ObjectID) {
	if s.contains(id) {
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
