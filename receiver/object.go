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
	id       proto.ObjectID
	geo      proto.Geometry
	since    time.Time       // of the first packet
	manifest *proto.Manifest // nil: parameters and content are hearsay

	index  *index
	places places
	spare  []byte // one shard, to move parked parity

	ready    []uint32       // groups that are full and wait for a decoder
	decoders []*fec.Decoder // idle
	running  int            // jobs handed out
	aborted  atomic.Bool    // running jobs shall end
	hashed   bool           // the final hash was handed out
	rebuilt  uint64
}

// add stores a shard that the object still lacks. The error is a Reason to
// ignore it, or a failure of the store.
func (o *object) add(h *proto.Header, payload []byte) (err error) {
	grp := o.index.group(h.Group)
	switch {
	case o.index.has(h.Group, h.Index):
		return ReasonDuplicate
	case grp.state != receiving:
		return ReasonNotNeeded
	case h.Type == proto.TypeData:
		err = o.putData(h.Group, h.Index, payload)
	default:
		err = o.parkParity(h.Group, h.Index, payload)
	}
	if err == nil {
		o.index.add(h.Group, h.Index)
	}
	return err
}

// putData writes a data shard to its place. If parity was parked there, it
// moves to another free place first.
func (o *object) putData(g uint32, i int, payload []byte) error {
	if i > int(o.index.groups[g].next) {
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
	o.ready, o.hashed, o.rebuilt = nil, false, 0
}

// unwanted reports whether an object that is not the chosen one can be ignored
// without a further look.
func (r *Receiver) unwanted(id proto.ObjectID) bool {
	pinned := r.cfg.Object != proto.ObjectID{}
	return pinned && id != r.cfg.Object || r.refused.has(id)
}

// meet decides what to do about an object that is not the chosen one. It
// returns nil if it has become that (spec.md 7.2).
func (r *Receiver) meet(from Origin, h *proto.Header, payload []byte) error {
	m, err := manifestOf(h, payload)
	switch {
	case err == ReasonManifest:
		return err
	case m != nil && r.cfg.Name != nil && !r.cfg.Name(m.Name):
		r.refuse(h.Object, m.Name)
		return ReasonOtherObject
	case r.object == nil:
		return r.choose(from, h)
	case m == nil:
		return err
	}
	r.report(h.Object, m.Name)
	late := r.now.Sub(r.object.since) > uncertifiedFor
	if r.object.manifest != nil || r.cfg.Name == nil && !late {
		return ReasonOtherObject
	}
	if _, err := r.admissible(h); err != nil {
		return err
	}
	r.drop("it has shown no manifest, and another object has")
	return r.choose(from, h)
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
func (r *Receiver) choose(from Origin, h *proto.Header) error {
	geo, err := r.admissible(h)
	if err != nil {
		return err
	}
	var store Store
	if !r.cfg.IndexOnly {
		if store, err = r.cfg.Open(h.Object, h.Params); err != nil {
			r.fail(err)
			return nil
		}
	}
	r.object = &object{
		id: h.Object, geo: geo, since: r.now,
		index:  newIndex(geo),
		places: places{store: store, geo: geo},
	}
	r.received, r.flows, r.lossThen, r.attempts = received{}, flows{}, Loss{}, 0
	r.observe(ObjectFound{Object: h.Object, Params: h.Params, From: from})
	return nil
}

// drop gives up the chosen object.
func (r *Receiver) drop(why string) {
	r.observe(Dropped{Object: r.object.id, Why: why})
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
func (r *Receiver) certify(h *proto.Header, payload []byte) error {
	m, err := manifestOf(h, payload)
	if m == nil {
		return err
	}
	if r.cfg.Name != nil && !r.cfg.Name(m.Name) {
		r.refuse(h.Object, m.Name)
		r.drop("its name is not the wanted one")
		return ReasonOtherObject
	}
	if r.object.geo.Params != h.Params {
		if _, err := r.admissible(h); err != nil {
			return err
		}
		r.drop("its first packet was forged")
		if err := r.choose(Origin{}, h); err != nil {
			return err
		}
	}
	if r.err != nil {
		return nil // of Config.Open
	}
	r.object.manifest = m
	r.observe(Certified{Manifest: m})
	if store := r.object.places.store; store != nil {
		if err := store.Reserve(int64(h.Size)); err != nil {
			r.fail(storeError("reserve space", err))
			return nil
		}
	}
	if h.Size == 0 {
		r.checkCollected()
	}
	return nil
}

// manifestOf returns the manifest that an undamaged packet carries, nil if it
// carries something else or one that does not describe its object.
func manifestOf(h *proto.Header, payload []byte) (*proto.Manifest, error) {
	if h.Type != proto.TypeManifest {
		return nil, ReasonOtherObject
	}
	m, err := proto.ParseManifestPayload(slices.Clone(payload))
	if err != nil || m.Descriptor.Params != h.Params || m.Descriptor.Object() != h.Object {
		return nil, ReasonManifest
	}
	return m, nil
}

// refuse ignores an object from now on.
func (r *Receiver) refuse(id proto.ObjectID, name string) {
	r.refused.add(id)
	r.report(id, name)
}

// report tells once about an object that was not chosen.
func (r *Receiver) report(id proto.ObjectID, name string) {
	if !r.reported.full() && !r.reported.has(id) {
		r.reported.add(id)
		r.observe(OtherObject{Object: id, Name: name})
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
