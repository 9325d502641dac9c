// SPDX-License-Identifier: GPL-2.0-or-later

package filesource

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"iotupd/internal/durable"
	"iotupd/proto"
	"iotupd/sender"
)

const (
	// cacheMagic starts every entry, and changes with its layout.
	cacheMagic = "iotupd cache 1\r\n"
	// cacheHead is where parity and digests start in an entry.
	cacheHead = 4096
	// cachePart ends the name of an entry that is being made.
	cachePart = ".iotupd-part"
)

// A cache keeps what is derived from a file for the next run, one entry for
// a path. An entry is what sender.Prepare kept, behind
//
//	| magic (16) | key (32) | descriptor (64) | SHA-256 of all that (32) | zeros up to 4096 |
//
// An entry is trusted to have the SHA-256 of the file with this key in its
// descriptor; all else is verified before it is sent. The nodes of the tree come
// last: entries of earlier programs lack them, and those programs read entries
// that have them.
type cache struct {
	dir  *os.Root
	path string            // of dir
	name string            // of the entry
	key  [sha256.Size]byte // of the file as it is now, and of the parameters

	changed time.Time // when the file changed
}

// openCache opens the cache in directory path, which it makes if need be.
func openCache(path string, src Source, p proto.Params) (*cache, error) {
	abs, err := filepath.Abs(src.Path())
	if err != nil {
		return nil, err
	}
	key, changed, err := src.Key()
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
	return &cache{
		dir:  dir,
		path: path,
		name: fmt.Sprintf("%x.iotupd-cache", name[:16]),
		key:  sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%+v", abs, key, p)),

		changed: changed,
	}, nil
}

func (c *cache) close() { c.dir.Close() }

// head returns the first bytes of an entry.
func (c *cache) head(d proto.Descriptor) []byte {
	b := append([]byte(cacheMagic), c.key[:]...)
	b = d.AppendTo(b)
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

var errNoEntry = errors.New("no entry for this file and these parameters")

// load returns the object of the entry, which is read until release is called.
func (c *cache) load(ctx context.Context, src Source, cfg sender.PrepareConfig) (o *sender.Object, release func(), err error) {
	f, err := durable.OpenRegularIn(c.dir, c.name, os.O_RDWR) // for repairs
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		f, err = durable.OpenRegularIn(c.dir, c.name, os.O_RDONLY)
	}
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
	cfg.Repaired = c.repaired(f, src, cfg.Repaired)
	if o, err = sender.Restore(ctx, src, d, cfg); err != nil {
		return nil, nil, err
	}
	return o, func() { f.Close() }, nil
}

// repaired returns a sender.PrepareConfig.Repaired for the entry f of src. An
// entry that cannot be repaired is removed, so that the next run makes a new one.
func (c *cache) repaired(f *os.File, src Source, report func(uint32, error) error) func(uint32, error) error {
	return func(group uint32, err error) error {
		var source *FileError
		switch {
		case err == nil:
		case errors.As(err, new(*ChangedError)), errors.As(err, &source) && source.Path != f.Name():
			return err // it is not the entry that is wrong
		default:
			c.remove(f)
			if errors.Is(err, sender.ErrNotKept) {
				return &ChangedError{Path: src.Path()}
			}
			cause := fmt.Errorf("corrupted, and cannot be repaired: %w; start again to recreate it", durable.Cause(err))
			err = &FileError{Path: filepath.Join(c.path, c.name), Err: cause}
		}
		return report(group, err)
	}
}

// remove removes the entry, if it is still f.
func (c *cache) remove(f *os.File) {
	mine, err1 := f.Stat()
	named, err2 := c.dir.Lstat(c.name)
	if err1 == nil && err2 == nil && os.SameFile(mine, named) {
		c.dir.Remove(c.name)
	}
}

// A cacheEntry is an entry that is being made: sender.PrepareConfig.Keep. Others
// do not see it until it is whole.
type cacheEntry struct {
	scratchFile
	owner *cache
	part  string      // its name until it is whole; empty: it is
	full  atomic.Bool // a write failed
}

// create starts an entry with room for size bytes, and removes the old one.
func (c *cache) create(size uint64) (*cacheEntry, error) {
	part := "." + c.name + cachePart
	f, err := c.dir.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := c.lockPart(f, part); err != nil {
		f.Close()
		return nil, err
	}
	e := &cacheEntry{scratchFile: scratchFile{f, cacheHead}, owner: c, part: part}
	c.dir.Remove(c.name) // it is outdated
	err = f.Truncate(0)  // drop the rest of a run that was killed
	if err == nil {
		err = durable.Allocate(f, cacheHead+int64(size))
	}
	if err != nil {
		e.release()
		return nil, err
	}
	return e, nil
}

// lockPart locks the file that is called part, or says which process has it.
func (c *cache) lockPart(f *os.File, part string) error {
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
	if _, err := e.File.WriteAt(e.owner.head(d), 0); err != nil {
		return err
	}
	if err := e.Sync(); err != nil {
		return err
	}
	if err := durable.Rename(e.owner.dir, e.part, e.owner.name); err != nil {
		return err
	}
	e.part = ""
	return nil
}

// release ends the use of the entry, and removes it unless it was committed.
func (e *cacheEntry) release() {
	if e.part != "" {
		e.owner.dir.Remove(e.part) // before another one can lock it
	}
	e.Close()
}
