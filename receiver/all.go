// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"errors"

	"iotupd/fec"
	"iotupd/proto"
)

// Limits of a receiver with [TakeAll].
const (
	// maxUnsettled bounds the objects whose stores are being opened or compared with
	// bytes on disk: packets wait for them in memory.
	maxUnsettled = 8

	// maxJobs bounds the jobs of all objects together.
	maxJobs = 16

	// smallObject is the memory of an object beside its index, in bytes.
	smallObject = 4 << 10

	// maxIndexes bounds the indexes and records of all objects together, if there is no
	// limit of memory. It is enough for DefaultMaxObjects small ones: all of them are
	// received at a time, since packets of the others are lost.
	maxIndexes = 384 << 20

	// fewRecords bounds the cache of hash records where there are many objects.
	fewRecords = 16 << 10
)

// ErrHave is what Config.Open returns, with [TakeAll], for a file that is there already.
var ErrHave = errors.New("receiver: the file is there already")

// begin begins to receive an object of the list.
func (r *Receiver) begin(c *candidate) (*object, error) {
	s := &r.set
	switch {
	case c.state == over:
		return nil, ReasonNotNeeded
	case s.unsettled() >= maxUnsettled:
		return nil, ReasonBusy
	}
	geo, err := c.Descriptor.Geometry()
	if err != nil {
		return nil, proto.ReasonGeometry
	}
	b, need, fits := r.share(geo)
	switch {
	case !fits && len(s.objects) == 0:
		r.gate.refuse(Refused{Object: c.id.wire, Name: c.Name, Why: ReasonMemory, Memory: need})
		r.giveUp(c, ReasonMemory)
		return nil, ReasonMemory
	case !fits:
		return nil, ReasonBusy
	}
	o := newObject(&r.shared, c.id, geo, c.Manifest, b)
	o.candidate, o.need = c, need
	c.state = begun
	if s.objects == nil {
		s.objects = make(map[proto.ObjectID]*object)
		r.streams.restart(c.from)
	}
	r.streams.prove(c.from)
	o.places.queue.small = true
	s.objects[o.wire] = o
	s.used += need
	o.waiting.limit(geo)
	r.waiting.moveTo(&o.waiting, o.wire)
	r.observe(ObjectFound{Object: o.wire, Params: geo.Params, From: c.from, Since: r.now})
	r.observe(Certified{Manifest: c.Manifest, Signers: c.signers, Release: c.release})
	s.settling = append(s.settling, o)
	s.fresh = append(s.fresh, o)
	return o, nil
}

// beginMore begins to receive objects of the list, whether or not packets of them have
// arrived: some files are there already, and others are empty.
func (r *Receiver) beginMore() {
	s := &r.set
	for len(s.queue) > 0 {
		c := s.queue[0]
		if c.state == listed {
			if _, err := r.begin(c); err == ReasonBusy {
				return
			}
		}
		s.queue[0] = nil
		s.queue = s.queue[1:]
	}
}

// nextOpen returns the job of opening the next store, if there is one. These jobs are few
// and come before all others: packets of objects that have not begun are lost.
func (r *Receiver) nextOpen() *Job {
	s := &r.set
	for len(s.fresh) > 0 && !r.Done() {
		o := s.fresh[0]
		s.fresh[0] = nil
		s.fresh = s.fresh[1:]
		if r.find(o.wire) != o {
			continue
		}
		if j := o.nextJob(); j != nil {
			s.jobs++
			o.jobs++
			return j
		}
	}
	return nil
}

// unsettled returns the number of objects for which packets may wait.
func (s *set) unsettled() int {
	n := 0
	for _, o := range s.settling {
		if !o.gone && (o.opening || o.resume.waiting > 0) {
			s.settling[n] = o
			n++
		}
	}
	clear(s.settling[n:])
	s.settling = s.settling[:n]
	return n
}

// share returns the memory that one of several objects gets, and what it takes
// beside the memory that all of them share: decoders, tables and what waits to be
// written.
func (r *Receiver) share(geo proto.Geometry) (b budget, need uint64, fits bool) {
	limit := uint64(maxIndexes)
	b = budget{decoders: r.cfg.decoderMemory(geo), batches: mostBatches}
	if r.cfg.MemoryLimit > 0 {
		limit = uint64(r.cfg.MemoryLimit)
		b.decoders = min(b.decoders, r.cfg.MemoryLimit/4)
	}
	r.set.decoders = b.decoders
	b.decoders = max(min(b.decoders, fec.DecoderMemory(geo.Params, geo.ShardSize)), fec.DecoderMemory(geo.Params, proto.ShardUnit))
	b.records = min(allRecords(geo), max(fewRecords, r.cfg.LeafMemory/(1+len(r.set.objects))))
	common := uint64(max(r.set.decoders, b.decoders)) + tableBytes + mostBatches*batchBytes
	need = smallObject + indexBytes(geo) + uint64(b.records) + parkedBytes*geo.Groups*uint64(min(geo.K, geo.M))
	switch {
	case r.cfg.MemoryLimit == 0:
		common = 0 // only the indexes are limited
	case r.cfg.InMemory:
		need += geo.Size
	}
	return b, need, common+r.set.used+need <= limit
}

// endObject takes an object out that is finished, or given up.
func (r *Receiver) endObject(o *object) {
	s := &r.set
	delete(s.objects, o.wire)
	s.used -= o.need
	o.candidate.state = over
	o.drop()
	s.stopDecoding(o)
}

// finishObject is called when an object is complete, verified and durable.
func (r *Receiver) finishObject(o *object) {
	r.endObject(o)
	r.countFinished(o)
	r.observe(Finished{Object: o.wire, Manifest: o.manifest, Progress: r.progressOf(o)})
}

func (r *Receiver) countFinished(o *object) {
	r.set.finished++
	r.set.done += o.geo.Size
	r.set.held += dataShards(o.candidate)
}

// failObject gives an object up after an error that concerns nothing else.
func (r *Receiver) failObject(o *object, err error) {
	r.endObject(o)
	switch {
	case errors.Is(err, ErrHave):
		r.countFinished(o)
		r.observe(Finished{Object: o.wire, Manifest: o.manifest, Had: true, Progress: r.progressOf(o)})
	default:
		r.set.failed++
		r.observe(Failed{Object: o.wire, Manifest: o.manifest, Err: err})
	}
}

// giveUp gives up an object that has not begun.
func (r *Receiver) giveUp(c *candidate, why proto.Reason) {
	c.state = over
	r.set.failed++
	r.observe(Failed{Object: c.id.wire, Manifest: c.Manifest, Err: why})
}

// mayDecode reports whether there is memory for the decoders of an object: with [TakeAll],
// all objects share it. One may decode in any case.
func (s *set) mayDecode(o *object) bool {
	if o.decodes || s.decoding == 0 || s.decoding+o.decoders.memory <= s.decoders {
		return true
	}
	if !o.later {
		o.later = true
		s.later = append(s.later, o)
	}
	return false
}

// startDecoding is called when a job has a decoder of an object.
func (s *set) startDecoding(o *object) {
	if !o.decodes {
		o.decodes = true
		s.decoding += o.decoders.memory
	}
}

// stopDecoding gives the memory of an object's decoders to others.
func (s *set) stopDecoding(o *object) {
	if !o.decodes {
		return
	}
	o.decodes = false
	s.decoding -= o.decoders.memory
	o.decoders.release()
	s.wakeLater()
}

// wakeLater has the next object decode that waits for memory, one at a time: there may be
// thousands, and most have to go on waiting.
func (s *set) wakeLater() {
	for len(s.later) > 0 {
		next := s.later[0]
		if s.decoding > 0 && s.decoding+next.decoders.memory > s.decoders {
			return
		}
		s.later[0] = nil
		s.later = s.later[1:]
		next.later = false
		if !next.gone {
			next.wake()
			return
		}
	}
}

// collectedAll reports whether no packets are needed by any object.
func (s *set) collectedAll() bool {
	if !s.complete || len(s.listed) == 0 || s.finished+s.failed+len(s.objects) < len(s.listed) {
		return false
	}
	for _, o := range s.objects {
		if !o.collected {
			return false
		}
	}
	return true
}

// doneAll reports whether all objects are finished or given up.
func (s *set) doneAll() bool {
	return s.complete && len(s.listed) > 0 && s.finished+s.failed == len(s.listed)
}
