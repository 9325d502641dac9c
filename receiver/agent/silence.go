// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"fmt"
	"maps"
	"time"

	"iotupd/internal/diagnose"
	"iotupd/internal/quantity"
	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/receiver/multicast"
)

const (
	// silentAfter is how long nothing may arrive before that is explained.
	silentAfter = 5 * time.Second
	// silentAgain is how long until it is explained again.
	silentAgain = 30 * time.Second
	// rejoinEvery is the number of explanations between two times that the
	// multicast groups are joined again: two minutes, as between the queries of a
	// querier.
	rejoinEvery = 4
)

// A silence is the time when nothing arrives that is of use, or that a report has
// explained. It is explained by what the kernel counted meanwhile.
type silence struct {
	since     time.Time // packets were last seen to arrive, or the last explanation
	wait      time.Duration
	alive     uint64 // packets that had arrived then
	explained int    // times, in this silence

	watching bool // before, rejects and drops are of the start of this silence
	before   diagnose.Snapshot
	rejects  map[proto.Reason]uint64
	drops    uint64
}

// snapshot notes the counters at the start of a silence. Those that cannot be read
// give less to explain, and that is all.
func (w *watcher) snapshot() {
	s := &w.silence
	s.watching = true
	s.before, _ = diagnose.Read()
	s.rejects, s.drops = maps.Clone(w.status.Ignored), w.listener.Stats().KernelDrops
}

// explain says what is going on and its likely causes, if it has been silent for
// long enough.
func (w *watcher) explain(now time.Time) (e Silent, silent bool) {
	s := &w.silence
	place := w.listener.Place()
	// A search that has found nobody says so itself.
	alive := w.useful + w.rejected()
	if s := &w.status; s.Totals.Objects > 0 {
		alive += s.Ignored[receiver.ReasonNotNeeded] // of files that are complete, among others
	}
	if alive != s.alive || !w.collected.IsZero() || place.Port == 0 || w.level < 0 {
		s.alive, s.since, s.wait, s.explained, s.watching = alive, now, silentAfter, 0, false
		return e, false
	}
	if !s.watching {
		w.snapshot()
	}
	if now.Sub(s.since) < s.wait {
		return e, false
	}
	after, _ := diagnose.Read()
	causes := diagnose.Explain(s.before, after, diagnose.Listening{
		Interfaces: place.Interfaces,
		Named:      w.cfg.Listen.Interfaces,
		Groups:     place.Groups,
		Failed:     w.failed(place),
		Sources:    place.Sources,
		Port:       place.Port,
		Interval:   now.Sub(s.since),
		Heard:      w.useful > 0,
		Joined:     now.Sub(w.start),
		Drops:      w.listener.Stats().KernelDrops - s.drops,
		Buffer:     quantity.Size(w.granted()), BufferWanted: quantity.Size(w.cfg.Listen.ReceiveBuffer),
		Rejected: rise(w.status.Ignored, s.rejects),
	})
	if s.explained%rejoinEvery == 0 {
		// A switch, or a sender that waits for listeners, may have missed or forgotten
		// us. What fails is tried again with the next look at the interfaces.
		w.listener.Rejoin()
	}
	s.since, s.wait, s.explained = now, silentAgain, s.explained+1
	w.snapshot()
	e = Silent{For: now.Sub(w.heard), Place: place}
	for _, f := range causes {
		e.Causes = append(e.Causes, Cause(f))
	}
	return e, true
}

// failed returns why no group is joined, if something was tried and one is not.
func (w *watcher) failed(place multicast.Place) error {
	if len(place.Interfaces) > 0 {
		return nil
	}
	for _, m := range w.listener.Memberships() {
		if m.Err != nil {
			return fmt.Errorf("%s: %w", m.Interface, m.Err)
		}
	}
	return nil
}

// rise returns what counters have grown by.
func rise(now, before map[proto.Reason]uint64) map[proto.Reason]uint64 {
	grown := make(map[proto.Reason]uint64)
	for key, n := range now {
		if n > before[key] {
			grown[key] = n - before[key]
		}
	}
	return grown
}
