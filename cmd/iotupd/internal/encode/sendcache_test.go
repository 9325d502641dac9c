// SPDX-License-Identifier: GPL-2.0-or-later

package encode

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/quantity"
	"iotupd/proto"
	"iotupd/sender"
)

// A cached is a file that is sent again and again with the same cache. Its
// verbs narrate a test.
type cached struct {
	*testing.T
	path, dir string
	opts      Options
}

func newCached(t *testing.T) *cached {
	c := &cached{T: t, path: filepath.Join(t.TempDir(), "fw.bin"), dir: filepath.Join(t.TempDir(), "kept")}
	c.write(1)
	c.opts = Options{
		Parity: "auto", Profile: "standard", ShardSize: 512, Digest: "on",
		Memory: quantity.Size(sender.DefaultMemory), Cache: c.dir,
	}
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
// returns what was told to the user.
func (c *cached) send() (told string) {
	c.Helper()
	o, release, told := c.hold()
	defer release()
	opts := c.opts
	opts.Cache = ""
	other := *c
	other.opts = opts
	want, releaseWant, _ := other.hold()
	defer releaseWant()
	if o.Manifest.Descriptor != want.Manifest.Descriptor {
		c.Errorf("descriptor %+v, want %+v", o.Manifest.Descriptor, want.Manifest.Descriptor)
	}
	p := want.Manifest.Descriptor.Params
	for _, index := range []int{0, p.K, p.K + p.M - 1} {
		got, err1 := o.Shards.AppendShard(nil, 0, index)
		same, err2 := want.Shards.AppendShard(nil, 0, index)
		if err := errors.Join(err1, err2); err != nil || !bytes.Equal(got, same) {
			c.Errorf("shard %d differs, %v", index, err)
		}
	}
	got, err1 := o.Digests.AppendDigest(nil, 0, 1)
	same, err2 := want.Digests.AppendDigest(nil, 0, 1)
	if err := errors.Join(err1, err2); err != nil || !bytes.Equal(got, same) {
		c.Errorf("digests differ, %v", err)
	}
	return told
}

// hold prepares the file, for as long as it is not released.
func (c *cached) hold() (o *sender.Object, release func(), told string) {
	c.Helper()
	o, release, told, err := c.try(c.Context())
	check(c.T, err)
	return o, release, told
}

func (c *cached) try(ctx context.Context) (o *sender.Object, release func(), told string, err error) {
	c.Helper()
	src, err := OpenSource(c.path)
	check(c.T, err)
	c.Cleanup(src.Close)
	params, err := c.opts.Params(src.Size)
	check(c.T, err)
	var text bytes.Buffer
	out := cli.NewOutput(cli.OutputOptions{Verbose: 1}, cli.Stdio{Out: &text, Err: &text}, &text)
	p, err := NewPreparation(c.opts, params, out)
	check(c.T, err)
	o, release, err = p.Prepare(ctx, src)
	return o, release, text.String(), out.Close(err)
}

// entry is the only file in the cache.
func (c *cached) entry() string {
	c.Helper()
	entries, err := os.ReadDir(c.dir)
	check(c.T, err)
	if len(entries) != 1 {
		c.Fatalf("%d files in the cache: %v, want 1", len(entries), entries)
	}
	return filepath.Join(c.dir, entries[0].Name())
}

const (
	toldLoaded  = "prepared before: "
	toldNothing = " has nothing for this: "
	toldWarning = "[cache]"
)

func (c *cached) wantTold(told, want string) {
	c.Helper()
	for _, text := range []string{toldLoaded, toldNothing, toldWarning} {
		if strings.Contains(told, text) != (text == want) {
			c.Errorf("told %q, want %q and nothing else", told, want)
			return
		}
	}
}

func TestAFileIsPreparedOnce(t *testing.T) {
	for _, memory := range []quantity.Size{sender.DefaultMemory, 0} {
		c := newCached(t)
		c.opts.Memory = memory
		c.wantTold(c.send(), toldNothing)
		c.wantTold(c.send(), toldLoaded)
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
		"parity":     func(c *cached) { c.opts.Parity = "50%" },
		"shard size": func(c *cached) { c.opts.ShardSize = 576 },
		"replaced": func(c *cached) {
			check(c.T, os.Rename(c.path, c.path+".old")) // lives on: another inode
			c.write(2)
		},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			c := newCached(t)
			c.wantTold(c.send(), toldNothing)
			change(c)
			c.wantTold(c.send(), toldNothing)
			c.wantTold(c.send(), toldLoaded)
			c.entry()
		})
	}
}

func TestADamagedEntryIsMadeAnew(t *testing.T) {
	// "any damage, short file or mismatch means it is silently recomputed"
	rng := rand.New(rand.NewPCG(1, 2))
	c := newCached(t)
	c.wantTold(c.send(), toldNothing)
	whole, err := os.ReadFile(c.entry())
	check(t, err)
	headLen := len((&sendCache{}).head(proto.Descriptor{}))
	for i := range 20 {
		b := bytes.Clone(whole)
		switch i % 4 {
		case 0:
			b = b[:rng.IntN(len(b))]
		case 1:
			b[rng.IntN(headLen)] ^= 1 << rng.IntN(8)
		default:
			b[cacheHead+rng.IntN(len(b)-cacheHead)] ^= 1 << rng.IntN(8)
		}
		check(t, os.WriteFile(c.entry(), b, 0o600))
		c.wantTold(c.send(), toldNothing)
		if got, err := os.ReadFile(c.entry()); err != nil || !bytes.Equal(got, whole) {
			t.Fatalf("the entry is not what it was, %v", err)
		}
	}
	c.wantTold(c.send(), toldLoaded)
}

func TestAHalfEntryIsNotUsedAndTakenOver(t *testing.T) {
	c := newCached(t)
	c.send()
	part := filepath.Join(c.dir, "."+filepath.Base(c.entry())+cachePart)
	check(t, os.Rename(c.entry(), part)) // as if killed before its end
	c.wantTold(c.send(), toldNothing)
	c.entry()
	c.wantTold(c.send(), toldLoaded)
}

func TestTwoSendersDoNotMakeOneEntry(t *testing.T) {
	c := newCached(t)
	src, err := OpenSource(c.path)
	check(t, err)
	defer src.Close()
	cache, err := openCache(c.dir, src, proto.Params{})
	check(t, err)
	defer cache.close()
	first, err := cache.create(1000)
	check(t, err)
	told := c.send()
	if !strings.Contains(told, toldWarning) || !strings.Contains(told, "another iotupd") {
		t.Errorf("told %q, want a warning about another iotupd", told)
	}
	first.release()
	c.wantTold(c.send(), toldNothing)
}

func TestAnEntryIsUsedWhileItIsReplaced(t *testing.T) {
	c := newCached(t)
	c.opts.Memory = 0 // all is read from the entry
	c.send()
	o, release, told := c.hold()
	defer release()
	c.wantTold(told, toldLoaded)
	index := o.Manifest.Descriptor.K
	want, err := o.Shards.AppendShard(nil, 0, index)
	check(t, err)
	other := *c
	other.opts.Parity = "50%"
	other.wantTold(other.send(), toldNothing)
	got, err := o.Shards.AppendShard(nil, 0, index)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("another shard than before, %v", err)
	}
}

func TestACacheThatCannotBeIsAWarning(t *testing.T) {
	c := newCached(t)
	write(t, c.dir, "a file")
	told := c.send()
	if !strings.Contains(told, toldWarning) {
		t.Errorf("told %q, want a warning", told)
	}
}

func TestAFullDiskIsAWarning(t *testing.T) {
	// "failure to write is a warning, never an error"
	c := newCached(t)
	src, err := OpenSource(c.path)
	check(t, err)
	defer src.Close()
	cache, err := openCache(c.dir, src, proto.Params{})
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
	if entries, err := os.ReadDir(c.dir); err != nil || len(entries) > 0 {
		t.Errorf("%v, %v left behind, want nothing", entries, err)
	}
}

func TestStoppingWhilePreparingLeavesNothing(t *testing.T) {
	c := newCached(t)
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(enough)
	_, release, _, err := c.try(ctx)
	release()
	if !errors.Is(err, enough) {
		t.Errorf("got %v, want %v", err, enough)
	}
	if entries, err := os.ReadDir(c.dir); err != nil || len(entries) > 0 {
		t.Errorf("%v, %v left behind, want nothing", entries, err)
	}
}
