// SPDX-License-Identifier: GPL-2.0-or-later

package listeners

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"time"

	"iotupd/internal/diagnose"
	"iotupd/internal/netif"
)

const (
	// retryEvery is the time between two attempts to find an interface that has gone.
	retryEvery = time.Second
	// sourcesFor is how long the addresses of this host are cached.
	sourcesFor = time.Second
	// fullRound is the longest time until a querier has asked and all have answered,
	// unless somebody has changed it: 125 and 10 s, and some more.
	fullRound = 140 * time.Second
)

// A Watcher watches one link for those who listen to one multicast group. It
// sends nothing, and joins nothing that others could see.
type Watcher struct {
	cfg    Config
	tap    *tap
	stream stream
	looked time.Time // when the sources of the stream were looked up

	table    table
	reported bool // another host was heard, whatever it listens to
}

// Open starts to watch a link, which needs CAP_NET_RAW. [Watcher.Run] ends it.
func Open(cfg Config) (*Watcher, error) {
	t, err := openTap()
	if err == nil {
		w := &Watcher{cfg: cfg.withDefaults(), tap: t, stream: stream{group: cfg.Group}}
		if err = w.bind(); err == nil {
			return w, nil
		}
		t.close()
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("cannot watch who listens: %w; be root, or allow it to all: setcap cap_net_raw+ep %s", err, program())
	}
	return nil, fmt.Errorf("cannot watch who listens on %s: %w", cfg.Interface, err)
}

// program is the file of this program.
func program() string {
	if path, err := os.Executable(); err == nil {
		return path
	}
	return os.Args[0]
}

// bind reads along on the interface from now on, by the index that it has now,
// and takes in whether this host listens.
func (w *Watcher) bind() error {
	ifi, err := netif.ByName(w.cfg.Interface)
	if err != nil {
		return err
	}
	if err := w.tap.bind(ifi.Index, w.cfg.Group); err != nil {
		return err
	}
	if here, err := diagnose.Read(); err == nil && here.Member(w.cfg.Group, w.cfg.Interface) {
		w.table.join(netip.Addr{})
	}
	return nil
}

// Run watches until ctx ends. It calls changed with whether anybody listens, at
// the start, and whenever that changes. Afterwards w is closed.
func (w *Watcher) Run(ctx context.Context, changed func(listened bool)) {
	defer w.tap.close()
	defer context.AfterFunc(ctx, w.tap.interrupt)()
	now := time.Now()
	round := now.Add(fullRound)
	listened := w.table.listens(now)
	changed(listened)
	for ctx.Err() == nil {
		w.tap.wakeAt(earlier(w.table.wake(), round))
		if ctx.Err() != nil {
			return // and the deadline may have come after the interruption
		}
		p, own, err := w.tap.read()
		now = time.Now()
		switch {
		case err == nil:
			w.handle(now, p, own)
		case !errors.Is(err, os.ErrDeadlineExceeded):
			w.rebind(ctx)
		}
		if !round.IsZero() && now.After(round) {
			round = time.Time{}
			w.warn()
		}
		if before := listened; before != w.table.listens(now) {
			listened = !before
			changed(listened)
		}
	}
}

// handle handles a packet that arrived, or left this host.
func (w *Watcher) handle(now time.Time, p []byte, own bool) {
	if now.Sub(w.looked) >= sourcesFor {
		w.looked = now
		w.stream.sources = addresses(w.cfg.Interface)
	}
	m := w.stream.parse(p)
	if own {
		m.from = netip.Addr{}
	} else if m.kind == other || m.kind == joined || m.kind == left {
		w.reported = true
	}
	w.table.update(now, m)
}

// rebind waits until the interface is there again.
func (w *Watcher) rebind(ctx context.Context) {
	retry := time.NewTicker(retryEvery)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-retry.C:
		}
		if w.bind() == nil {
			return
		}
	}
}

// warn logs what is missing after a round of queries and reports.
func (w *Watcher) warn() {
	switch {
	case w.table.asked.IsZero():
		w.cfg.Logger.Warn("no querier asks who listens; receivers are noticed only when they join", "interface", w.cfg.Interface)
	case !w.reported:
		w.cfg.Logger.Warn("a querier asks who listens, and nobody is heard to answer; "+
			"does the switch pass reports on to this port?", "interface", w.cfg.Interface)
	}
}

// addresses lists the addresses of an interface.
func addresses(name string) (list []netip.Addr) {
	if ifi, err := netif.ByName(name); err == nil {
		list = ifi.Addresses()
	}
	return list
}

// earlier returns the earlier of two times, of which either may be zero for never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
