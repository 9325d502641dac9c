// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"crypto/sha256"
	"errors"
	"io"
	"slices"
	"time"

	"iotupd/fec"
)

// ErrIntegrity means that what was received has the wrong SHA-256, and that it
// does not help to go on: without digests it was so again and again, since some
// packets are forged or the sender's file changes; with them every leaf is right.
var ErrIntegrity = errors.New("the received file does not match its SHA-256")

// A Job is work that takes long: decoding a group, hashing the whole file,
// comparing what is stored with its leaves, making parity again. Its owner calls
// Run on any goroutine, once, and then gives it to [Receiver.Finish].
type Job struct {
	object *object
	job
	err error
}

// A job is what a Job does.
type job struct {
	run      func() error
	finish   func() // applied to the receiver if run succeeded
	decoding bool   // it has the memory of a decoder
	leafy    bool   // it is about leaves: useless if it turns out that there are none
}

// Run does the work.
func (j *Job) Run() { j.err = j.run() }

// todo is the work of an object that waits for jobs, as groups.
type todo struct {
	ready     []uint32 // full: to be decoded
	unbuilt   []uint32 // lack records that can be rebuilt
	unadopted []uint32 // to be compared with what was on disk
	outlined  []outlined
	unchecked []uint32 // have provisional shards whose leaves are known
	spoilt    []cure   // were decoded from forged shards

	running  int  // jobs handed out
	decoding int  // of these, with a decoder or its memory
	curing   bool // of these, one is the cure
}

func (r *Receiver) newJob(j job) *Job {
	o := r.object
	o.running++
	if j.decoding {
		o.decoding++
	}
	return &Job{object: o, job: j}
}

// NextJob returns work to be done, nil if there is none now. Jobs of one
// receiver may run at the same time.
func (r *Receiver) NextJob() *Job {
	if r.object == nil || r.Done() || r.cfg.IndexOnly {
		return nil
	}
	o := r.object
	spare := o.running-o.decoding < r.cfg.Workers
	if spare && o.adopted.recall {
		return r.recallJob()
	}
	if spare && len(o.unbuilt) > 0 {
		return r.rebuildJob()
	}
	spoilt, ready := o.nextSpoilt(), o.nextReady()
	switch {
	case spoilt >= 0 && o.decoding == 0:
		return r.cureJob(spoilt)
	case spoilt >= 0 || o.curing: // decoders wait: the cure needs their memory
	case ready >= 0 && o.decoding < r.decodersAtOnce():
		return r.decodeJob(ready)
	}
	if spare && len(o.unchecked) > 0 {
		return r.checkJob()
	}
	if spare {
		if g, ok := o.nextUnadopted(); ok {
			return r.adoptJob(g)
		}
		if w, n, ok := o.nextOutlined(); ok {
			return r.outlineJob(w, n)
		}
	}
	if o.manifest != nil && o.index.done() && !o.hashed && o.running == 0 {
		return r.hashJob()
	}
	return nil
}

// Finish takes a job back after its Run. A [StoreError] may end the transfer;
// after a wrong hash it goes on.
func (r *Receiver) Finish(now time.Time, j *Job) {
	r.now = now
	if j.object != r.object || r.err != nil {
		return // of an object that was dropped meanwhile
	}
	j.object.running--
	if j.decoding {
		j.object.decoding--
	}
	switch {
	case j.err != nil:
		r.fail(j.err)
	case j.leafy && j.object.leaves == nil:
	default:
		j.finish()
	}
	r.excuse()
}

// goodStrip is how many bytes of every shard a decoder should hold at a time
// before another decoder gets memory of its own.
const goodStrip = 384

// decodersAtOnce is the number of groups that may be decoded in parallel: as
// many as there is memory for. The processors that are left work within a
// group.
func (r *Receiver) decodersAtOnce() int {
	fit := max(1, r.cfg.Memory/fec.DecoderMemory(r.object.geo.Params, goodStrip))
	return int(min(uint64(min(r.cfg.Workers, fit)), r.object.geo.Groups))
}

// decoder returns an idle decoder, or makes one with its share of memory and
// processors.
func (r *Receiver) decoder() (*fec.Decoder, error) {
	o := r.object
	if n := len(o.decoders); n > 0 {
		d := o.decoders[n-1]
		o.decoders = o.decoders[:n-1]
		return d, nil
	}
	n := r.decodersAtOnce()
	return fec.NewDecoder(o.geo.Params, fec.DecoderConfig{
		Memory:  r.cfg.Memory / n,
		Workers: (r.cfg.Workers + n - 1) / n,
	})
}

// nextReady returns which of the full groups to decode next, -1: none. What can
// be done before is: records are rebuilt, and shards compared with their leaves.
// A group all of whose shards are verified need not be decoded twice to be sure.
func (o *object) nextReady() int {
	return slices.IndexFunc(o.ready, func(g uint32) bool {
		return o.leaves == nil || !o.leaves.counts[g].queued && o.index.groups[g].check == unchecked
	})
}

// decodeJob rebuilds a group that is full, number i of those. If some of its
// shards are provisional, what they give is compared with the leaves that are
// known before anything is written.
func (r *Receiver) decodeJob(i int) *Job {
	o := r.object
	g := o.ready[i]
	copy(o.ready[1:], o.ready[:i]) // i is 0, mostly, and all groups fill at once
	o.ready = o.ready[1:]
	o.index.groups[g].apply(decodeStarted)
	task := newDecodeTask(o, g)
	d, err := r.decoder()
	doubtful := o.leaves != nil && !task.proven
	if err == nil && doubtful {
		err = task.expectLeaves(o)
	}
	if err == nil {
		err = o.places.flush()
	}
	forged := false
	return r.newJob(job{
		decoding: true,
		run: func() error {
			if err != nil {
				return err
			}
			group := fec.Group{Held: task.held, Read: task.read, Write: task.write}
			if doubtful && (len(task.expected) > 0 || task.padded()) {
				group.Check = task.check
			}
			err := d.Decode(group)
			if forged = errors.Is(err, errForged); forged {
				return nil
			}
			return err
		},
		finish: func() {
			o.decoders = append(o.decoders, d)
			if forged {
				r.foundForged(g, 1) // at least
				r.distrust(g)
				return
			}
			for _, i := range task.missing {
				o.index.rebuilt(g, i, task.standing(i))
			}
			r.decoded(g)
		},
	})
}

// unready takes a group out of those that wait for a decoder.
func (o *object) unready(g uint32) {
	o.ready = slices.DeleteFunc(o.ready, func(other uint32) bool { return other == g })
}

// hashJob reads the finished file back and compares its SHA-256: the last word.
func (r *Receiver) hashJob() *Job {
	o := r.object
	o.hashed = true
	err := o.places.flush()
	var right bool
	return r.newJob(job{
		run: func() error {
			if err != nil {
				return err
			}
			if err := o.places.store.Sync(); err != nil {
				return storeError("sync", err)
			}
			sum, err := o.hash()
			right = sum == o.manifest.Descriptor.SHA256
			return err
		},
		finish: func() {
			switch {
			case !o.hashed: // a forged shard was found meanwhile
				return
			case right:
				r.done = true
				r.observe(Verified{})
			default:
				r.corrupt()
			}
		},
	})
}

// corrupt is called when the SHA-256 of the whole is wrong: what no leaf has
// confirmed is given up. Where every leaf is right, the object itself is wrong.
func (r *Receiver) corrupt() {
	o := r.object
	r.attempts++
	r.observe(Corrupt{Attempt: r.attempts})
	if o.leaves == nil {
		if r.attempts == maxAttempts {
			r.fail(ErrIntegrity)
			return
		}
		o.forget()
		return
	}
	before := o.index.complete
	for g := range o.index.groups {
		if o.index.groups[g].provisional > 0 {
			r.distrust(uint32(g))
		}
	}
	if o.index.complete == before {
		r.fail(ErrIntegrity)
	}
}

// hash reads the whole file back.
func (o *object) hash() (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	file := io.NewSectionReader(o.places.store, 0, int64(o.geo.Size))
	for b := make([]byte, 1<<20); ; {
		n, err := io.ReadFull(file, b)
		h.Write(b[:n])
		switch {
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			return [sha256.Size]byte(h.Sum(nil)), nil
		case err != nil:
			return sum, storeError("read back", err)
		case o.aborted.Load():
			return sum, errAborted
		}
	}
}

// errAborted ends jobs that nobody waits for any more.
var errAborted = errors.New("receiver: aborted")

// Abort makes running jobs end soon. Their transfer fails.
func (r *Receiver) Abort() {
	if r.object != nil {
		r.object.aborted.Store(true)
	}
}
