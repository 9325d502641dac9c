// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/receiver/filestore"
)

// committers is how many files are made durable and renamed at a time.
const committers = 4

// All is what [Agent.ReceiveAll] has received.
type All struct {
	New, Had int  // files that were received, and that were there before
	Complete bool // a catalogue has listed all files; otherwise there may be others

	// LeftOut is why files were left out that would have been received, but are over
	// Config.MaxSize, MaxTotal or MaxObjects. Empty: there were none.
	LeftOut proto.Reason

	// Failed are the files that could not be received or put into place.
	Failed []*FileError
}

// A FileError says why one of several files was not received.
type FileError struct {
	Name string
	Err  error
}

// Error implements error.
func (e *FileError) Error() string { return fmt.Sprintf("%s: %v", e.Name, e.Err) }

// Unwrap returns the cause.
func (e *FileError) Unwrap() error { return e.Err }

// ReceiveAll receives all files that are sent on the channel into Config.Collection, and
// puts each into place when it is complete: see [FileDone] and [FileFailed]. It returns
// when no file is left, by the catalogue or, without one, by what was heard in the time in
// which every manifest is sent. Errors are as in [Agent.Receive]; a file that fails is
// none: see [All].
func (a *Agent) ReceiveAll(ctx context.Context) (All, error) {
	if err := a.cfg.Collection.Prepare(); err != nil {
		return All{}, err
	}
	if a.memory != nil {
		if err := a.memory.Reserve(); err != nil {
			return All{}, err
		}
	}
	l, err := a.listen()
	if err != nil {
		return All{}, err
	}
	defer l.Close()
	g := &gathering{transfer: newTransfer(a, l), files: make(map[proto.ObjectID]*gathered)}
	g.changed.L = &g.mu
	return g.run(ctx)
}

// A gathering is a transfer of all files that are sent.
type gathering struct {
	*transfer
	ctx     context.Context
	foundID proto.ObjectID // of the event before

	mu      sync.Mutex
	changed sync.Cond
	files   map[proto.ObjectID]*gathered // that have begun and not ended
	ended   []ended
	closed  bool // no more will end
	all     All
}

// A gathered is one of the files.
type gathered struct {
	manifest *proto.Manifest
	signers  []proto.PublicKey
	release  receiver.Release
	target   *filestore.FileTarget // nil: not opened
	store    receiver.Store        // nil: not opened
	path     string                // where it was before

	opening sync.Mutex // held while the target is opened, or cleaned up
	over    bool       // the receiver does not work on it any more
}

// An ended is a file that the receiver does not work on any more.
type ended struct {
	*gathered
	err      error // it was given up
	replaced bool  // so that a newer release is received
}

func (g *gathering) run(ctx context.Context) (All, error) {
	a := g.agent
	cfg := a.cfg.receiver(a.policy)
	cfg.Take, cfg.Open, cfg.Observe = receiver.TakeAll, g.open, g.observe
	var err error
	if g.core, err = receiver.New(cfg); err != nil {
		return All{}, err
	}
	running, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	g.ctx = running
	g.watcher.certified = func(receiver.Certified) {}
	g.watcher.dropped = func() {}
	var watching, settling sync.WaitGroup
	watching.Go(func() { g.watch(cancel) })
	for range committers {
		settling.Go(g.settleAll)
	}
	stopped := a.pulse.starts()
	err = receiver.Run(running, g.core, g.listener.Conns(), g.runOptions())
	stopped()
	g.news.close()
	watching.Wait()
	g.close()
	settling.Wait()
	for _, f := range g.files { // the next run goes on with them
		if f.target != nil {
			f.target.Close()
		}
	}
	totals := g.core.Totals()
	g.all.Complete, g.all.LeftOut = totals.Catalogued, totals.LeftOut
	if err != nil {
		return g.all, g.stopped(ctx, cmp.Or(context.Cause(ctx), err))
	}
	w := g.watcher
	a.emit(AllDone{At: time.Now(), All: g.all, Status: w.status, Drops: w.drops, First: w.first})
	return g.all, nil
}

// errReplaced ends the opening of a file of which a newer release has come meanwhile.
var errReplaced = errors.New("a newer release is received")

// open is receiver.Config.Open.
func (g *gathering) open(id proto.ObjectID, p proto.Params) (receiver.Store, error) {
	g.mu.Lock()
	f := g.files[id]
	g.mu.Unlock()
	if f == nil {
		return nil, errReplaced
	}
	f.opening.Lock()
	defer f.opening.Unlock()
	if f.over {
		return nil, errReplaced
	}
	f.target = g.agent.cfg.Collection.Target()
	if err := f.target.Prepare(); err != nil {
		return nil, err
	}
	path, err := f.target.Has(g.ctx, f.manifest)
	if path != "" {
		f.path = path
		return nil, receiver.ErrHave
	}
	if err != nil {
		return nil, err
	}
	f.store, err = f.target.Open(id, p)
	return f.store, err
}

// observe is receiver.Config.Observe.
func (g *gathering) observe(now time.Time, e receiver.Event) {
	switch e := e.(type) {
	case receiver.ObjectFound:
		g.from, g.foundID = e.From, e.Object
	case receiver.Certified:
		g.mu.Lock()
		g.files[g.foundID] = &gathered{manifest: e.Manifest, signers: e.Signers, release: e.Release}
		g.mu.Unlock()
	case receiver.Finished:
		g.end(e.Object, e.Manifest, ended{})
	case receiver.Failed:
		g.end(e.Object, e.Manifest, ended{err: e.Err})
	case receiver.Dropped:
		g.end(e.Object, nil, ended{replaced: true})
	}
	g.news.put(Transfer{At: now, Event: e, From: g.from})
}

// end hands a file over to those who put it into place.
func (g *gathering) end(id proto.ObjectID, m *proto.Manifest, e ended) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if e.gathered = g.files[id]; e.gathered == nil { // it has not begun
		e.gathered = &gathered{manifest: m}
	}
	delete(g.files, id)
	g.ended = append(g.ended, e)
	g.changed.Signal()
}

// close says that no more files will end.
func (g *gathering) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	g.changed.Broadcast()
}

// settleAll puts files into place until there are no more.
func (g *gathering) settleAll() {
	for {
		g.mu.Lock()
		for len(g.ended) == 0 && !g.closed {
			g.changed.Wait()
		}
		if len(g.ended) == 0 {
			g.mu.Unlock()
			return
		}
		next := g.ended[0]
		g.ended = g.ended[1:]
		g.mu.Unlock()
		g.settle(next)
	}
}

// settle puts a file into place, or cleans up after one that was given up.
func (g *gathering) settle(f ended) {
	a := g.agent
	f.opening.Lock()
	defer f.opening.Unlock()
	f.over = true
	path, err := f.path, f.err
	switch {
	case f.replaced || err != nil:
		if f.store != nil {
			f.store.Discard() // jobs may still be at work on it
		}
		if f.target != nil && (f.replaced || errors.Is(err, receiver.ErrIntegrity)) {
			f.target.Discard()
		}
	case path == "":
		// The file is whole: the end of ctx does not keep it from getting its name.
		path, err = f.target.Commit(context.WithoutCancel(g.ctx), f.manifest)
	}
	if err == nil && !f.replaced && a.memory != nil {
		err = a.memory.Record(f.signers, f.manifest.Component, f.release)
	}
	if f.target != nil {
		f.target.Close()
	}
	if f.replaced {
		return
	}
	g.mu.Lock()
	switch {
	case err != nil:
		g.all.Failed = append(g.all.Failed, &FileError{Name: f.manifest.Name, Err: err})
	case f.path != "":
		g.all.Had++
	default:
		g.all.New++
	}
	all := g.all
	g.mu.Unlock()
	if err != nil {
		a.emit(FileFailed{At: time.Now(), Err: all.Failed[len(all.Failed)-1], Manifest: f.manifest})
		return
	}
	file := a.newReceived(path, f.manifest, f.signers)
	file.New = f.path == ""
	a.emit(FileDone{At: time.Now(), File: file, Done: all.New + all.Had})
}
