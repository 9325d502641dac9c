// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"crypto/sha256"
	"errors"
	"io"
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

func (r *Receiver) newJob(j job) *Job {
	o := r.object
	o.work.running++
	if j.decoding {
		o.work.decoding++
	}
	return &Job{object: o, job: j}
}

// NextJob returns work to be done, nil if there is none now. Jobs of one
// receiver may run at the same time.
func (r *Receiver) NextJob() *Job {
	if r.object == nil || r.Done() {
		return nil
	}
	for kind := range workKinds {
		if !r.hasRoom(kind) {
			continue
		}
		if j := r.nextJob(kind); j != nil {
			return j
		}
	}
	return nil
}

// hasRoom reports whether a job of a kind may start beside those that run.
func (r *Receiver) hasRoom(kind workKind) bool {
	w := &r.object.work
	switch kind {
	case reencodeGroup: // takes the memory of all decoders
		return w.decoding == 0
	case decodeGroup:
		_, waits := r.object.nextTask(reencodeGroup)
		return !waits && !w.reencoding && w.decoding < r.decodersAtOnce()
	case hashFile:
		return w.running == 0
	}
	return w.running-w.decoding < r.cfg.Workers
}

// nextJob returns a job of a kind, nil if there is no such work.
func (r *Receiver) nextJob(kind workKind) *Job {
	o := r.object
	switch kind {
	case hashFile:
		if o.manifest != nil && o.index.done() && !o.hashed {
			return r.hashJob()
		}
		return nil
	case scanOutline:
		if w, n, ok := o.nextOutlined(); ok {
			return r.outlineJob(w, n)
		}
		return nil
	}
	t, ok := o.nextTask(kind)
	if !ok {
		return nil
	}
	o.work.lanes[kind].pop()
	switch g := t.group; kind {
	case scanRecords:
		return r.recallJob()
	case rebuildRecords:
		return r.rebuildJob(g)
	case reencodeGroup:
		return r.cureJob(g)
	case decodeGroup:
		return r.decodeJob(g)
	case checkGroup:
		return r.checkJob(g)
	default:
		return r.adoptJob(g)
	}
}

// Finish takes a job back after its Run. A [StoreError] may end the transfer;
// after a wrong hash it goes on.
func (r *Receiver) Finish(now time.Time, j *Job) {
	r.now = now
	if j.object != r.object || r.err != nil {
		return // of an object that was dropped meanwhile
	}
	j.object.work.running--
	if j.decoding {
		j.object.work.decoding--
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

// decodeJob rebuilds a group that is full. If some of its shards are provisional,
// what they give is compared with the leaves that are known before anything is
// written.
func (r *Receiver) decodeJob(g uint32) *Job {
	o := r.object
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
