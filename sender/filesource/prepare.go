// SPDX-License-Identifier: GPL-2.0-or-later

package filesource

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"iotupd/internal/durable"
	"iotupd/proto"
	"iotupd/sender"
)

// Config says what [Prepare] may use. The zero value is usable.
type Config struct {
	// Memory is how much parity and digests are kept in memory, in bytes. If
	// zero, [sender.DefaultMemory]. What does not fit goes to a temporary file in
	// $TMPDIR, or else /var/tmp, or to the cache. What the cache has already is
	// read from there.
	Memory int64

	// Scratch, if not nil, is the temporary file, shared with other files.
	Scratch *Scratch

	// Sparse makes an object that keeps no buffers: see [sender.PrepareConfig]. It
	// excludes Cache.
	Sparse bool

	// WithoutDigests makes an object whose packets receivers cannot verify one by
	// one. It excludes Cache.
	WithoutDigests bool

	// Cache is a directory where parity and digests are kept for the next time
	// that the same file is prepared, one entry for each path. It is made if need
	// be. If empty, nothing is kept.
	Cache string

	// Progress, if not nil, is called with the fraction of the work that is done,
	// 0 to 1, from several goroutines but one at a time.
	Progress func(fraction float64)

	// Cached, if not nil, is called with the outcome of using the cache, once or
	// twice, on the goroutine that called Prepare. Later it may be called with
	// one repair, on the goroutine that reads the object.
	Cached func(CacheUse)
}

// prepare returns the configuration for the core.
func (c Config) prepare() sender.PrepareConfig {
	return sender.PrepareConfig{Memory: c.Memory, WithoutDigests: c.WithoutDigests, Sparse: c.Sparse, Progress: c.Progress}
}

// ScratchBytes returns how many bytes of parity and digests will go to a
// temporary file: 0 with a cache.
func (c Config) ScratchBytes(geo proto.Geometry) (uint64, error) {
	if c.Cache != "" {
		return 0, nil
	}
	return c.prepare().ScratchBytes(geo)
}

// MemoryBytes returns how many bytes of parity and digests will be kept in memory.
func (c Config) MemoryBytes(geo proto.Geometry) (uint64, error) { return c.prepare().MemoryBytes(geo) }

// CacheBytes returns how many bytes of parity and digests will go to the cache: 0
// without one.
func (c Config) CacheBytes(geo proto.Geometry) (uint64, error) {
	if c.Cache == "" {
		return 0, nil
	}
	return c.prepare().KeepBytes(geo)
}

// ScratchDir returns the directory of temporary files.
func ScratchDir() string { return durable.ScratchDir() }

// A Prepared is a file that was encoded. Its manifest has nothing but the
// descriptor.
type Prepared struct {
	*sender.Object
	release func()
}

// Close frees the memory and the files that the object is read from, which must
// not be used any more.
func (p *Prepared) Close() { p.release() }

// errCacheWithoutDigests: the cache is verified by the digests.
var errCacheWithoutDigests = errors.New("filesource: a cache needs digests, by which it is verified")

// errCacheOfSparse: what is read from a cache is verified by buffers.
var errCacheOfSparse = errors.New("filesource: no cache for sparse objects")

// A Source is what is prepared: a [File], or another thing that can be read again and again.
type Source interface {
	// ReadAt returns an error instead of bytes of something that has changed.
	io.ReaderAt

	Path() string // for messages, and which entry of a cache it has
	Size() int64  // in bytes

	// Unchecked returns the same without a check at each read: it is read in small parts
	// while it is prepared, and Check is called afterwards.
	Unchecked() io.ReaderAt

	// Check returns a [*ChangedError] if anything has changed.
	Check() error

	// Key distinguishes the content from any other that was at this path, for a cache, and
	// says when it last changed.
	Key() (key string, changed time.Time, err error)
}

// Prepare encodes a file with parameters p on all cores, or takes what the cache
// has of it. It returns when all is done, and starts no goroutine that outlives
// it. The result reads f as long as it is used. A cache that cannot be used is
// not an error. Errors of files are returned by themselves: see [Cause]. When
// ctx ends, the error is its cause.
func Prepare(ctx context.Context, f Source, p proto.Params, cfg Config) (*Prepared, error) {
	if cfg.Cache != "" {
		switch {
		case cfg.WithoutDigests:
			return nil, errCacheWithoutDigests
		case cfg.Sparse:
			return nil, errCacheOfSparse
		}
		if found, err := prepareCached(ctx, f, p, cfg); found != nil || err != nil {
			return found, Cause(err)
		}
	}
	core, release := cfg.scratch()
	o, err := prepare(ctx, f, p, core)
	if err != nil {
		release()
		return nil, Cause(err)
	}
	return &Prepared{o, release}, nil
}

// PrepareBytes is Prepare of a file that is in memory, without a cache.
func PrepareBytes(ctx context.Context, content []byte, p proto.Params, cfg Config) (*Prepared, error) {
	core, release := cfg.scratch()
	core.Sparse = false
	o, err := sender.Prepare(ctx, bytes.NewReader(content), p, core)
	if err != nil {
		release()
		return nil, Cause(err)
	}
	return &Prepared{o, release}, nil
}

// scratch returns the configuration for the core with a temporary file, which release
// removes unless it is shared.
func (c Config) scratch() (core sender.PrepareConfig, release func()) {
	core, remove := c.prepare(), func() {}
	core.Scratch = func(size int64) (sender.Scratch, error) {
		if c.Scratch != nil {
			return c.Scratch.take(size)
		}
		file, r, err := durable.Scratch(size)
		if err != nil {
			return nil, err
		}
		remove = r
		return scratchFile{File: file}, nil
	}
	return core, func() { remove() }
}

// prepare is [sender.Prepare] of a file that has not changed meanwhile.
func prepare(ctx context.Context, f Source, p proto.Params, cfg sender.PrepareConfig) (*sender.Object, error) {
	src := &source{Source: f, unchecked: f.Unchecked()}
	o, err := sender.Prepare(ctx, src, p, cfg)
	if err == nil {
		err = f.Check()
		if f, ok := f.(*File); ok {
			f.sum = &o.Manifest.Descriptor.SHA256
		}
	}
	src.prepared.Store(true)
	return o, err
}

// A source is read in small parts while it is prepared. It is checked when all of them were
// read, and from then on at each read.
type source struct {
	Source
	unchecked io.ReaderAt
	prepared  atomic.Bool
}

// ReadAt implements [io.ReaderAt], as [Source] does.
func (s *source) ReadAt(b []byte, offset int64) (int, error) {
	if !s.prepared.Load() {
		if n, err := s.unchecked.ReadAt(b, offset); err == nil {
			return n, nil
		}
	}
	return s.Source.ReadAt(b, offset)
}

// A CacheUse is what the cache contributed.
type CacheUse struct {
	Outcome CacheOutcome
	Dir     string // of the cache
	Path    string // of the file to send
	Err     error  // why; nil unless CacheMiss or CacheFailed
}

// A CacheOutcome is the outcome of a look into the cache.
type CacheOutcome int

// Outcomes of looking into the cache.
const (
	CacheHit      CacheOutcome = iota // the file was prepared before
	CacheMiss                         // there is nothing for this file and these parameters; it is added
	CacheFresh                        // nothing is kept: the file changed just now, and may again
	CacheFailed                       // the cache cannot be used
	CacheRepaired                     // something in it was damaged, and was made again
)

// cacheFresh is how old a file must be to be kept: one that was changed in the
// same tick of a coarse file system looks like the one before.
const cacheFresh = 2 * time.Second

// prepareCached is [Prepare] with a cache. A cache that cannot be used is not an
// error: then it returns neither result nor error, and the file is to be prepared
// without a cache.
func prepareCached(ctx context.Context, f Source, p proto.Params, cfg Config) (*Prepared, error) {
	report := func(outcome CacheOutcome, err error) {
		if cfg.Cached != nil {
			cfg.Cached(CacheUse{outcome, cfg.Cache, f.Path(), durable.Cause(err)})
		}
	}
	c, err := openCache(cfg.Cache, f, p)
	if err != nil {
		report(CacheFailed, err)
		return nil, nil
	}
	closing := c.close // unless the object needs it
	defer func() { closing() }()
	core := cfg.prepare()
	core.Repaired = reportRepair(report)
	o, release, err := c.load(ctx, f, core)
	switch {
	case err == nil:
		closing = func() {}
		report(CacheHit, nil)
		return &Prepared{o, func() { release(); c.close() }}, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case time.Since(c.changed) < cacheFresh:
		report(CacheFresh, nil)
		return nil, nil
	}
	report(CacheMiss, err)
	geo, err := p.Geometry()
	if err != nil {
		return nil, err
	}
	size, err := core.KeepBytes(geo)
	if err != nil {
		return nil, err
	}
	e, err := c.create(size)
	if err != nil {
		report(CacheFailed, err)
		return nil, nil
	}
	release = func() { e.release(); c.close() }
	closing = func() {}
	core.Keep, core.Repaired = e, c.repaired(e.File, f, core.Repaired)
	if o, err = prepare(ctx, f, p, core); err == nil {
		if err := e.commit(o.Manifest.Descriptor); err != nil {
			report(CacheFailed, err)
		}
		return &Prepared{o, release}, nil
	}
	release()
	if e.full.Load() && ctx.Err() == nil {
		report(CacheFailed, err)
		return nil, nil
	}
	return nil, err
}

// reportRepair returns a sender.PrepareConfig.Repaired that reports the first repair:
// a bad disk has many.
func reportRepair(report func(CacheOutcome, error)) func(uint32, error) error {
	reported := false
	return func(_ uint32, err error) error {
		if err == nil && !reported {
			reported = true
			report(CacheRepaired, nil)
		}
		return err
	}
}
