// SPDX-License-Identifier: GPL-2.0-or-later

package filesource

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"iotupd/fec"
	"iotupd/proto"
	"iotupd/sender"
)

// A cached is a file that is prepared again and again with the same cache. Its
// verbs narrate a test.
type cached struct {
	*testing.T
	path     string
	policy   fec.Policy
	reported *[]CacheOutcome // of the last preparation with a cache
	Config
}

func newCached(t *testing.T) *cached {
	c := &cached{T: t, path: filepath.Join(t.TempDir(), "fw.bin"), policy: fec.Policy{ShardSize: 512}}
	c.Cache = filepath.Join(t.TempDir(), "kept")
	c.write(1)
	return c
}

// write makes the file another one of the same size and age.
func (c *cached) write(version byte) {
	c.Helper()
	check(c.T, os.WriteFile(c.path, bytes.Repeat([]byte{version}, 200_000), 0o644))
	longAgo := time.Now().Add(-time.Hour)
	check(c.T, os.Chtimes(c.path, longAgo, longAgo))
}

// send prepares the file. It wants the same object as without a cache, and
// returns what the cache was good for.
func (c *cached) send() (reported []CacheOutcome) {
	c.Helper()
	o, reported := c.hold()
	defer o.Close()
	defer func() { reported = *c.reported }()
	other := *c
	other.Cache = ""
	want, _ := other.hold()
	defer want.Close()
	if o.Manifest.Descriptor != want.Manifest.Descriptor {
		c.Errorf("descriptor %+v, want %+v", o.Manifest.Descriptor, want.Manifest.Descriptor)
	}
	p := want.Manifest.Descriptor.Params
	geo, err := p.Geometry()
	check(c.T, err)
	tree, err := geo.Tree()
	check(c.T, err)
	for group := range uint32(geo.Groups) {
		for index := range p.K + p.M {
			if index < p.K && geo.Virtual(group, index) {
				continue
			}
			got, err1 := o.Shards.AppendShard(nil, group, index)
			same, err2 := want.Shards.AppendShard(nil, group, index)
			if err := errors.Join(err1, err2); err != nil || !bytes.Equal(got, same) {
				c.Fatalf("shard %d of group %d differs, %v", index, group, err)
			}
		}
		for index := range tree.PerGroup() {
			got, err1 := o.Digests.AppendDigest(nil, group, index)
			same, err2 := want.Digests.AppendDigest(nil, group, index)
			if err := errors.Join(err1, err2); err != nil || !bytes.Equal(got, same) {
				c.Fatalf("record %d of group %d differs, %v", index, group, err)
			}
		}
	}
	return reported
}

// hold prepares the file, for as long as it is not closed.
func (c *cached) hold() (*Prepared, []CacheOutcome) {
	c.Helper()
	o, reported, err := c.try(c.Context())
	check(c.T, err)
	return o, reported
}

func (c *cached) try(ctx context.Context) (o *Prepared, reported []CacheOutcome, err error) {
	c.Helper()
	f, err := Open(c.path)
	check(c.T, err)
	c.Cleanup(func() { f.Close() })
	params, err := c.policy.Params(uint64(f.Size()))
	check(c.T, err)
	cfg, outcomes := c.Config, new([]CacheOutcome)
	cfg.Cached = func(u CacheUse) { *outcomes = append(*outcomes, u.Outcome) }
	if c.Cache != "" {
		c.reported = outcomes
	}
	o, err = Prepare(ctx, f, params, cfg)
	return o, *outcomes, err
}

// entry is the only file in the cache.
func (c *cached) entry() string {
	c.Helper()
	entries, err := os.ReadDir(c.Cache)
	check(c.T, err)
	if len(entries) != 1 {
		c.Fatalf("%d files in the cache: %v, want 1", len(entries), entries)
	}
	return filepath.Join(c.Cache, entries[0].Name())
}

func (c *cached) wantReported(reported []CacheOutcome, want ...CacheOutcome) {
	c.Helper()
	if !slices.Equal(reported, want) {
		c.Errorf("reported %v, want %v", reported, want)
	}
}

func TestAFileIsPreparedOnce(t *testing.T) {
	for _, memory := range []int64{sender.DefaultMemory, 1} {
		c := newCached(t)
		c.Memory = memory
		c.wantReported(c.send(), CacheMiss)
		c.wantReported(c.send(), CacheHit)
		c.entry()
	}
}

func TestAnotherFileOrOtherParametersAreAnotherEntry(t *testing.T) {
	// "Keyed by the file's identity ... and parameters", one entry for a path.
	changes := map[string]func(*cached){
		"touched": func(c *cached) {
			now := time.Now().Add(-time.Minute)
			check(c.T, os.Chtimes(c.path, now, now))
		},
		"parity":     func(c *cached) { c.policy.Parity = 5000 },
		"shard size": func(c *cached) { c.policy.ShardSize = 576 },
		"replaced": func(c *cached) {
			check(c.T, os.Rename(c.path, c.path+".old")) // lives on: another inode
			c.write(2)
		},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			c := newCached(t)
			c.wantReported(c.send(), CacheMiss)
			change(c)
			c.wantReported(c.send(), CacheMiss)
			c.wantReported(c.send(), CacheHit)
			c.entry()
		})
	}
}

// damaged is a cache whose only entry is damaged at random, over and over.
type damaged struct {
	*cached
	whole    []byte
	size     int // of parity and records
	headSize int
}

func newDamaged(t *testing.T) damaged {
	d := damaged{cached: newCached(t), headSize: len((&cache{}).head(proto.Descriptor{}))}
	d.wantReported(d.send(), CacheMiss)
	var err error
	d.whole, err = os.ReadFile(d.entry())
	check(t, err)
	params, err := d.policy.Params(200_000)
	check(t, err)
	geo, err := params.Geometry()
	check(t, err)
	tree, err := geo.Tree()
	check(t, err)
	d.size = len(d.whole) - cacheHead - int(tree.Total())*proto.DigestLen
	return d
}

func (d damaged) wantWhole() {
	d.Helper()
	if got, err := os.ReadFile(d.entry()); err != nil || !bytes.Equal(got, d.whole) {
		d.Fatalf("the entry is not what it was, %v", err)
	}
}

func TestADamagedEntryIsReplaced(t *testing.T) {
	// "any damage, short file or mismatch means it is silently recomputed"
	rng := rand.New(rand.NewPCG(1, 2))
	d := newDamaged(t)
	for i := range 20 {
		b := bytes.Clone(d.whole)
		if i%2 == 0 {
			b = b[:rng.IntN(cacheHead+d.size)]
		} else {
			b[rng.IntN(d.headSize)] ^= 1 << rng.IntN(8)
		}
		check(t, os.WriteFile(d.entry(), b, 0o600))
		d.wantReported(d.send(), CacheMiss)
		d.wantWhole()
	}
	d.wantReported(d.send(), CacheHit)
}

func TestADamagedShardIsRepaired(t *testing.T) {
	// "a damaged cache entry is found at the shard in question": all that is sent is
	// right, and the entry afterwards too.
	rng := rand.New(rand.NewPCG(1, 2))
	d := newDamaged(t)
	for range 20 {
		b := bytes.Clone(d.whole)
		b[cacheHead+rng.IntN(d.size)] ^= 1 << rng.IntN(8)
		check(t, os.WriteFile(d.entry(), b, 0o600))
		d.wantReported(d.send(), CacheHit, CacheRepaired)
		d.wantWhole()
	}
	d.wantReported(d.send(), CacheHit)
}

func TestAnEntryWithoutNodesIsRead(t *testing.T) {
	// Entries of earlier programs end after the records. It stays as it is.
	d := newDamaged(t)
	old := d.whole[:cacheHead+d.size]
	check(t, os.WriteFile(d.entry(), old, 0o600))
	d.wantReported(d.send(), CacheHit)
	if got, err := os.ReadFile(d.entry()); err != nil || !bytes.Equal(got, old) {
		t.Errorf("the entry is not what it was, %v", err)
	}
}

func TestDamagedNodesAreNotNeeded(t *testing.T) {
	d := newDamaged(t)
	b := bytes.Clone(d.whole)
	b[len(b)-1] ^= 1
	check(t, os.WriteFile(d.entry(), b, 0o600))
	d.wantReported(d.send(), CacheHit)
}

func TestAnEntryOfAFileThatChangedUnnoticedIsRemoved(t *testing.T) {
	// The file has other bytes, but everything else says that it is the same: a
	// disk that fails, for example. Nothing wrong is sent.
	d := newDamaged(t)
	b := bytes.Clone(d.whole)
	for i := range d.size { // so that all has to be made again
		b[cacheHead+i] ^= 1
	}
	check(t, os.WriteFile(d.entry(), b, 0o600))
	src, err := Open(d.path)
	check(t, err)
	defer src.Close()
	params, err := d.policy.Params(uint64(src.Size()))
	check(t, err)
	c, err := openCache(d.Cache, src, params)
	check(t, err)
	defer c.close()
	other, err := os.Create(filepath.Join(t.TempDir(), "other"))
	check(t, err)
	check(t, other.Truncate(src.size))
	info, err := other.Stat()
	check(t, err)
	src.file.Close()
	src.file, src.time = other, info.ModTime()
	o, release, err := c.load(t.Context(), src, sender.PrepareConfig{Repaired: reportRepair(func(CacheOutcome, error) {
		t.Error("it was said to be repaired")
	})})
	check(t, err)
	defer release()
	if got, err := o.Shards.AppendShard(nil, 0, params.K); !errors.As(err, new(*ChangedError)) || len(got) > 0 {
		t.Errorf("%d bytes of parity, %v, want a ChangedError", len(got), err)
	}
	if entries, err := os.ReadDir(d.Cache); err != nil || len(entries) > 0 {
		t.Errorf("%v, %v left behind, want nothing", entries, err)
	}
}

func TestAnEntryThatCannotBeRepairedIsRemoved(t *testing.T) {
	d := newDamaged(t)
	src, err := Open(d.path)
	check(t, err)
	defer src.Close()
	c, err := openCache(d.Cache, src, proto.Params{})
	check(t, err)
	defer c.close()
	f, err := os.Open(d.entry())
	check(t, err)
	defer f.Close()
	repaired := c.repaired(f, src, func(_ uint32, err error) error { return err })
	for _, own := range []error{&ChangedError{Path: d.path}, newFileError(d.path, os.ErrInvalid)} {
		if err := repaired(0, own); !errors.Is(err, own) {
			t.Errorf("got %v, want %v", err, own)
		}
		d.entry()
	}
	_, readOnly := scratchFile{File: f}.WriteAt([]byte("x"), 0)
	err = repaired(0, readOnly)
	if want := filepath.Join(c.path, c.name) + ": corrupted, and cannot be repaired: "; err == nil || !strings.HasPrefix(Cause(err).Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
	if entries, err := os.ReadDir(d.Cache); err != nil || len(entries) > 0 {
		t.Errorf("%v, %v left behind, want nothing", entries, err)
	}
}

func TestAHalfEntryIsNotUsedAndTakenOver(t *testing.T) {
	c := newCached(t)
	c.send()
	part := filepath.Join(c.Cache, "."+filepath.Base(c.entry())+cachePart)
	check(t, os.Rename(c.entry(), part)) // as if killed before its end
	c.wantReported(c.send(), CacheMiss)
	c.entry()
	c.wantReported(c.send(), CacheHit)
}

func TestTwoSendersDoNotMakeOneEntry(t *testing.T) {
	c := newCached(t)
	src, err := Open(c.path)
	check(t, err)
	defer src.Close()
	cache, err := openCache(c.Cache, src, proto.Params{})
	check(t, err)
	defer cache.close()
	first, err := cache.create(1000)
	check(t, err)
	if _, err := cache.create(1000); err == nil || !strings.Contains(err.Error(), "another iotupd") {
		t.Errorf("got %v, want that another one makes the entry", err)
	}
	c.wantReported(c.send(), CacheMiss, CacheFailed)
	first.release()
	c.wantReported(c.send(), CacheMiss)
}

func TestAnEntryIsUsedWhileItIsReplaced(t *testing.T) {
	c := newCached(t)
	c.Memory = 1 // all is read from the entry
	c.send()
	o, reported := c.hold()
	defer o.Close()
	c.wantReported(reported, CacheHit)
	index := o.Manifest.Descriptor.K
	want, err := o.Shards.AppendShard(nil, 0, index)
	check(t, err)
	other := *c
	other.policy.Parity = 5000
	other.wantReported(other.send(), CacheMiss)
	got, err := o.Shards.AppendShard(nil, 0, index)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("another shard than before, %v", err)
	}
}

func TestACacheThatCannotBeIsAWarning(t *testing.T) {
	c := newCached(t)
	write(t, c.Cache, "a file")
	c.wantReported(c.send(), CacheFailed)
}

func TestAFullDiskIsAWarning(t *testing.T) {
	// "failure to write is a warning, never an error"
	c := newCached(t)
	src, err := Open(c.path)
	check(t, err)
	defer src.Close()
	cache, err := openCache(c.Cache, src, proto.Params{})
	check(t, err)
	e, err := cache.create(1000)
	check(t, err)
	check(t, e.File.Close())
	if _, err := e.WriteAt([]byte("x"), 0); err == nil || !e.full.Load() {
		t.Errorf("a write that failed: got %v, and noted %t", err, e.full.Load())
	}
	if err := e.commit(proto.Descriptor{}); err == nil {
		t.Error("committed what was not written")
	}
	e.release()
	cache.close()
	if entries, err := os.ReadDir(c.Cache); err != nil || len(entries) > 0 {
		t.Errorf("%v, %v left behind, want nothing", entries, err)
	}
}

func TestStoppingWhilePreparingLeavesNothing(t *testing.T) {
	c := newCached(t)
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(enough)
	_, _, err := c.try(ctx)
	if !errors.Is(err, enough) {
		t.Errorf("got %v, want %v", err, enough)
	}
	if entries, err := os.ReadDir(c.Cache); err != nil || len(entries) > 0 {
		t.Errorf("%v, %v left behind, want nothing", entries, err)
	}
}
