// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/durable"
	"iotupd/proto"
	"iotupd/sender"
)

const (
	// cacheMagic starts every entry, and changes with its layout.
	cacheMagic = "iotupd cache 1\r\n"
	// cacheHead is where parity and digests start in an entry.
	cacheHead = 4096
	// cacheFresh is how old a file must be to be kept: one that was changed in
	// the same tick of a coarse file system looks like the one before.
	cacheFresh = 2 * time.Second
)

// A sendCache keeps what is derived from a file for the next run, one entry for
// a path. An entry is what sender.Prepare kept, behind
//
//	| magic (16) | key (32) | descriptor (64) | SHA-256 of all that (32) | zeros up to 4096 |
//
// It is believed that the SHA-256 in the descriptor is that of the file with
// this key; all else is verified when it is loaded.
type sendCache struct {
	dir  *os.Root
	name string            // of the entry
	key  [sha256.Size]byte // of the file as it is now, and of the parameters
}

// openCache opens the cache in directory path, which it makes if need be.
func openCache(path string, src *sourceFile, p proto.Params) (*sendCache, error) {
	abs, err := filepath.Abs(src.path)
	if err != nil {
		return nil, err
	}
	id, err := identity(src.file)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(path, 0o777); err != nil {
		return nil, err
	}
	dir, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	name := sha256.Sum256([]byte(abs))
	return &sendCache{
		dir:  dir,
		name: fmt.Sprintf("%x.iotupd-cache", name[:16]),
		key:  sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%d %d\n%+v", abs, id, src.size, src.time.UnixNano(), p)),
	}, nil
}

func (c *sendCache) close() { c.dir.Close() }

// head returns the first bytes of an entry.
func (c *sendCache) head(d proto.Descriptor) []byte {
	b := append([]byte(cacheMagic), c.key[:]...)
	b = d.AppendTo(b)
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

var errNoEntry = errors.New("no entry for this file and these parameters")

// load returns the object of the entry, which is read until release is called.
func (c *sendCache) load(ctx context.Context, src *sourceFile, cfg sender.PrepareConfig) (o *sender.Object, release func(), err error) {
	f, err := c.dir.Open(c.name)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	head := make([]byte, len(c.head(proto.Descriptor{})))
	if _, err := f.ReadAt(head, 0); err != nil {
		return nil, nil, err
	}
	at := len(cacheMagic) + len(c.key)
	d, err := proto.ParseDescriptor(head[at : len(head)-sha256.Size])
	if err != nil || !bytes.Equal(head, c.head(d)) {
		return nil, nil, errNoEntry
	}
	cfg.Keep = scratchFile{f, cacheHead}
	if o, err = sender.Restore(ctx, src, d, cfg); err != nil {
		return nil, nil, err
	}
	return o, func() { f.Close() }, nil
}

// A cacheEntry is an entry that is being made: sender.PrepareConfig.Keep. Others
// do not see it until it is whole.
type cacheEntry struct {
	scratchFile
	cache *sendCache
	part  string      // its name until then; empty: it is
	full  atomic.Bool // a write failed
}

// create starts an entry with room for size bytes, and removes the old one.
func (c *sendCache) create(size uint64) (*cacheEntry, error) {
	part := "." + c.name + partSuffix
	f, err := c.dir.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := c.claim(f, part); err != nil {
		f.Close()
		return nil, err
	}
	e := &cacheEntry{scratchFile: scratchFile{f, cacheHead}, cache: c, part: part}
	c.dir.Remove(c.name) // no use any more
	err = f.Truncate(0)  // what a run left behind that was killed
	if err == nil {
		err = durable.Allocate(f, cacheHead+int64(size))
	}
	if err != nil {
		e.release()
		return nil, err
	}
	return e, nil
}

// claim locks the file that is called part, or says who else has it.
func (c *sendCache) claim(f *os.File, part string) error {
	free, err := durable.Lock(f)
	if err != nil {
		return err
	}
	mine, err1 := f.Stat()
	named, err2 := c.dir.Lstat(part)
	if !free || err1 != nil || err2 != nil || !os.SameFile(mine, named) {
		return errors.New("another iotupd makes the entry of this file")
	}
	return nil
}

// WriteAt implements [sender.Scratch].
func (e *cacheEntry) WriteAt(b []byte, offset int64) (int, error) {
	n, err := e.scratchFile.WriteAt(b, offset)
	if err != nil {
		e.full.Store(true)
	}
	return n, err
}

// commit makes the entry one that load finds.
func (e *cacheEntry) commit(d proto.Descriptor) error {
	if _, err := e.File.WriteAt(e.cache.head(d), 0); err != nil {
		return err
	}
	if err := e.Sync(); err != nil {
		return err
	}
	if err := durable.Rename(e.cache.dir, e.part, e.cache.name); err != nil {
		return err
	}
	e.part = ""
	return nil
}

// release ends the use of the entry, and removes it unless it was committed.
func (e *cacheEntry) release() {
	if e.part != "" {
		e.cache.dir.Remove(e.part) // before another one can lock it
	}
	e.Close()
}

// prepareCached is prepare with --cache. Whatever is wrong with the cache is no
// error: then it returns no object, and the file is prepared without.
func (p *preparation) prepareCached(ctx context.Context, src *sourceFile, cfg sender.PrepareConfig) (o *sender.Object, release func(), err error) {
	c, err := openCache(p.encode.cache, src, p.geo.Params)
	if err != nil {
		p.notCached(err)
		return nil, nil, nil
	}
	closing := c.close // unless the object needs it
	defer func() { closing() }()
	o, release, err = c.load(ctx, src, cfg)
	switch {
	case err == nil:
		p.out.Decision("prepared before: %s has it", p.encode.cache)
		return o, release, nil
	case ctx.Err() != nil:
		return nil, nil, context.Cause(ctx)
	case time.Since(src.time) < cacheFresh:
		p.out.Decision("not kept in %s: %s changed just now, and may again", p.encode.cache, src.path)
		return nil, nil, nil
	}
	p.out.Decision("%s has nothing for this: %v", p.encode.cache, durable.Cause(err))
	size, err := cfg.KeepBytes(p.geo)
	if err != nil {
		return nil, nil, err
	}
	e, err := c.create(size)
	if err != nil {
		p.notCached(err)
		return nil, nil, nil
	}
	release = func() { e.release(); c.close() }
	closing = func() {}
	cfg.Keep = e
	if o, err = sender.Prepare(ctx, src, p.geo.Params, cfg); err == nil {
		err = src.check()
	}
	switch {
	case err == nil:
		if err := e.commit(o.Manifest.Descriptor); err != nil {
			p.notCached(err)
		}
		return o, release, nil
	case e.full.Load() && ctx.Err() == nil:
		p.notCached(err)
		err = nil
	}
	release()
	return nil, nil, err
}

func (p *preparation) notCached(err error) {
	p.out.Warn(cli.Warning{Code: "cache", Text: fmt.Sprintf("--cache %s cannot be used: %v", p.encode.cache, durable.Cause(err))})
}
