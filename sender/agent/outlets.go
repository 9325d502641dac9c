// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"iotupd/internal/clock"
	"iotupd/sender"
	"iotupd/sender/filesource"
	"iotupd/sender/multicast"
)

// DefaultWait is the usual [Config.Wait].
const DefaultWait = 30 * time.Second

// A transfer is one call of Send. Each interface that is sent on has a goroutine, and
// a core of its own, so that none waits for another one.
type transfer struct {
	agent    *Agent
	ctx      context.Context         // of everything but goodbyes
	cancel   context.CancelCauseFunc // its cause is what Send returns
	deadline time.Time               // of interfaces that are not ready; zero: none

	prepared chan struct{}  // closed when all files are encoded, and the first interface is announced
	first    chan struct{}  // closed when the first interface is open
	once     sync.Once      // closes it
	opening  sync.WaitGroup // interfaces that were ready from the start, until they are open

	mu      sync.Mutex
	outlets []*outlet
	changed error        // why no file is left
	dropped map[int]bool // files that are not sent any more
	lost    []Dropped    // not reported yet
}

// An outlet is an interface of a transfer.
type outlet struct {
	*multicast.Outlet
	transfer *transfer

	opened   func() // says that it is open, or will not be for a while
	conns    []sender.Conn
	listened <-chan bool
	drops    chan int // numbers of files that are not sent any more
	stop     func()   // of listened

	// guarded by transfer.mu
	route    multicast.Route // that it was opened with
	open     bool            // it is, or was
	reported bool            // it was reported as open
	progress sender.Progress
	err      error // that ended it
}

// start opens the interfaces, as soon as each is ready, and has the object sent on
// each as soon as that is there.
func (t *transfer) start(n *multicast.Network, running *sync.WaitGroup) {
	for _, o := range n.Outlets() {
		t.outlets = append(t.outlets, &outlet{Outlet: o, transfer: t, stop: func() {}, opened: func() {}, drops: make(chan int, len(t.agent.objects))})
	}
	for _, o := range t.outlets {
		if _, err := o.Route(); err == nil {
			t.opening.Add(1)
			o.opened = sync.OnceFunc(t.opening.Done)
		}
		running.Go(func() {
			t.ended(o, o.run())
			o.opened()
		})
	}
}

// ended notes that an interface has ended. When all have, the transfer is over.
func (t *transfer) ended(o *outlet, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	o.err = err
	if err == nil || context.Cause(t.ctx) != nil {
		return
	}
	var network *multicast.Error
	if !errors.As(err, &network) { // the file, or a mistake
		t.cancel(err)
		return
	}
	var all error
	for _, other := range t.outlets {
		switch {
		case other.err == nil:
			t.agent.log().Warn("nothing is sent on an interface", "interface", o.Name(), "error", err)
			return
		case all == nil:
			all = other.err
		default:
			all = fmt.Errorf("%w; %w", all, other.err)
		}
	}
	t.cancel(all)
}

// run waits until the interface is ready, and sends.
func (o *outlet) run() error {
	t := o.transfer
	for {
		if err := o.ready(); err != nil {
			return err
		}
		err := o.dial()
		if err == nil {
			o.opened()
			err = o.send()
		}
		o.stop()
		multicast.Close(o.conns)
		if _, now := o.Route(); err == nil || !isNotReady(now) || !errors.As(err, new(*multicast.Error)) || context.Cause(t.ctx) != nil {
			return err
		}
		// It went away before anything was sent.
	}
}

func isNotReady(err error) bool { return errors.As(err, new(*multicast.NotReadyError)) }

// ready waits until the interface can be sent on, but no longer than the
// deadline, unless other interfaces are sent on without end.
func (o *outlet) ready() error {
	t := o.transfer
	reported := ""
	timeout := t.until()
	for {
		_, err := o.Route()
		if !isNotReady(err) {
			return err
		}
		if text := err.Error(); text != reported && t.agent.cfg.Wait > 0 {
			t.agent.observe(Waiting{Interface: o.Name(), Err: err, Until: t.deadline})
			reported = text
		}
		o.opened()
		select {
		case <-t.ctx.Done():
			return context.Cause(t.ctx)
		case <-o.Changed():
		case <-timeout:
			if _, err := o.Route(); !isNotReady(err) {
				return err
			}
			if t.agent.cfg.Carousel.Loops > 0 || !t.sends() {
				return t.agent.tooLate(err)
			}
			timeout = nil
		}
	}
}

// tooLate is the error of an interface that did not become ready in time.
func (a *Agent) tooLate(err error) error {
	if a.cfg.Wait < 0 {
		return err
	}
	return &multicast.Error{Err: fmt.Errorf("%w; waited for it for %v", err, a.cfg.Wait)}
}

// until is when to wait no longer.
func (t *transfer) until() <-chan time.Time {
	if t.agent.cfg.Wait < 0 {
		over := make(chan time.Time)
		close(over)
		return over
	}
	return time.After(time.Until(t.deadline))
}

// sends reports whether any interface was ever ready.
func (t *transfer) sends() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, o := range t.outlets {
		if o.open {
			return true
		}
	}
	return false
}

// dial opens the sockets.
func (o *outlet) dial() (err error) {
	t := o.transfer
	a := t.agent
	if o.conns, err = o.Dial(max(1, a.cfg.Carousel.Layers), a.DatagramLen()); err != nil {
		return err
	}
	if a.cfg.WhenListened {
		a.observe(Watching{})
		if o.listened, o.stop, err = o.Listened(t.ctx, a.cfg.Logger); err != nil {
			o.stop = func() {}
			return err
		}
	}
	route, _ := o.Route()
	t.mu.Lock()
	defer t.mu.Unlock()
	o.route, o.open = route, true
	t.once.Do(func() { close(t.first) })
	return nil
}

// routes returns the routes of interfaces that were not reported yet.
func (t *transfer) routes() (list []multicast.Route) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, o := range t.outlets {
		if o.open && !o.reported {
			o.reported = true
			list = append(list, o.route)
		}
	}
	return list
}

// goodbyeTime is how long a stopped interface may take for its last packets and
// the packets that are queued before them.
const goodbyeTime = 1100 * time.Millisecond

// send sends the object when it is there.
func (o *outlet) send() error {
	t := o.transfer
	select {
	case <-t.ctx.Done():
		return context.Cause(t.ctx)
	case <-t.prepared:
	}
	cfg := t.agent.cfg.Carousel
	cfg.Overhead, cfg.LinkRate = o.route.Overhead(), o.route.Speed
	var members []sender.Member
	for _, o := range t.agent.objects {
		members = append(members, sender.Member{Object: o.prepared.Object, Weight: o.Weight})
	}
	for _, o := range t.agent.objects {
		if d := o.directory; d != nil {
			members = append(members, sender.Member{Object: d.prepared.Object, Weight: o.Weight})
		}
	}
	if c := t.agent.catalogue; c != nil {
		members = append(members, sender.Member{Object: c.prepared.Object})
	}
	s, err := sender.NewSet(cfg, t.agent.cfg.Share, members...)
	if err != nil {
		return &ConfigError{err}
	}
	t.mu.Lock()
	for i := range t.dropped { // while this interface was waited for
		s.Drop(i)
	}
	t.mu.Unlock()
	for _, r := range t.routes() {
		t.agent.observe(Opened{r})
	}
	log := t.agent.log()
	if len(t.outlets) > 1 {
		log = log.With("interface", o.route.Interface)
	}
	defer t.agent.raisePriority()()
	defer context.AfterFunc(t.ctx, func() { // a full queue may hold it up for long
		time.AfterFunc(goodbyeTime, func() { multicast.Close(o.conns) })
	})()
	return filesource.Cause(sender.Run(t.ctx, s, o.conns[0], sender.RunOptions{
		Upper:    o.conns[1:],
		Sleep:    clock.Sleep,
		Log:      log,
		Listened: o.listened,
		Drop:     o.drops,
		Failed:   func(i int, err error) { t.drop(i, filesource.Cause(err)) },
		Report:   func(now time.Time, p sender.Progress) error { return t.report(o, now, p) },
	}))
}

// raisePriority asks the system to wake this process in time.
func (a *Agent) raisePriority() (release func()) {
	switch {
	case a.cfg.Priority == PriorityNever:
		return func() {}
	case a.cfg.Priority == PriorityAuto && clock.Filtered():
		a.log().Info("no priority is asked for: system calls are filtered here")
		return func() {}
	case a.cfg.Carousel.Rate < 0: // without a rate it would take the time of all others
		return clock.ClaimSlices()
	}
	return clock.Claim()
}

// report notes the progress of an interface, and reports the progress of all,
// unless another goroutine is doing so: no interface waits for another one.
func (t *transfer) report(o *outlet, now time.Time, p sender.Progress) error {
	t.mu.Lock()
	o.progress = p
	all := t.progress()
	changed, lost := t.changed, t.lost
	t.lost = nil
	t.mu.Unlock()
	for _, d := range lost {
		t.agent.observe(d)
	}
	all.At = now
	t.agent.observeUnless(all)
	return changed
}

// progress sums up the progress of all interfaces that are sent on. The caller
// holds t.mu.
func (t *transfer) progress() (all Progress) {
	for _, o := range t.outlets {
		p := o.progress
		if p.Loop == 0 {
			continue // it has not begun
		}
		all.Interfaces = append(all.Interfaces, InterfaceProgress{o.route.Interface, p})
		if len(all.Interfaces) == 1 {
			all.Progress = p
			continue
		}
		all.Packets += p.Packets
		all.Paused = all.Paused && p.Paused
		if p.Loop < all.Loop || p.Loop == all.Loop && p.Fraction < all.Fraction {
			all.Loop, all.Fraction = p.Loop, p.Fraction
		}
		all.Bound = max(all.Bound, p.Bound)
	}
	return all
}
