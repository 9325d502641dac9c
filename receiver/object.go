// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"slices"
	"sync/atomic"
	"time"

	"iotupd/fec"
	"iotupd/proto"
)

// An object is the state of the object being received.
type object struct {
	identity
	geo      proto.Geometry
	since    time.Time       // of the first packet
	manifest *proto.Manifest // nil: parameters and content are hearsay
	signer   proto.PublicKey // of the manifest; zero: not verified

	index  *index
	places places
	leaves *leaves // nil: the object has no hash tree
	spare  []byte  // one shard, to move parked parity

	todo                     // work for jobs
	decoders  []*fec.Decoder // idle
	aborted   atomic.Bool    // running jobs shall end
	hashed    bool           // the final hash was handed out
	collected bool           // Collected was observed
	adopted   adoption

	rebuilt uint64
	forged  uint64 // shards found forged after they were stored
}

// add stores a shard that the chosen object still lacks. The error is a Reason
// to ignore it, or a failure of the store.
func (r *Receiver) add(p *packet) (err error) {
	o := r.object
	grp := o.index.group(p.Group)
	switch {
	case o.index.has(p.Group, p.Index):
		return ReasonDuplicate
	case grp.state != receiving:
		return ReasonNotNeeded
	case grp.frozen:
		return ReasonAdopting
	}
	if r.plain, err = p.open(&o.identity, r.plain); err != nil {
		return err
	}
	s, err := o.standing(p)
	switch {
	case err != nil:
		return err
	case p.Type == proto.TypeData:
		err = o.putData(p.Group, p.Index, p.payload)
	default:
		err = o.parkParity(p.Group, p.Index, p.payload)
	}
	if err == nil {
		o.index.add(p.Group, p.Index, s)
	}
	return err
}

// standing compares a shard with its leaf.
func (o *object) standing(p *packet) (standing, error) {
	if o.leaves == nil || o.places.store == nil {
		return provisional, nil
	}
	leaf, known, err := o.leaves.leaf(&o.places, p.Group, p.Index)
	switch {
	case err != nil:
		return 0, err
	case known && o.leaves.hasher.Leaf(p.payload) != leaf:
		return 0, ReasonForged
	case known:
		return verified, nil
	case o.index.groups[p.Group].strict:
		return 0, ReasonUnverified
	}
	return provisional, nil
}

// putData writes a data shard to its place. If parity was parked there, it
// moves to another free place first.
func (o *object) putData(g uint32, i int, payload []byte) error {
	if o.index.groups[g].taken(i) {
		if err := o.move(g, i); err != nil {
			return err
		}
	}
	return o.places.put(g, i, payload)
}

// move takes the parity shard in a place to another one.
func (o *object) move(g uint32, place int) error {
	grp := o.index.group(g)
	o.spare = slices.Grow(o.spare[:0], o.geo.ShardSize)[:o.geo.ShardSize]
	if err := o.places.parked(g, place, o.spare); err != nil {
		return err
	}
	to := o.index.freePlace(g)
	if err := o.places.park(g, to, o.spare); err != nil {
		return err
	}
	grp.park(to, grp.unpark(place))
	return nil
}

// parkParity parks a parity shard in a free place of its group.
func (o *object) parkParity(g uint32, i int, payload []byte) error {
	place := o.index.freePlace(g)
	if err := o.places.park(g, place, payload); err != nil {
		return err
	}
	o.index.groups[g].park(place, i)
	return nil
}

// forget drops everything received and starts with an empty index.
func (o *object) forget() {
	o.index = newIndex(o.geo)
	o.places.run, o.places.tail = o.places.run[:0], nil
	o.todo = todo{running: o.running, decoding: o.decoding}
	o.hashed, o.collected, o.rebuilt = false, false, 0
}

// unwanted reports whether a packet of an object that is not the chosen one can
// be ignored without a further look. Where signatures count, an object can come
// back by a better manifest.
func (r *Receiver) unwanted(p *packet) bool {
	if !r.pinned(p.Object) {
		return true
	}
	return r.refused.has(p.Object) && (r.cfg.Trust == nil || p.Type != proto.TypeManifest)
}

// meet decides what to do about an object that is not the chosen one. It
// returns nil if it has become that (spec.md 7.2).
func (r *Receiver) meet(p *packet) error {
	id, err := r.identify(p)
	if err != nil {
		return err
	}
	m, err := r.manifestOf(p, &id)
	switch {
	case m == nil && p.Type == proto.TypeManifest:
		return err
	case r.object == nil && m == nil && r.refused.has(p.Object):
		return ReasonOtherObject
	case r.object == nil:
		return r.choose(p, id)
	case m == nil:
		return ReasonOtherObject
	case !r.supersedes(m):
		r.report(OtherObject{Object: p.Object, Name: m.Name, Why: ReasonOtherObject})
		return ReasonOtherObject
	}
	if _, err := r.admissible(&p.Header); err != nil {
		return err
	}
	why := "it has shown no manifest, and another object has"
	if r.object.manifest != nil {
		why = "a newer release is on the air"
	}
	r.drop(why)
	return r.choose(p, id)
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
// the limits (spec.md 3.1, 7.4).
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

// choose begins with the object of a packet.
func (r *Receiver) choose(p *packet, id identity) error {
	geo, err := r.admissible(&p.Header)
	if err != nil {
		return err
	}
	o := &object{identity: id, geo: geo, since: r.now, index: newIndex(geo), places: places{geo: geo}}
	if !r.cfg.IndexOnly {
		if o.places.store, err = r.cfg.Open(p.Object, p.Params); err != nil {
			r.fail(err)
			return nil
		}
		if tree, err := geo.Tree(); err == nil {
			o.leaves = newLeaves(tree, r.cfg.LeafMemory)
		}
	}
	r.object = o
	r.received, r.flows, r.lossThen, r.attempts = received{}, flows{}, Loss{}, 0
	r.observe(ObjectFound{Object: p.Object, Params: p.Params, From: p.from})
	r.adopt()
	return nil
}

// drop gives up the chosen object.
func (r *Receiver) drop(why string) {
	r.observe(Dropped{Object: r.object.wire, Why: why})
	if store := r.object.places.store; store != nil {
		if err := store.Discard(); err != nil {
			r.fail(storeError("discard", err))
		}
	}
	r.object, r.flushAt = nil, time.Time{}
}

// certify takes the first manifest of the chosen object. Its descriptor hashes
// to the object id, so that its parameters, and not those of the packet that
// came first, are the true ones.
func (r *Receiver) certify(p *packet) error {
	id := r.object.identity
	m, err := r.manifestOf(p, &id)
	if m == nil {
		if r.refused.has(p.Object) {
			r.drop("it is not one to receive")
		}
		return err
	}
	if r.object.geo.Params != p.Params {
		if _, err := r.admissible(&p.Header); err != nil {
			return err
		}
		r.drop("its first packet was forged")
		if err := r.choose(&packet{Header: p.Header}, id); err != nil {
			return err
		}
	}
	if r.err != nil {
		return nil // of Config.Open
	}
	o := r.object
	o.manifest, o.signer = m, r.signer
	if m.Descriptor.Root == (proto.Digest{}) {
		o.leaves = nil
	}
	r.observe(Certified{Manifest: m, Signer: o.signer})
	if err := o.reserve(); err != nil {
		r.fail(storeError("reserve space", err))
		return nil
	}
	if p.Size == 0 {
		r.checkCollected()
	}
	return nil
}

// reserve makes room for the object and, if it has leaves, for them.
func (o *object) reserve() error {
	switch {
	case o.places.store == nil:
		return nil
	case o.leaves == nil:
		return o.places.store.Reserve(int64(o.geo.Size))
	}
	if err := o.places.store.Reserve(o.leaves.end()); err != nil {
		return err
	}
	return o.writeTrailer()
}

// manifestOf returns the manifest that an undamaged packet of object id
// carries, if it is one to follow. An object whose manifest is genuine and not
// to be followed is refused from then on.
func (r *Receiver) manifestOf(p *packet, id *identity) (m *proto.Manifest, err error) {
	if p.Type != proto.TypeManifest {
		return nil, ReasonOtherObject
	}
	if r.plain, err = p.open(id, r.plain); err != nil {
		return nil, err
	}
	if r.cfg.Trust != nil {
		if !r.checks.take(r.now, r.cfg.SignatureRate) {
			return nil, ReasonSignatureRate
		}
		var ok bool
		if r.signer, ok = proto.PayloadSigner(p.payload, r.cfg.Trust.Keys); !ok {
			r.report(OtherObject{Object: p.Object, Why: ReasonSignature})
			return nil, ReasonSignature
		}
	}
	m, err = proto.ParseManifestPayload(slices.Clone(p.payload))
	if err != nil || m.Descriptor.Params != p.Params || !id.proves(m.Descriptor) {
		return nil, ReasonManifest
	}
	if err := r.wants(m); err != nil {
		r.refused.add(p.Object)
		r.report(OtherObject{Object: p.Object, Name: m.Name, Why: err.(proto.Reason)})
		return nil, err
	}
	r.refused.remove(p.Object)
	return m, nil
}

// wants returns why a genuine manifest is not to be followed, a Reason, or nil.
func (r *Receiver) wants(m *proto.Manifest) error {
	if r.cfg.Trust != nil {
		if err := r.cfg.Trust.judge(r.now, m, r.signer.ID); err != nil {
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

// report tells once about an object that was not chosen.
func (r *Receiver) report(e OtherObject) {
	if !r.reported.full() && !r.reported.has(e.Object) {
		r.reported.add(e.Object)
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
