// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"slices"
	"time"

	"iotupd/proto"
)

// A Policy says which signed manifests to accept (spec.md 5.5). It needs at least
// one key; all else may be zero.
type Policy struct {
	// Keys are the trusted keys. One of them must have signed.
	Keys []proto.PublicKey

	// Channel is the channel that the manifest must name. If empty, no manifest
	// is followed.
	Channel string

	// Targets are names of this hardware. A manifest that lists targets must list
	// one of them. If empty, targets do not matter.
	Targets []string

	// Components are the components of which releases are accepted; "" is the one
	// of all manifests that name none. If empty, releases of any component are.
	Components []string

	// MinSequence is the lowest sequence to accept.
	MinSequence uint64

	// Running has the sequence that runs of components of which that is known.
	// Nothing lower is accepted.
	Running map[string]uint64

	// Installed has, for every series, the release that was installed last. Nothing
	// older than any release of the same component there is accepted, whoever signed,
	// nor another object of the same sequence. Entries of keys that are not in Keys do
	// not count.
	Installed map[Series]Release

	// AllowDowngrade turns Installed off.
	AllowDowngrade bool

	// OwnSignature says that the signature of a catalogue does not count for the manifests
	// in it: somebody else is to verify the manifest of the file.
	OwnSignature bool
}

// A Series is the releases of one component that one key has signed.
type Series struct {
	Key       proto.KeyID
	Component string // empty: of manifests that name none
}

// A Release is an installed sequence and its object.
type Release struct {
	Sequence uint64
	Object   proto.ObjectID
}

// plausible is the earliest plausible time: a clock before it was never set.
var plausible = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// refusal returns why a manifest that a trusted key has signed is not to be
// followed, nil if it is. With a clock that was never set, no manifest has
// expired.
func (p *Policy) refusal(now time.Time, m *proto.Manifest, release Release, several bool) error {
	switch {
	case m.Channel == "" || m.Channel != p.Channel:
		return ReasonChannel
	case len(m.Targets) > 0 && len(p.Targets) > 0 && !slices.ContainsFunc(m.Targets, func(t string) bool {
		return slices.Contains(p.Targets, t)
	}):
		return ReasonTarget
	case m.Catalogue == 0 && !p.accepts(m.Component):
		return ReasonOtherObject
	case m.Expires != 0 && now.After(plausible) && uint64(now.Unix()) >= m.Expires:
		return ReasonExpired
	case m.Sequence < max(p.MinSequence, p.Running[m.Component]) || !p.AllowDowngrade && p.stale(m.Component, release, several):
		return ReasonRollback
	}
	return nil
}

// accepts reports whether releases of a component are accepted.
func (p *Policy) accepts(component string) bool {
	return len(p.Components) == 0 || slices.Contains(p.Components, component)
}

// Verify returns the keys that have signed a manifest, encoded, and why it is
// not to be followed at the given time: a [proto.Reason], or nil. It applies
// the checks of a receiver to the manifest of a file that was received earlier.
func (p *Policy) Verify(now time.Time, manifest []byte) (*proto.Manifest, []proto.PublicKey, error) {
	signers := proto.Signers(manifest, p.Keys)
	if len(signers) == 0 {
		return nil, nil, ReasonSignature
	}
	m, err := proto.ParseManifest(manifest)
	if err != nil {
		return nil, nil, ReasonManifest
	}
	return m, signers, p.refusal(now, m, ReleaseOf(m), false)
}

// stale reports whether a release is older than the one of its component that was
// installed last, or, if there are not several of a sequence, has the same sequence and
// another object. Which of the keys signed does not matter: anybody can change the order
// of signatures, or leave one out.
func (p *Policy) stale(component string, r Release, several bool) bool {
	same, other := false, false
	for _, key := range p.Keys {
		last, known := p.Installed[Series{key.ID, component}]
		switch {
		case !known || last.Sequence < r.Sequence:
		case last.Sequence > r.Sequence:
			return true
		case several || last.Object == r.Object:
			same = true
		default:
			other = true
		}
	}
	return other && !same
}

// An allowance bounds how often something happens. The zero value allows
// nothing before its first refill.
type allowance struct {
	left float64
	last time.Time
}

// allow reports whether n more events are allowed. The limit is perSecond
// events a second in the long run, and a tenth of that number at once. They are
// allowed if at least one is left; a shortfall counts against later events.
func (a *allowance) allow(now time.Time, perSecond, n int) bool {
	most := max(1, float64(perSecond)/10)
	if a.last.IsZero() {
		a.left = most
	} else if passed := now.Sub(a.last); passed > 0 {
		a.left = min(most, a.left+passed.Seconds()*float64(perSecond))
	}
	a.last = now
	if a.left < 1 {
		return false
	}
	a.left -= float64(n)
	return true
}
