// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"context"
	"crypto/sha256"
	"io"
	"runtime"
	"slices"
	"sync"

	"iotupd/proto/archive"
	"iotupd/sender/filesource"
)

// hashBlock is the size in bytes of reads. It is small, so that bytes are hashed while they
// are in a cache of the processor.
const hashBlock = 128 << 10

// Hash reads all files on all cores, and completes the inventory. Errors are those of [Scan].
// progress, if not nil, is called with the fraction that is done, 0 to 1, from several
// goroutines but one at a time.
func (d *Directory) Hash(ctx context.Context, progress func(fraction float64)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	h := &hashing{Directory: d, ctx: ctx, sums: make([][sha256.Size]byte, d.inventory.Len()), report: progress}
	jobs := make(chan job)
	var running sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		running.Go(func() {
			buf := make([]byte, hashBlock)
			for j := range jobs {
				if err := h.hash(&j, buf); err != nil {
					cancel(err)
				}
			}
		})
	}
	h.deal(jobs)
	running.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	for i, sum := range h.sums {
		if sum != ([sha256.Size]byte{}) {
			d.inventory.SetSHA256(i, sum)
		}
	}
	d.hashed = true
	return nil
}

// A job is a file to hash.
type job struct {
	number int // of the entry
	entry  archive.Entry
}

// A hashing is one call of Hash.
type hashing struct {
	*Directory
	ctx  context.Context
	sums [][sha256.Size]byte // of the entries

	mu     sync.Mutex
	done   uint64 // bytes of the archive
	report func(fraction float64)
}

// deal hands out the files, and returns when all are taken or the context has ended.
func (h *hashing) deal(jobs chan<- job) {
	defer close(jobs)
	for i, e := range h.inventory.All() {
		if e.Stored() == 0 {
			continue
		}
		j := job{i, *e}
		j.entry.Xattrs, j.entry.Extents = nil, slices.Clone(e.Extents)
		select {
		case jobs <- j:
		case <-h.ctx.Done():
			return
		}
	}
}

// hash hashes the content of a file, which must not change meanwhile.
func (h *hashing) hash(j *job, buf []byte) error {
	if h.ctx.Err() != nil {
		return nil
	}
	f, err := h.open(j.number, &j.entry)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil {
		_, err = settled(info, f.Stat)
	}
	if err != nil {
		return h.failure(f.path, err)
	}
	sum := sha256.New()
	content := readerOf(f)
	for at := int64(0); at < f.stored() && h.ctx.Err() == nil; {
		n, err := content.ReadAt(buf[:min(int64(len(buf)), f.stored()-at)], at)
		if n == 0 && (err == nil || err == io.EOF) {
			return h.changed(f.path, filesource.Changed) // it is shorter now
		} else if n == 0 {
			return h.failure(f.path, err)
		}
		sum.Write(buf[:n])
		at += int64(n)
		h.add(uint64(n))
	}
	h.sums[j.number] = [sha256.Size]byte(sum.Sum(nil))
	return h.unchanged(f)
}

// add notes that so many bytes were hashed.
func (h *hashing) add(n uint64) {
	if h.report == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.done += n
	h.report(min(1, float64(h.done)/float64(max(1, h.Counts.Content))))
}
