// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"crypto/sha256"
	"errors"
	"io"
	"time"

	"iotupd/fec"
)

// ErrIntegrity means that what was received has the wrong SHA-256, again and
// again: some packets are forged, or the sender's file changes.
var ErrIntegrity = errors.New("the received file does not match its SHA-256")

// A Job is work that takes long: decoding a group, or hashing the whole file.
// Its owner calls Run on any goroutine, once, and then gives it to
// [Receiver.Finish].
type Job struct {
	object *object
	run    func() error
	finish func() // applied to the receiver if run succeeded
	err    error
}

// Run does the work.
func (j *Job) Run() { j.err = j.run() }

// NextJob returns work to be done, nil if there is none now. Jobs of one
// receiver may run at the same time.
func (r *Receiver) NextJob() *Job {
	if r.object == nil || r.Done() || r.cfg.IndexOnly {
		return nil
	}
	o := r.object
	if len(o.ready) > 0 && o.running < r.decodersAtOnce() {
		return r.decodeJob()
	}
	if o.manifest != nil && o.index.done() && !o.hashed {
		return r.hashJob()
	}
	return nil
}

// Finish takes a job back after its Run. A failure of the store ends the
// transfer; a wrong hash starts it again.
func (r *Receiver) Finish(now time.Time, j *Job) {
	r.now = now
	if j.object != r.object || r.err != nil {
		return // of an object that was dropped meanwhile
	}
	j.object.running--
	if j.err != nil {
		r.fail(j.err)
		return
	}
	j.finish()
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

// decodeJob rebuilds the next group that is full.
func (r *Receiver) decodeJob() *Job {
	o := r.object
	g := o.ready[0]
	o.ready = o.ready[1:]
	o.running++
	d, err := r.decoder()
	if err == nil {
		err = o.places.flush()
	}
	if err != nil {
		return &Job{object: o, run: func() error { return err }}
	}
	task := newDecodeTask(o, g)
	return &Job{
		object: o,
		run: func() error {
			return d.Decode(fec.Group{Held: task.held, Read: task.read, Write: task.write})
		},
		finish: func() {
			o.decoders = append(o.decoders, d)
			r.decoded(g)
		},
	}
}

// hashJob reads the finished file back and compares its SHA-256: the last word.
func (r *Receiver) hashJob() *Job {
	o := r.object
	o.hashed = true
	o.running++
	if err := o.places.flush(); err != nil {
		return &Job{object: o, run: func() error { return err }}
	}
	var right bool
	return &Job{
		object: o,
		run: func() error {
			if err := o.places.store.Sync(); err != nil {
				return storeError("sync", err)
			}
			sum, err := o.hash()
			right = sum == o.manifest.Descriptor.SHA256
			return err
		},
		finish: func() {
			if right {
				r.done = true
				r.observe(Verified{})
				return
			}
			r.attempts++
			r.observe(Corrupt{Attempt: r.attempts})
			if r.attempts == maxAttempts {
				r.fail(ErrIntegrity)
				return
			}
			o.forget()
		},
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
