// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"cmp"
	"context"
	"encoding/binary"
	"os"
	"runtime"
	"slices"
	"sort"
	"sync"

	"iotupd/proto/archive"
)

// A search looks in older directories for files whose content an inventory has, by size and
// SHA-256, wherever they are. It is compact: a directory may have a million files.
type search struct {
	ctx       context.Context
	place     *Place
	inventory *archive.Inventory
	wanted    []wanted // in the order of their keys
	sizes     []uint64 // of files without holes, in their order
	sparse    []sparse // in the order of their sizes
	seed      *seed
	cache     *cache

	candidates []candidate // whose hash is not known, or that may be sparse files
	paths      []byte      // of candidates

	mu       sync.Mutex
	progress Progress
}

// wanted is content that an entry has.
type wanted struct {
	key   uint64 // the start of its SHA-256
	entry uint32
}

// sparse is a sparse file.
type sparse struct {
	size  uint64 // with its zeros
	entry uint32
}

// A candidate is an old file that has the size of a wanted one.
type candidate struct {
	print   uint64 // of its stamp
	size    uint64
	root    uint32
	path    uint32 // position in paths
	pathLen uint32
	known   bool // its hash was looked up already
	key     cacheKey
}

// search looks for the files of l in the directory that is at NAME, and in the directories of
// [Config].
func (p *Place) search(ctx context.Context, l *learned) (*seed, error) {
	s := &search{ctx: ctx, place: p, inventory: l.inventory, seed: newSeed(l.inventory)}
	s.progress.Phase = Hashing
	s.want()
	s.cache = openCache(p.dir, p.hidden(l.name).with(hashesSuffix))
	defer s.cache.close()
	err := s.collect(l.name)
	if err == nil {
		err = s.hashAll()
	}
	if err == nil {
		s.compareBlocks()
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		s.seed.close()
		return nil, err
	}
	p.cfg.Observe(s.progress)
	return s.seed, nil
}

// want notes what is wanted.
func (s *search) want() {
	for i, e := range s.inventory.All() {
		if e.Stored() == 0 {
			continue
		}
		s.wanted = append(s.wanted, wanted{binary.BigEndian.Uint64(e.SHA256[:]), uint32(i)})
		if e.Type == archive.SparseFile {
			s.sparse = append(s.sparse, sparse{e.Size, uint32(i)})
		} else {
			s.sizes = append(s.sizes, e.Size)
		}
	}
	slices.SortFunc(s.wanted, func(a, b wanted) int { return cmp.Compare(a.key, b.key) })
	slices.SortStableFunc(s.sparse, func(a, b sparse) int { return cmp.Compare(a.size, b.size) })
	slices.Sort(s.sizes)
	s.sizes = slices.Clip(slices.Compact(s.sizes))
}

// collect finds candidates.
func (s *search) collect(name string) error {
	if now, err := s.place.inspectForReuse(name); err == nil && now.root != nil {
		if err := s.collectIn(now.root, now.path, now.record); err != nil {
			return err
		}
	}
	for _, path := range s.place.cfg.Reuse {
		root, err := os.OpenRoot(path)
		if err != nil {
			continue // it was removed; Prepare has seen it
		}
		if s.seed.has(root) {
			root.Close()
			continue
		}
		if err := s.collectIn(root, path, nil); err != nil {
			return err
		}
	}
	return nil
}

// collectIn finds candidates in a directory, which the seed closes. The record may be nil.
func (s *search) collectIn(root *os.Root, place string, r *record) error {
	number := s.seed.add(root)
	known := newKnown(r)
	defer known.stop()
	w := walker{ctx: s.ctx, root: root, unread: func(string, error) error { return nil }}
	w.visit = func(n *node) error {
		sha, ok := known.hashOf(n)
		size := uint64(n.info.Size())
		if !n.info.Mode().IsRegular() || !s.hasSize(size) {
			return nil
		}
		now := stampOf(n.info)
		c := candidate{root: number, size: size, print: now.print(), key: keyOf(n.info, &now, place, n.path)}
		if !ok {
			sha, ok = s.cache.find(c.key)
		}
		if c.known = ok; ok {
			s.found(&c, n.path, sha)
		}
		if !ok || len(s.sparseOf(size)) > 0 {
			s.add(c, n.path)
		}
		return nil
	}
	err := w.walk("")
	if s.ctx.Err() != nil {
		return s.ctx.Err()
	}
	_ = err // a directory that cannot be read has nothing to offer
	return nil
}

func (s *search) add(c candidate, path string) {
	if uint64(len(s.paths)+len(path)) >= 1<<32 {
		return // of more than ten million files; the others are received
	}
	c.path, c.pathLen = uint32(len(s.paths)), uint32(len(path))
	s.paths = append(s.paths, path...)
	s.candidates = append(s.candidates, c)
}

func (s *search) hasSize(n uint64) bool {
	_, ok := slices.BinarySearch(s.sizes, n)
	return ok || len(s.sparseOf(n)) > 0
}

// maxSparse is how many sparse files of one size are compared with an old one.
const maxSparse = 8

func (s *search) sparseOf(size uint64) []sparse {
	i := sort.Search(len(s.sparse), func(i int) bool { return s.sparse[i].size >= size })
	n := i
	for n < len(s.sparse) && n < i+maxSparse && s.sparse[n].size == size {
		n++
	}
	return s.sparse[i:n]
}

func (s *search) pathOf(c *candidate) string { return string(s.paths[c.path : c.path+c.pathLen]) }

// hashAll hashes candidates whose hash is not known, several at a time.
func (s *search) hashAll() error {
	jobs := make(chan *candidate)
	var workers sync.WaitGroup
	for range min(4, runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			h := newHasher(s)
			for c := range jobs {
				h.candidate(c)
			}
		})
	}
	for i := range s.candidates {
		if c := &s.candidates[i]; !c.known {
			s.progress.AllFiles++
			s.progress.AllBytes += c.size
		}
	}
	for i := range s.candidates {
		if s.ctx.Err() != nil {
			break
		}
		jobs <- &s.candidates[i]
	}
	close(jobs)
	workers.Wait()
	return s.ctx.Err()
}

// found notes that the old file at path has the content with a hash.
func (s *search) found(c *candidate, path string, sha [32]byte) {
	key := binary.BigEndian.Uint64(sha[:])
	i := sort.Search(len(s.wanted), func(i int) bool { return s.wanted[i].key >= key })
	for ; i < len(s.wanted) && s.wanted[i].key == key; i++ {
		e := s.inventory.Entry(int(s.wanted[i].entry))
		if e.Type == archive.File && e.SHA256 == sha && e.Size == c.size {
			s.use(c, path, int(s.wanted[i].entry), e.Size)
		}
	}
}

// use notes that an old file has the content of an entry.
func (s *search) use(c *candidate, path string, entry int, stored uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seed.set(entry, c, path) {
		s.progress.Reused += stored
	}
}

// hashed notes that files, or n bytes of one, were hashed.
func (s *search) hashed(files int, n uint64) {
	s.mu.Lock()
	s.progress.Files += files
	s.progress.Bytes += n
	now := s.progress
	s.mu.Unlock()
	s.place.cfg.Observe(now)
}
