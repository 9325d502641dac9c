// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/receiver/installed"
	"iotupd/receiver/layers"
	"iotupd/receiver/multicast"
)

// A transfer receives one file. Its receiver belongs to the goroutine of
// receiver.Run, until that returns; the watcher to a goroutine of its own, which
// gets news through the mailbox.
type transfer struct {
	agent    *Agent
	listener multicast.Listener
	core     *receiver.Receiver
	news     mailbox
	watcher  *watcher
	check    contentCheck
	place    placeCheck
	repeated bool // since the place of the file was lost

	from     receiver.Origin                // of the manifest of the object
	current  atomic.Pointer[proto.Manifest] // of the object, for checks that end late; nil: none yet
	overRate bool                           // reported
}

func newTransfer(a *Agent, l multicast.Listener) *transfer {
	return &transfer{agent: a, listener: l, news: newMailbox(), watcher: newWatcher(a, l, time.Now())}
}

// An alreadyThereError ends a transfer whose file is there already.
type alreadyThereError struct {
	path     string
	manifest *proto.Manifest
	signers  []proto.PublicKey
	release  receiver.Release
	record   *installed.Record // nil: there is none
}

func (e *alreadyThereError) Error() string { return e.path + " already has this content" }

// run receives the file.
func (t *transfer) run(ctx context.Context) (*Received, error) {
	cfg := t.agent.cfg.receiver(t.agent.policy)
	cfg.Open, cfg.Observe = t.agent.cfg.Target.Open, t.observe
	running, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	cfg.Inventory, cfg.InventoryFirst = t.agent.inventoryFunc(running), t.agent.olderDirectories()
	var err error
	if t.core, err = receiver.New(cfg); err != nil {
		return nil, err
	}
	t.watcher.certified = func(c receiver.Certified) {
		t.check.start(running, func(ctx context.Context) error { return t.look(ctx, c) }, cancel)
	}
	t.watcher.dropped = t.check.stop
	defer t.check.stop()
	t.place.start(t.agent.cfg.Target, time.Now(), cancel)
	t.watcher.receiving = t.place.happened
	var watching sync.WaitGroup
	watching.Go(func() { t.watch(cancel) })
	stopped := t.agent.pulse.starts()
	err = receiver.Run(running, t.core, t.listener.Conns(), t.runOptions())
	stopped()
	t.news.close()
	watching.Wait()
	t.place.stop()
	err = t.mayBeChanged(err)
	if err == nil || errors.As(err, new(*receiver.StoreError)) {
		// A file that exists already needs no room on the disk, and is not new.
		err = cmp.Or(t.check.wait(), context.Cause(ctx), err)
	}
	return t.finish(ctx, err)
}

// look returns an error by which the transfer ends if the file of a manifest need not be
// received, or cannot be put into place.
func (t *transfer) look(ctx context.Context, c receiver.Certified) error {
	a, m := t.agent, c.Manifest
	record, err := a.known(m)
	runs, err2 := a.runs(m)
	path, impossible := a.cfg.Target.Has(ctx, m)
	switch err := cmp.Or(err, err2); {
	case t.current.Load() != m:
		return nil // the object was given up meanwhile
	case err != nil:
		return err
	case a.installs() && (runs || record != nil && record.State.Done()):
		return &alreadyThereError{path, m, c.Signers, c.Release, record}
	case record != nil && record.State.GivenUp():
		return &GivenUpError{Manifest: m, State: record.State, Why: record.Why}
	case path != "" && !a.found(path, m, c.Signers, record).exposed():
		return &alreadyThereError{path, m, c.Signers, c.Release, record}
	}
	if a.journal != nil {
		impossible = cmp.Or(impossible, a.journal.CanRecord(a.pathOf(m), m.Component))
	}
	return impossible
}

// runOptions are those of receiver.Run, which calls back on its own goroutine: what
// may wait is left to the watcher.
func (t *transfer) runOptions() receiver.RunOptions {
	return receiver.RunOptions{
		Report: func(now time.Time, s receiver.Status) error {
			s.Ignored = maps.Clone(s.Ignored)
			t.news.put(report{now, s})
			return nil
		},
		Lost:         t.agent.cfg.Lost,
		Heard:        t.heard,
		Layers:       layers.New(t.core.Streams(), t.agent.cfg.Layers),
		LevelChanged: func(now time.Time, level int) { t.news.put(LevelChanged{now, level}) },
		// What fails is in the list of memberships, and tried again with the next
		// look at the interfaces.
		Join: func(level int) { t.listener.SetLevel(level) },
		Ping: t.agent.pulse.pings,
	}
}

// observe is receiver.Config.Observe.
func (t *transfer) observe(now time.Time, e receiver.Event) {
	news := Transfer{At: now, Event: e}
	switch e := e.(type) {
	case receiver.ObjectFound:
		t.from = e.From
	case receiver.Certified:
		t.current.Store(e.Manifest)
		t.agent.keepTo(e.Manifest.Component)
	case receiver.Dropped:
		t.current.Store(nil)
	case receiver.GroupDecoded, receiver.Forged:
		t.news.put(news)
		return
	}
	news.From, news.Progress = t.from, t.core.Progress()
	t.news.put(news)
	if _, ok := e.(receiver.Collected); ok {
		t.news.put(Collected{At: now, Progress: news.Progress})
	}
}

// heard is receiver.RunOptions.Heard.
func (t *transfer) heard(_ time.Time, packets []receiver.Heard) {
	limit := t.agent.cfg.Layers.MaxRate
	for i := range packets {
		if t.overRate || limit == 0 {
			break
		}
		s := packets[i].Stream
		if rate := s.Rate.BitsPerSecond(); s.Layer == 0 && proto.OverRate(rate, limit) {
			t.overRate = true
			t.news.put(OverRate{rate})
		}
	}
	if t.agent.cfg.Heard != nil {
		t.agent.cfg.Heard(packets)
	}
}

// watch has the watcher see the news until there will be no more, and look at the
// time when it wants to.
func (t *transfer) watch(cancel context.CancelCauseFunc) {
	look := time.NewTimer(lookEvery)
	defer look.Stop()
	see := func(news any) {
		if err := t.watcher.see(news); err != nil {
			cancel(err)
		}
	}
	for {
		select {
		case <-t.news.changed:
			news, more := t.news.take()
			for _, n := range news {
				see(n)
			}
			if !more {
				return
			}
			t.watcher.heardNews(time.Now())
		case now := <-look.C:
			see(moment(now))
		case <-t.agent.cfg.Ask:
			if t.watcher.quiet() { // otherwise there will be an event soon
				t.watcher.progress(time.Now())
			}
		}
		if at := t.watcher.wake(); at.IsZero() {
			look.Stop()
		} else {
			look.Reset(time.Until(at))
		}
	}
}

// finish makes what was received the file, or cleans up after err, by which the
// transfer ended. Nothing else runs any more.
func (t *transfer) finish(ctx context.Context, err error) (*Received, error) {
	a := t.agent
	var there *alreadyThereError
	if errors.As(err, &there) {
		a.cfg.Target.Discard()
		if err := a.remember(there.manifest, there.signers, there.release); err != nil {
			return nil, err
		}
		file := a.found(there.path, there.manifest, there.signers, there.record)
		if err := file.recordOld(); err != nil {
			return nil, err
		}
		a.emit(AlreadyThere{file})
		return file, nil
	}
	if several := (*receiver.SeveralError)(nil); errors.As(err, &several) {
		a.emit(SeveralSent{several})
	}
	if err != nil {
		t.cleanUp(err)
		return nil, t.stopped(ctx, err)
	}
	m, signers, release := t.core.Manifest(), t.watcher.signers, t.watcher.release
	file := a.newReceived("", m, signers)
	file.New, file.Pending = true, true
	if err := file.arrive(file.withhold()); err != nil {
		return nil, err
	}
	if err = file.commit(ctx); err != nil {
		if isInvalid(err) {
			a.cfg.Target.Discard()
		}
		return nil, t.stopped(ctx, err)
	}
	if !a.cfg.DryRun {
		err = a.remember(m, signers, release)
	}
	if err == nil && !a.cfg.KeepPending {
		err = cmp.Or(file.recordInstalled(), file.release())
	}
	if err != nil {
		return nil, t.stopped(ctx, err)
	}
	w := t.watcher
	a.emit(Done{At: time.Now(), File: file, Status: w.status, Drops: w.drops, First: w.first, Collected: w.collected})
	return file, nil
}

// stopped reports how far it had come if the end of ctx is err. It returns err.
func (t *transfer) stopped(ctx context.Context, err error) error {
	if ctx.Err() == nil || !errors.Is(err, context.Cause(ctx)) || err == errDue {
		return err
	}
	s := t.watcher.status
	s.Progress = t.core.Progress() // the progress of the last report may be outdated
	t.agent.emit(Stopped{
		Status: s, Instead: t.watcher.instead(s.Ignored),
		NoNewer: t.agent.later || t.agent.following && s.Ignored[receiver.ReasonRollback] > 0,
	})
	return err
}

// cleanUp removes what no later run should continue from. What is not to be
// received is the same as an object that was given up.
func (t *transfer) cleanUp(err error) {
	var silence *SilenceError
	var stalled *StalledError
	refused := errors.As(err, &silence) && silence.Instead.refused() ||
		errors.As(err, &stalled) && stalled.Instead.refused()
	store := t.core.Store()
	switch {
	case errors.As(err, new(*receiver.StoreError)):
	case errors.Is(err, receiver.ErrIntegrity), isInvalid(err):
		t.agent.cfg.Target.Discard()
	case store != nil && refused:
		store.Discard()
	}
}

// A contentCheck runs beside a transfer: whether the content of the object that is
// received now is there already.
type contentCheck struct {
	running sync.WaitGroup
	cancel  context.CancelFunc // nil: none was started
	err     error              // what it has found out, which ends the transfer
}

// start runs do until it is done or another one takes its place. Its error ends the
// transfer, unless ctx has ended before.
func (c *contentCheck) start(ctx context.Context, do func(context.Context) error, end context.CancelCauseFunc) {
	c.stop()
	ctx, c.cancel = context.WithCancel(ctx)
	c.err = nil
	c.running.Go(func() {
		if err := do(ctx); err != nil && ctx.Err() == nil {
			c.err = err
			end(err)
		}
	})
}

// stop ends the check, and waits for it.
func (c *contentCheck) stop() {
	if c.cancel != nil {
		c.cancel()
	}
	c.running.Wait()
}

// wait waits for the check, and returns its error.
func (c *contentCheck) wait() error {
	c.running.Wait()
	return c.err
}
