// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"crypto/sha256"
	"errors"
	"io"
)

// ErrIntegrity means that the received bytes have the wrong SHA-256, and that it
// does not help to go on: without digests it was so again and again, since some
// packets are forged or the sender's file changes; with them every leaf is right.
var ErrIntegrity = errors.New("the received file does not match its SHA-256")

// maxAttempts is how often a wrong SHA-256 starts the transfer of an object
// without digests again.
const maxAttempts = 3

// A hashWork reads the finished file back and compares its SHA-256: the last word.
type hashWork struct {
	*object
	right bool
	err   error
}

func newHashWork(o *object) *hashWork {
	o.hashed = true
	return &hashWork{object: o}
}

func (w *hashWork) run() error {
	if w.err != nil {
		return w.err
	}
	if err := w.places.queue.store.Sync(); err != nil {
		return storeError("sync", err)
	}
	sum, err := w.sum()
	w.right = sum == w.manifest.Descriptor.SHA256
	return err
}

// sum reads the whole file back.
func (w *hashWork) sum() (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	file := io.NewSectionReader(w.places.queue.store, 0, int64(w.geo.Size))
	for b := make([]byte, 1<<20); ; {
		n, err := io.ReadFull(file, b)
		h.Write(b[:n])
		switch {
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			return [sha256.Size]byte(h.Sum(nil)), nil
		case err != nil:
			return sum, storeError("read back", err)
		case w.aborted.Load():
			return sum, errAborted
		}
	}
}

func (w *hashWork) finish() error {
	switch {
	case !w.hashed: // a forged shard was found meanwhile
	case w.right:
		w.object.verified = true
		w.observe(Verified{})
	default:
		return w.corrupt()
	}
	return nil
}

// corrupt is called when the SHA-256 of the whole is wrong: shards that no leaf has
// confirmed are given up. Where every leaf is right, the object itself is wrong.
func (w *hashWork) corrupt() error {
	w.attempts++
	w.observe(Corrupt{Attempt: w.attempts})
	if w.leaves == nil {
		if w.attempts == maxAttempts {
			return ErrIntegrity
		}
		w.forget()
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
