// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"iotupd/proto"
	"iotupd/proto/archive"
	"iotupd/receiver"
	"iotupd/receiver/directory"
	"iotupd/receiver/filestore"
)

// directories makes directories of the archives that are received (spec.md 6.7).
type directories struct {
	place  *directory.Place
	latest atomic.Pointer[directory.Progress] // nil: none yet
	shown  atomic.Int64                       // of the last report, in nanoseconds
	news   chan struct{}
}

// unpacker is a target that can have archives become directories.
type unpacker interface{ Unpack(filestore.Unpacker) }

// errNoDirectories says that archives cannot become directories with a target.
var errNoDirectories = errors.New("agent: Directories needs a filestore.Dir as Target")

// openDirectories has the target make directories of archives.
func (a *Agent) openDirectories() error {
	cfg := &a.cfg
	if cfg.Directories == "" || cfg.DryRun {
		return nil
	}
	t, ok := cfg.Target.(unpacker)
	if !ok {
		return errNoDirectories
	}
	d := &directories{news: make(chan struct{}, 1)}
	of := cfg.Directory
	of.Observe = d.note
	d.place = directory.Open(cfg.Directories, of)
	t.Unpack(d.place)
	a.directories = d
	return nil
}

// progressEvery is the least time between two reports of how far a directory is.
const progressEvery = 200 * time.Millisecond

// note is directory.Config.Observe: it never waits.
func (d *directories) note(p directory.Progress) {
	d.latest.Store(&p)
	now := time.Now().UnixNano()
	last := d.shown.Load()
	if p.Files < p.AllFiles && (now-last < int64(progressEvery) || !d.shown.CompareAndSwap(last, now)) {
		return
	}
	select {
	case d.news <- struct{}{}:
	default:
	}
}

// watchDirectories reports how far a directory is, until stop.
func (a *Agent) watchDirectories() (stop func()) {
	d := a.directories
	if d == nil {
		return func() {}
	}
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for more := true; more; {
			select {
			case <-d.news:
				a.emit(DirectoryProgress{*d.latest.Load()})
			case <-done:
				more = len(d.news) > 0
			}
		}
	})
	return func() { close(done); watching.Wait() }
}

// Settle waits until the older directories that were replaced are removed from the disk, or
// until ctx ends: the next run removes the rest.
func (a *Agent) Settle(ctx context.Context) {
	if a.directories != nil {
		defer a.watchDirectories()()
		a.directories.place.Wait(ctx)
	}
}

// inventoryFunc returns receiver.Config.Inventory; nil: inventories are not received.
func (a *Agent) inventoryFunc(ctx context.Context) receiver.InventoryFunc {
	d := a.directories
	if d == nil {
		return nil
	}
	return func(m *proto.Manifest, content []byte) (io.ReaderAt, error) {
		seed, err := d.place.Learn(ctx, m, content)
		if err != nil {
			return nil, err
		}
		n, _ := archive.Count(content) // which Learn has checked
		e := InventoryRead{Manifest: m, Entries: n}
		if p := d.latest.Load(); p != nil {
			e.Reused = p.Reused
		}
		a.emit(e)
		return seed, nil
	}
}

// olderDirectories returns receiver.Config.InventoryFirst: whether there is an older directory
// for an archive now. The function that it returns reads no disk.
func (a *Agent) olderDirectories() func(m *proto.Manifest) bool {
	d := a.directories
	if d == nil {
		return nil
	}
	there := make(map[string]bool)
	all, _ := os.ReadDir(a.cfg.Directories) // if it cannot be read, all is received
	for _, e := range all {
		if !e.Type().IsRegular() {
			there[e.Name()] = true
		}
	}
	return func(m *proto.Manifest) bool {
		return there[m.DirectoryName()] || len(a.cfg.Directory.Reuse) > 0
	}
}

// isInvalid reports whether an error says that a directory cannot be made of what its signer
// has signed, wherever it is put.
func isInvalid(err error) bool {
	return errors.Is(err, archive.ErrInvalid) || errors.Is(err, directory.ErrDisagrees)
}
