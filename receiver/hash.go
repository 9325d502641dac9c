// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"crypto/sha256"
	"errors"
	"hash"
	"io"
)

// ErrIntegrity means that the received bytes have the wrong SHA-256, and that it
// does not help to go on: without digests, several attempts failed, because
// packets are forged or the sender's file changes; with digests, every leaf is
// right and the object itself is wrong.
var ErrIntegrity = errors.New("the received file does not match its SHA-256")

// maxAttempts is the number of wrong SHA-256 hashes after which the transfer of
// an object without digests fails. Until then, it starts again.
const maxAttempts = 3

// A fileHash is the SHA-256 of the bytes that are read back from the store,
// which decides about success. While the file is received, it hashes the
// longest prefix in which all data shards are in their places, so that little
// is left to hash at the end.
type fileHash struct {
	state   hash.Hash // of the first bytes; belongs to a job while one runs
	hashed  int64     // number of these bytes
	running bool
	again   bool // a shard was given up while a job ran: it starts again

	prefix  uint64 // data shards from the start of the file on that are in their places
	written int64  // bytes of this prefix that are in the store
	next    int64  // value of written once batch is written
	batch   uint32

	right, synced bool // the SHA-256 is right; the file is durable
}

const (
	// hashStep is the least number of bytes for a job while the file is received.
	hashStep = 4 << 20

	// hashBuffer is how many bytes are read at a time.
	hashBuffer = 256 << 10
)

// advance extends the prefix by the shards that are in their places now.
func (f *fileHash) advance(o *object) {
	for f.prefix < o.geo.DataShards {
		if g, i := o.geo.DataShard(f.prefix); !o.index.hasShard(g, i) {
			break
		}
		f.prefix++
	}
	queue := &o.places.queue
	if queue.isWritten(f.batch) {
		f.written = f.next
		f.next, f.batch = int64(min(f.prefix*uint64(o.geo.ShardSize), o.geo.Size)), queue.last
	}
}

// restart starts again from the first byte: a shard was given up.
func (f *fileHash) restart() { *f = fileHash{running: f.running, again: f.running} }

// A hashWork hashes some more bytes of the store.
type hashWork struct {
	*object
	state    hash.Hash
	from, to int64
}

// newHashWork returns nil if there is not enough to hash.
func newHashWork(o *object) work {
	f := &o.hash
	if f.right {
		return nil
	}
	f.advance(o)
	last := o.index.done() && o.work.running == 0 && o.places.queue.settle(o.places.queue.last)
	switch size := int64(o.geo.Size); {
	case last:
		f.written = size
	case f.written-f.hashed < hashStep || f.written == size:
		return nil
	}
	if f.state == nil {
		f.state = sha256.New()
	}
	f.running = true
	return &hashWork{object: o, state: f.state, from: f.hashed, to: f.written}
}

func (w *hashWork) run() error {
	store := w.places.queue.store
	b := make([]byte, min(hashBuffer, w.to-w.from))
	for at := w.from; at < w.to; at += int64(len(b)) {
		if w.aborted.Load() {
			return errAborted
		}
		b = b[:min(int64(len(b)), w.to-at)]
		n, err := store.ReadAt(b, at)
		w.state.Write(b[:n])
		if n < len(b) && err != io.EOF { // a file that is too short has the wrong hash
			return storeError("read back", err)
		}
	}
	return nil
}

func (w *hashWork) finish() error {
	f := &w.hash
	f.running = false
	if f.again {
		f.again = false
		return nil
	}
	f.hashed = w.to
	if w.to < int64(w.geo.Size) || !w.index.done() {
		return nil
	}
	if [sha256.Size]byte(w.state.Sum(nil)) != w.manifest.Descriptor.SHA256 {
		return w.corrupt()
	}
	f.right = true
	w.checkVerified()
	return nil
}

// A syncWork makes the finished file durable.
type syncWork struct{ *object }

func newSyncWork(o *object) work {
	if !o.index.done() || o.hash.synced || !o.places.queue.settle(o.places.queue.last) {
		return nil
	}
	o.hash.synced = true
	o.work.syncing = true
	return &syncWork{o}
}

func (w *syncWork) run() error { return storeError("sync", w.places.queue.store.Sync()) }

func (w *syncWork) finish() error {
	w.work.syncing = false
	w.checkVerified()
	return nil
}

// checkVerified ends the transfer if the file is both right and durable.
func (o *object) checkVerified() {
	if o.hash.right && o.hash.synced && !o.work.syncing {
		o.verified = true
	}
}

// corrupt is called when the SHA-256 of the whole is wrong: shards that no leaf has
// confirmed are given up. Where every leaf is right, the object itself is wrong.
func (w *hashWork) corrupt() error {
	w.hash.restart()
	w.attempts++
	w.observe(Corrupt{Attempt: w.attempts})
	if w.leaves == nil {
		if w.attempts == maxAttempts {
			return ErrIntegrity
		}
		w.startOver()
		return nil
	}
	before := w.index.complete
	for g := range w.index.groups {
		if w.index.groups[g].provisional > 0 {
			w.dropUnverified(uint32(g))
		}
	}
	if w.index.complete == before {
		return ErrIntegrity
	}
	return nil
}
