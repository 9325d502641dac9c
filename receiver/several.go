// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"iotupd/proto"
)

// A Take says what a receiver does where several objects are sent (spec.md 7.2).
type Take int

// Takes.
const (
	// TakeFirst receives the first object that has a manifest to follow.
	TakeFirst Take = iota
	// TakeOnly receives the object that has a manifest to follow, if there is only one.
	// From senders of several, it waits for the list of objects. If that has several
	// objects to follow, the transfer ends with a [*SeveralError].
	TakeOnly
	// TakeAll receives all objects that have a manifest to follow.
	TakeAll
	// TakeNone receives nothing but the list of objects, and ends with a [*SeveralError].
	TakeNone
)

// listTime is how long the list of objects grows if there is no catalogue: a manifest is
// sent every 10 s at the least (spec.md 5.4).
const listTime = 11 * time.Second

// gainTime is how long the list waits for a catalogue of which packets come, and none of
// them is new.
const gainTime = time.Minute

// A SeveralError ends a transfer that has found several objects.
type SeveralError struct {
	Objects  []Listed // in the order of their names
	Complete bool     // a catalogue has listed them; otherwise there may be more
}

func (e *SeveralError) Error() string {
	return fmt.Sprintf("%d objects are sent, and none of them was chosen", len(e.Objects))
}

// A Listed is an object with a manifest to follow.
type Listed struct {
	Object   proto.ObjectID // on the wire
	Manifest *proto.Manifest
	Signers  []proto.PublicKey // as in [Certified]
	Release  Release           // by which it is remembered: see [Certified]
}

// A set is what a receiver knows of objects that are sent together.
type set struct {
	since      time.Time // first packet of a sender of several objects; zero: none came
	listed     map[proto.ObjectID]*candidate
	until      time.Time // when the list ends without a catalogue; zero: it has ended, or not begun
	complete   bool      // the list has ended
	again      bool      // it had ended before, with nothing in it
	catalogued bool      // by a catalogue

	catalogue  *object // that is being received; nil: none
	catalogues recent  // that were received, or turned out to be none

	objects map[proto.ObjectID]*object // being received, with TakeAll
	newest  map[string]*series         // of a component for some hardware
	bytes   uint64                     // of all listed files
	used    uint64                     // memory of objects
	jobs    int                        // handed out

	decoders int       // memory for decoders of all objects, in bytes
	decoding int       // of decoders, with jobs
	later    []*object // that wait for such memory

	queue            []*candidate // of listed, with TakeAll: those that have not begun, and others
	fresh            []*object    // objects whose stores are to be opened
	settling         []*object    // objects that were not settled lately: see unsettled
	finished, failed int
	done             uint64 // bytes of finished files
	needed, held     uint64 // data shards of listed and of finished files

	left proto.Reason // why files to follow were left out; empty: none was
}

// A candidate is an object with a manifest to follow.
type candidate struct {
	verifiedManifest
	id   identity
	from Origin // of the manifest

	state candidateState
}

type candidateState uint8

const (
	listed candidateState = iota
	begun
	over // finished, or given up
)

// Totals are the sums over all objects of a receiver with [TakeAll].
type Totals struct {
	Objects    int  // that are known
	Finished   int  // of Objects
	Failed     int  // of Objects
	Complete   bool // there are no others
	Catalogued bool // a catalogue says so

	// LeftOut is why there are files to follow that are not received, being over a limit.
	// Empty: there are none.
	LeftOut proto.Reason

	Bytes uint64 // of all files
	Done  uint64 // of Bytes, at hand or finished

	Needed, Held uint64 // data shards, as in [Progress]
}

// Totals returns the sums over all objects.
func (r *Receiver) Totals() Totals {
	s := &r.set
	t := Totals{
		Objects: len(s.listed), Finished: s.finished, Failed: s.failed, Complete: s.complete, Catalogued: s.catalogued, LeftOut: s.left,
		Bytes: s.bytes, Done: s.done, Needed: s.needed, Held: s.held,
	}
	for _, o := range s.objects {
		t.Done += min(o.geo.Size, o.index.shards*uint64(o.geo.ShardSize))
		t.Held += o.index.shards
	}
	return t
}

// Listing reports whether the list of objects grows, and nothing is to be received before
// it has ended.
func (r *Receiver) Listing() bool {
	s := &r.set
	return !s.until.IsZero() && r.object == nil && (len(s.listed) > 0 || s.catalogue != nil && !s.again)
}

// Objects returns the progress of at most so many objects that are being received with
// [TakeAll], first the one that lacks least.
func (r *Receiver) Objects(most int) []Progress {
	first := make([]*object, 0, most+1) // there may be thousands, which are not sorted several times a second
	for _, o := range r.set.objects {
		i, _ := slices.BinarySearchFunc(first, o, compareLack)
		if i < most {
			first = slices.Insert(first, i, o)
			first = first[:min(most, len(first))]
		}
	}
	list := make([]Progress, 0, len(first))
	for _, o := range first {
		list = append(list, r.progressOf(o))
	}
	return list
}

func compareLack(a, b *object) int {
	return cmp.Or(cmp.Compare(a.geo.DataShards-a.index.shards, b.geo.DataShards-b.index.shards), bytes.Compare(a.wire[:], b.wire[:]))
}

// hearSet notes that an undamaged packet comes from a sender of several objects.
func (r *Receiver) hearSet() {
	if s := &r.set; s.since.IsZero() {
		s.since, s.until = r.now, r.now.Add(listTime)
	}
}

// waitsForList reports whether nothing is chosen before the list of objects has ended.
func (r *Receiver) waitsForList() bool {
	return r.cfg.Take == TakeNone || r.cfg.Take == TakeOnly && !r.set.since.IsZero() && r.object == nil
}

// found handles a manifest to follow of an object that is not being received. o is the
// object if it has begun now.
func (r *Receiver) found(c candidate) (o *object, err error) {
	switch {
	case c.Catalogue > 0:
		return r.beginCatalogue(c)
	case r.cfg.Take == TakeAll:
		known, err := r.list(c)
		if err != nil {
			return nil, err
		}
		return r.begin(known)
	case r.waitsForList():
		_, err := r.list(c)
		return nil, err
	case r.object == nil:
	case r.object.opening:
		return nil, ReasonScanning // it is sent again
	case !r.supersedes(c.verifiedManifest):
		r.gate.report(&r.gate.reported, Refused{Object: c.id.wire, Name: c.Name, Component: c.Component, Size: c.Descriptor.Size, Why: ReasonOtherObject})
		return nil, ReasonOtherObject
	}
	geo, err := c.Descriptor.Geometry()
	if err != nil {
		return nil, proto.ReasonGeometry
	}
	if _, _, need, fits := r.memoryOf(c.Manifest, geo); !fits {
		r.gate.refuse(Refused{Object: c.id.wire, Name: c.Name, Component: c.Component, Why: ReasonMemory, Memory: need})
		return nil, ReasonMemory
	}
	old := r.old
	if r.object != nil {
		old = r.dropObject("a newer release is sent")
	}
	o = r.choose(c, geo)
	o.old, r.old = old, nil
	return o, nil
}

// list adds an object to the list, unless it is there.
func (r *Receiver) list(c candidate) (*candidate, error) {
	s := &r.set
	if known := s.listed[c.id.wire]; known != nil {
		return known, nil
	}
	of, err := r.seriesOf(&c)
	if err != nil {
		return nil, err
	}
	if of != nil {
		r.enter(of, &c) // which may make room
	}
	switch {
	case len(s.listed) >= r.cfg.MaxObjects:
		return nil, r.leaveOut(&c, ReasonTooMany)
	case r.cfg.MaxTotal > 0 && s.bytes+c.Descriptor.Size > r.cfg.MaxTotal:
		return nil, r.leaveOut(&c, ReasonTooLarge)
	}
	if s.listed == nil {
		s.listed = make(map[proto.ObjectID]*candidate)
	}
	if s.since.IsZero() {
		r.hearSet()
	}
	s.listed[c.id.wire] = &c
	s.bytes += c.Descriptor.Size
	s.needed += dataShards(&c)
	if r.cfg.Take == TakeAll {
		s.queue = append(s.queue, &c)
	}
	return &c, nil
}

// leaveOut notes that an object to follow is not received, which is over a limit.
func (r *Receiver) leaveOut(c *candidate, why proto.Reason) error {
	r.set.left = cmp.Or(r.set.left, why)
	r.gate.report(&r.gate.reported, Refused{Object: c.id.wire, Name: c.Name, Component: c.Component, Size: c.Descriptor.Size, Why: why})
	return why
}

// A series is the newest release of a component for some hardware: the objects of one
// sequence, which are many in a set.
type series struct {
	sequence uint64
	objects  []*candidate
}

// seriesOf returns the newest release of the series of a candidate, nil if there are no
// series for it. An error says that the candidate is older itself.
func (r *Receiver) seriesOf(c *candidate) (*series, error) {
	if r.cfg.Trust == nil || r.cfg.Take != TakeAll || c.Component == "" {
		return nil, nil
	}
	s := &r.set
	key := c.Component + "\x00" + strings.Join(c.Targets, "\x00")
	if s.newest == nil {
		s.newest = make(map[string]*series)
	}
	if s.newest[key] == nil {
		s.newest[key] = &series{sequence: c.Sequence}
	}
	if s.newest[key].sequence > c.Sequence {
		r.gate.refuse(Refused{Object: c.id.wire, Name: c.Name, Component: c.Component, Why: ReasonRollback})
		return nil, ReasonRollback
	}
	return s.newest[key], nil
}

// enter adds a candidate to its series. If it is newer, all objects of the older release
// that are not complete are taken off the list.
func (r *Receiver) enter(of *series, c *candidate) {
	if c.Sequence > of.sequence {
		for _, old := range of.objects {
			if old.state != over {
				r.replace(old)
			}
		}
		*of = series{sequence: c.Sequence}
	}
	of.objects = append(of.objects, c)
}

// replace takes an object off the list, of which a newer release is sent.
func (r *Receiver) replace(c *candidate) {
	s := &r.set
	if o := s.objects[c.id.wire]; o != nil {
		r.endObject(o)
		r.observe(Dropped{Object: o.wire, Why: "a newer release is sent"})
	}
	c.state = over
	delete(s.listed, c.id.wire)
	s.bytes -= c.Descriptor.Size
	s.needed -= dataShards(c)
}

// endList is called when the list of objects has ended.
func (r *Receiver) endList(catalogued bool) {
	s := &r.set
	s.until, s.complete, s.catalogued = time.Time{}, true, catalogued
	if len(s.listed) == 0 && r.cfg.Take != TakeNone { // others may come
		s.since, s.complete, s.again = time.Time{}, false, true
		return
	}
	if !r.waitsForList() {
		return
	}
	if r.cfg.Take == TakeOnly {
		switch len(s.listed) {
		case 1:
			for _, c := range s.listed {
				r.chooseOnly(*c)
			}
			return
		}
	}
	r.fail(&SeveralError{Objects: s.sorted(), Complete: catalogued})
}

// chooseOnly chooses the only object of the list.
func (r *Receiver) chooseOnly(c candidate) {
	s := &r.set
	s.listed, s.bytes = nil, 0
	r.cfg.Take = TakeFirst
	r.found(c)
}

// dataShards returns the number of data shards of an object.
func dataShards(c *candidate) uint64 {
	size := uint64(c.Descriptor.ShardSize)
	return (c.Descriptor.Size + size - 1) / size
}

// sorted returns the list in the order of the names.
func (s *set) sorted() []Listed {
	all := make([]Listed, 0, len(s.listed))
	for _, c := range s.listed {
		all = append(all, Listed{Object: c.id.wire, Manifest: c.Manifest, Signers: c.signers, Release: c.release})
	}
	slices.SortFunc(all, func(a, b Listed) int {
		return cmp.Or(cmp.Compare(a.Manifest.Name, b.Manifest.Name), bytes.Compare(a.Object[:], b.Object[:]))
	})
	return all
}

// tickList ends the list when its time is over. A catalogue that is being received has
// more time, unless anybody may have invented it to delay a file that was signed.
func (r *Receiver) tickList() {
	s := &r.set
	if s.until.IsZero() || r.now.Before(s.until) {
		return
	}
	if c := s.catalogue; c != nil {
		last := earlier(c.heard.Add(listTime), c.gainedAt.Add(gainTime))
		switch {
		case !r.now.Before(last):
			r.dropCatalogue()
		case c.index.shards > 0 && (r.counts(c.catalogue) || r.cfg.Take == TakeAll):
			s.until = last
			return
		}
	}
	r.endList(false)
}
