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

// Hash reads all files on all cores, and completes the inventory. Errors are those of [Scan].
// progress, if not nil, is called with the fraction that is done, 0 to 1, from several
// goroutines but one at a time.
func (d *Directory) Hash(ctx context.Context, progress func(fraction float64)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	h := &hashing{Directory: d, ctx: ctx, made: make(map[int]hashes), report: progress}
	jobs := make(chan job)
	var running sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		running.Go(func() {
			buf := make([]byte, archive.BlockLen)
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
	for i, made := range h.made { // nobody reads the inventory now
		sum, blocks := d.inventory.Hashes(i)
		copy(sum, made.sum[:])
		copy(blocks, made.blocks)
	}
	d.hashed = true
	return nil
}

// A job is a file to hash.
type job struct {
	number int // of the entry
	entry  archive.Entry
	blocks bool // digests of blocks are wanted
}

// A hashing is one call of Hash.
type hashing struct {
	*Directory
	ctx context.Context

	mu     sync.Mutex
	made   map[int]hashes // by entry
	done   uint64         // bytes of the archive
	report func(fraction float64)
}

// hashes are the hashes of an entry: of its content, and of the blocks in it.
type hashes struct {
	sum    [sha256.Size]byte
	blocks []byte
}

// deal hands out the files, and returns when all are taken or the context has ended.
func (h *hashing) deal(jobs chan<- job) {
	defer close(jobs)
	for i, e := range h.inventory.All() {
		if e.Stored() == 0 {
			continue
		}
		j := job{i, *e, len(e.Blocks) > 0}
		j.entry.Xattrs, j.entry.Extents = nil, slices.Clone(e.Extents)
		j.entry.Blocks = nil
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
	whole := sha256.New()
	var made hashes
	content := readerOf(f)
	for at := int64(0); at < f.stored() && h.ctx.Err() == nil; {
		block := buf[:min(int64(len(buf)), f.stored()-at)]
		switch n, err := content.ReadAt(block, at); {
		case n < len(block) && (err == nil || err == io.EOF):
			return h.changed(f.path, filesource.Changed) // it is shorter now
		case n < len(block):
			return h.failure(f.path, err)
		}
		whole.Write(block)
		if j.blocks {
			digest := archive.BlockDigest(block)
			made.blocks = append(made.blocks, digest[:]...)
		}
		at += int64(len(block))
		h.add(uint64(len(block)))
	}
	made.sum = [sha256.Size]byte(whole.Sum(nil))
	h.mu.Lock()
	h.made[j.number] = made
	h.mu.Unlock()
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
