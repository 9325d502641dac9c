// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import "errors"

// A Job is work that takes long: decoding a group, hashing the whole file,
// comparing bytes on disk with their leaves, making parity again. Its owner calls
// Run on any goroutine, once, and then gives it to [Receiver.Finish].
type Job struct {
	object *object
	kind   workKind
	work   work
	err    error
}

// A work is the work of a job. It is made from the state of its object, and run
// uses copies of all state that may change meanwhile.
type work interface {
	run() error    // on any goroutine
	finish() error // applies the result, if run succeeded, on the receiver's
}

// Run does the work.
func (j *Job) Run() { j.err = j.work.run() }

// finish takes a job back.
func (j *Job) finish() error {
	w := &j.object.work
	switch {
	case j.kind == writeStore:
		w.writing = false
	case j.kind.counts():
		w.running--
	}
	if j.kind.decodes() {
		w.decoding--
	}
	if j.err != nil {
		return j.err
	}
	return j.work.finish()
}

// errAborted ends jobs whose result is no longer wanted.
var errAborted = errors.New("receiver: aborted")

// nextJob returns the first job that can start now, nil if there is none.
func (o *object) nextJob() *Job {
	if o.candidate != nil && o.verified {
		return nil // it ends with the last one that runs
	}
	for kind := range workKinds {
		if o.opening && kind != openStore {
			break
		}
		if !o.hasRoom(kind) {
			continue
		}
		w := o.nextWork(kind)
		if w == nil {
			continue
		}
		switch {
		case kind == writeStore:
			o.work.writing = true
		case kind.counts():
			o.work.running++
		}
		if kind.decodes() {
			o.work.decoding++
			if o.candidate != nil {
				o.set.startDecoding(o)
			}
		}
		return &Job{object: o, kind: kind, work: w}
	}
	return nil
}

// hasRoom reports whether a job of a kind may start beside those that run.
func (o *object) hasRoom(kind workKind) bool {
	w := &o.work
	switch kind {
	case reencodeGroup: // takes the memory of all decoders
		if len(w.lanes[kind]) == 0 || o.candidate != nil && !o.set.mayDecode(o) {
			return false
		}
		return w.decoding == 0
	case decodeGroup:
		if len(w.lanes[kind]) == 0 || o.candidate != nil && !o.set.mayDecode(o) {
			return false
		}
		_, waits := o.nextTask(reencodeGroup)
		return !waits && !w.reencoding && w.decoding < o.decoders.atOnce()
	case hashFile:
		return !o.hash.running
	case syncStore:
		return !w.syncing
	case writeStore:
		return !w.writing
	}
	return w.running-w.decoding < o.cfg.Workers
}

// nextWork takes work of a kind from the list, nil if there is none.
func (o *object) nextWork(kind workKind) work {
	switch kind {
	case openStore:
		if !o.opening || o.work.running > 0 {
			return nil
		}
		return newOpenWork(o)
	case writeStore:
		if len(o.places.queue.queued) == 0 {
			return nil
		}
		return newWriteWork(o)
	case hashFile:
		return newHashWork(o)
	case syncStore:
		return newSyncWork(o)
	case readCatalogue:
		return newCatalogueWork(o)
	case readInventory:
		return newInventoryWork(o)
	case copySeed:
		return newSeedWork(o)
	case scanOutline:
		w, n, ok := o.nextOutlined()
		if !ok {
			return nil
		}
		return newOutlineWork(o, w, n)
	}
	t, ok := o.nextTask(kind)
	if kind == scanGroup && o.scansRecords(t.group) {
		return nil // it is about to end
	}
	if !ok || !o.places.queue.settle(o.index.groups[t.group].batch) {
		return nil
	}
	o.work.lanes[kind].pop()
	switch g := t.group; kind {
	case scanRecords:
		return newRecordScan(o)
	case rebuildRecords:
		return newRebuildWork(o, g)
	case reencodeGroup:
		return newReencodeWork(o, g)
	case decodeGroup:
		return newDecodeWork(o, g)
	case checkGroup:
		return newCheckWork(o, g)
	case scanRecord:
		return newPlacesWork(o, g)
	default:
		return newGroupScan(o, g)
	}
}
