// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"maps"
	"runtime"
	"time"

	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/receiver/multicast"
)

// A watcher sees how a transfer goes, reports that, and decides when to give up.
// Nothing waits for it but the end of the transfer.
type watcher struct {
	cfg       *Config
	listener  multicast.Listener
	emit      func(Event)
	signed    bool // only what a trusted key has signed counts
	following bool
	keeps     bool    // it is to keep to the component of the first release
	kept      *string // that component; nil: it is not known yet
	warnedFor *bool   // OtherComponent was reported

	certified func(receiver.Certified)
	dropped   func()
	receiving func(now time.Time) // something has arrived of an object

	start     time.Time
	present   bool      // one of the interfaces that were named was there
	first     time.Time // the first packet of the object
	collected time.Time // when all had come over the network; zero: it has not
	signers   []proto.PublicKey
	release   receiver.Release
	name      string          // of the file that is received; may be empty
	status    receiver.Status // of the last report
	level     int             // of layers that are received

	idle   time.Time // since when there is no object
	heard  time.Time // when packets of the object were last seen to arrive
	useful uint64    // such packets, then

	drops    uint64 // packets that this host lost while it still wanted any
	ownDrops bool   // reported

	refusals
	silence silence
	looked  time.Time // when there was news, or it was looked at the time
	news    bool      // there was news
	over    bool      // it was time to give up
}

// The time between two looks at a transfer while something happens, and while
// nobody has been found whom to listen to.
const (
	lookEvery       = 200 * time.Millisecond
	searchLookEvery = 2 * time.Second
)

// A moment is when nothing has happened but that time went by.
type moment time.Time

func newWatcher(a *Agent, l multicast.Listener, now time.Time) *watcher {
	return &watcher{
		cfg: &a.cfg, listener: l, emit: a.emit, signed: a.policy != nil, following: a.following,
		keeps: a.following && len(a.cfg.Components) == 0, kept: a.kept.Load(), warnedFor: &a.warned,
		start: now, idle: now, heard: now, looked: now,
		refusals: refusals{warned: make(map[proto.Reason]bool)},
		silence:  silence{since: now, wait: silentAfter},
	}
}

// see takes news from the mailbox. An error ends the transfer.
func (w *watcher) see(news any) error {
	switch n := news.(type) {
	case report:
		return w.report(n.at, n.status)
	case moment:
		w.news = false
		return w.report(time.Time(n), w.status)
	case Transfer:
		w.observe(n)
	case Collected:
		w.countDrops()
		w.collected = n.At
		w.emit(n)
	case LevelChanged:
		w.level = n.Level
		w.emit(n)
	case OverRate:
		w.emit(n)
	}
	return nil
}

// observe sees an event of the receiver.
func (w *watcher) observe(t Transfer) {
	switch e := t.Event.(type) {
	case receiver.ObjectFound:
		if w.first.IsZero() || w.cfg.Collection == nil { // of all files, the first counts
			w.first = e.Since
		}
		w.restart(t.At)
	case receiver.Certified:
		if t.Progress.Needed > 0 { // a report now must not say that nothing was heard
			w.status.Progress = t.Progress
		}
		w.signers, w.release, w.name = e.Signers, e.Release, e.Manifest.Name
		if w.kept == nil {
			w.kept = &e.Manifest.Component
		}
		w.emit(t)
		w.certified(e)
		return
	case receiver.Dropped:
		w.idle = t.At
		w.restart(t.At)
		w.dropped()
	case receiver.Refused:
		w.refused(e)
		return
	case receiver.Corrupt:
		w.restart(t.At)
	}
	w.emit(t)
}

// restart notes that there is something to receive again. However long the check
// of a corrupt file took, the stream has not been silent since.
func (w *watcher) restart(now time.Time) { w.collected, w.heard = time.Time{}, now }

// report sees a report of the receiver. An error says that it is time to give up.
func (w *watcher) report(now time.Time, s receiver.Status) error {
	w.status, w.looked = s, now
	n := s.Waiting + s.Data + s.Parity + s.Digests + s.Outlines + s.Manifests
	if n != w.useful {
		w.useful, w.heard = n, now
		if s.Needed > 0 && w.receiving != nil {
			w.receiving(now)
		}
	}
	if w.level < 0 {
		w.heard = now // this silence was chosen
	}
	w.checkBuffer()
	w.checkRefused(now)
	w.checkVersion(now)
	w.progress(now)
	if e, silent := w.explain(now); silent {
		w.emit(e)
	}
	err := w.giveUp(now)
	w.over = w.over || err != nil
	return err
}

// progress emits how far it is.
func (w *watcher) progress(now time.Time) {
	s := w.status
	s.Ignored = maps.Clone(s.Ignored) // for the observer
	w.emit(Progress{
		At: now, Status: s, Silent: now.Sub(w.heard), Drops: w.drops,
		Collected: !w.collected.IsZero(),
	})
}

// heardNews says that there was news up to now.
func (w *watcher) heardNews(now time.Time) { w.looked, w.news = now, true }

// quiet reports whether nothing has happened for a while.
func (w *watcher) quiet() bool { return w.silence.watching && !w.news }

// wake returns when to look at the time, unless there is news before; the zero
// time: never.
func (w *watcher) wake() time.Time {
	at := w.looked.Add(lookEvery)
	switch {
	case w.over:
		return time.Time{}
	case w.news:
		at = at.Add(lookEvery) // if there are no more reports
	case w.cfg.Ask == nil:
	case w.silence.watching:
		at = w.silence.since.Add(w.silence.wait)
	case w.listener.Place().Port == 0:
		at = w.looked.Add(searchLookEvery)
	}
	if wait := w.start.Add(max(0, w.cfg.Wait)); !w.present && wait.Before(at) {
		at = wait
	}
	for _, due := range []time.Time{
		w.idle.Add(silentAfter), // of checkRefused
		w.idle.Add(w.cfg.Timeout),
		w.heard.Add(w.cfg.Stall),
	} {
		if due.After(w.looked) && due.Before(at) {
			at = due
		}
	}
	return at
}

// giveUp returns an error when a give-up timer has run out.
func (w *watcher) giveUp(now time.Time) error {
	s := w.status
	if !w.present {
		absent := w.listener.Absent()
		if absent != nil && now.Sub(w.start) >= w.cfg.Wait {
			return absent
		}
		w.present = absent == nil
	}
	switch {
	case s.Needed == 0 && s.Listing: // it is heard what is sent
		w.idle = now
		return nil
	case s.Needed == 0 && w.cfg.Timeout > 0 && now.Sub(w.idle) >= w.cfg.Timeout:
		return &SilenceError{
			After: w.cfg.Timeout, Interfaces: w.listener.Place().Interfaces, Signed: w.signed,
			Search: w.listener.Why(), Instead: w.instead(s.Ignored),
		}
	case s.Needed == 0 && (s.Waiting == 0 || w.following): // no stream has begun, or not one to follow
		return nil
	case w.cfg.Stall == 0 || !w.collected.IsZero() || now.Sub(w.heard) < w.cfg.Stall:
		return nil
	case s.Needed == 0:
		return &StalledError{After: w.cfg.Stall, NoManifest: true, NoDigests: true, Instead: w.instead(s.Ignored)}
	}
	return &StalledError{After: w.cfg.Stall, Held: s.Held, Needed: s.Needed, NoDigests: s.Digests == 0 && s.Records == 0}
}

// countDrops updates drops. What overflows while the file is decoded and
// verified is nobody's loss.
func (w *watcher) countDrops() {
	if w.collected.IsZero() {
		w.drops = w.listener.Stats().KernelDrops
	}
}

// checkBuffer reports once that the own host, not the network, loses packets.
func (w *watcher) checkBuffer() {
	w.countDrops()
	if w.drops == 0 || w.ownDrops {
		return
	}
	w.ownDrops = true
	w.emit(OwnDrops{Drops: w.drops, Granted: w.granted(), Wanted: w.cfg.Listen.ReceiveBuffer})
}

// granted returns the size of the smallest receive buffer that was granted. Linux
// reads back twice that.
func (w *watcher) granted() int {
	n := w.listener.Stats().ReceiveBuffer
	if runtime.GOOS == "linux" {
		n /= 2
	}
	return n
}
