// SPDX-License-Identifier: GPL-2.0-or-later

package multicast

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"iotupd/internal/listeners"
	"iotupd/internal/mcast"
	"iotupd/internal/netif"
)

// A Network is what a [Config] comes to on this host, now and later: interfaces that
// are not there yet, go away and come back, are renamed, or get other addresses.
type Network struct {
	cfg     Config
	log     *slog.Logger
	outlets []*Outlet
	stop    func()
	looking sync.Mutex // held by who looks
}

// lookAgain is the time between two looks at what is not ready: much of it is
// announced, but not all.
const lookAgain = time.Second

// Follow chooses interfaces and multicast group, and keeps up with changes of the
// interfaces until Close. Changes are logged if log is not nil.
func Follow(cfg Config, log *slog.Logger) *Network {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	n := &Network{cfg: cfg, log: log}
	for _, name := range cfg.names() {
		o := &Outlet{network: n, name: name, changed: make(chan struct{}, 1)}
		o.now.Store(&spot{})
		n.outlets = append(n.outlets, o)
	}
	stop, err := netif.Follower{}.Follow(func(bool) time.Duration { return n.look(time.Now()) })
	if err != nil {
		log.Info("changes of interfaces are noticed late: this system does not announce them", "error", err)
	}
	n.stop = stop
	return n
}

// Outlets returns one for each interface that was named, or the one for any.
func (n *Network) Outlets() []*Outlet { return n.outlets }

// Close ends it. It may be called again.
func (n *Network) Close() { n.stop() }

// look notes what has changed, and returns how long it need not look again.
func (n *Network) look(now time.Time) (next time.Duration) {
	n.looking.Lock()
	defer n.looking.Unlock()
	all, err := netif.List()
	for _, o := range n.outlets {
		was := o.now.Load()
		s := *was
		if err == nil {
			s = n.cfg.place(all, o.name, *was, now)
		} else if was.Interface == "" { // else it stays what it is
			s.err = err
		}
		if s.err != nil {
			next = lookAgain
		}
		if at := s.wake(); at.After(now) {
			next = min(next, at.Sub(now))
		}
		if same(s, *was) {
			continue
		}
		n.logChange(*was, s)
		o.now.Store(&s)
		select {
		case o.changed <- struct{}{}:
		default: // there is news already
		}
	}
	return next
}

// logChange logs changes of an interface that was usable and still is. A failure
// is reported by the goroutine that sends.
func (n *Network) logChange(was, s spot) {
	switch {
	case was.err != nil || s.err != nil || was.Interface == "":
	case was.send.Interface.Index == s.send.Interface.Index && was.Interface != s.Interface:
		n.log.Warn("the interface has been renamed", "from", was.Interface, "to", s.Interface)
	case was.Interface != s.Interface:
		n.log.Warn("another interface is sent on from now on", "from", was.Interface, "to", s.Interface, "group", s.Group)
	case was.Source != s.Source:
		n.log.Info("packets come from another address from now on", "interface", s.Interface, "from", was.Source, "to", s.Source)
	}
}

// same reports whether nothing has changed that matters.
func same(a, b spot) bool {
	return a.Interface == b.Interface && a.send.Interface.Index == b.send.Interface.Index && a.MTU == b.MTU && a.Group == b.Group &&
		a.Source == b.Source && a.since.Equal(b.since) && text(a.err) == text(b.err)
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// An Outlet is an interface that is sent on.
type Outlet struct {
	network *Network
	name    string // that was asked for; empty: any
	now     atomic.Pointer[spot]
	changed chan struct{}
}

// failed looks for the reason of an error, which may have come before its
// announcement, and returns it; or the error, if it is another one.
func (o *Outlet) failed(err error) error {
	if errors.Is(err, mcast.ErrUnreachable) || errors.Is(err, mcast.ErrNoInterface) {
		o.network.look(time.Now())
		if s := o.now.Load(); s.err != nil {
			return s.err
		}
	}
	return err
}

// Name returns what was asked for, empty if nothing was.
func (o *Outlet) Name() string { return o.name }

// Route returns where packets go now. When the error is not nil, they cannot, and the
// route says as much as is known. Errors are of type [*Error]; if they wrap a
// [*NotReadyError], that may change.
func (o *Outlet) Route() (Route, error) {
	s := o.now.Load()
	return s.Route, networkError(s.err)
}

// Changed has an element when Route may have changed, unless that is for Listened.
func (o *Outlet) Changed() <-chan struct{} { return o.changed }

// Listened starts to watch whether anybody on this network listens to the
// multicast group (Linux, with CAP_NET_RAW). The channel never has anything but
// the latest news. It gets them until stop is called, which waits for the
// goroutine that does this, or until ctx ends. Whatever prevents listeners from
// being noticed is logged if log is not nil. Errors are of type [*Error].
func (o *Outlet) Listened(ctx context.Context, log *slog.Logger) (news <-chan bool, stop func(), err error) {
	at := o.now.Load()
	w, err := listeners.Open(listeners.Config{Interface: at.Interface, Group: at.Group, Logger: log})
	if err != nil {
		return nil, nil, networkError(err)
	}
	latest := make(chan bool, 1)
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			at = o.watch(ctx, w, at, func(listened bool) {
				select {
				case <-latest: // is out of date
				default:
				}
				latest <- listened
			})
			w = o.reopen(ctx, at, log)
		}
	})
	return latest, func() { cancel(); running.Wait() }, nil
}

// watch runs w until ctx ends, or until packets go by an interface of another
// name or to another multicast group: it returns to where.
func (o *Outlet) watch(ctx context.Context, w *listeners.Watcher, at *spot, changed func(bool)) (now *spot) {
	inner, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { w.Run(inner, changed) })
	defer running.Wait()
	defer cancel()
	for {
		select {
		case <-ctx.Done():
			return at
		case <-o.changed:
		}
		if now = o.now.Load(); now.err == nil && (now.Interface != at.Interface || now.Group != at.Group) {
			return now
		}
	}
}

// reopen opens another watcher, sooner or later; nil if ctx ends before.
func (o *Outlet) reopen(ctx context.Context, at *spot, log *slog.Logger) *listeners.Watcher {
	for ctx.Err() == nil {
		if w, err := listeners.Open(listeners.Config{Interface: at.Interface, Group: at.Group, Logger: log}); err == nil {
			return w
		}
		select {
		case <-ctx.Done():
		case <-time.After(lookAgain):
		}
	}
	return nil
}
