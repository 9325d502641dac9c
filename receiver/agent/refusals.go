// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"cmp"
	"time"

	"iotupd/internal/reason"
	"iotupd/proto"
	"iotupd/proto/seal"
	"iotupd/receiver"
)

// aFewPackets may be forged, or the last ones of another transfer, and do not
// cause a warning.
const aFewPackets = 20

// Refusals are what is sent and not received.
type refusals struct {
	warned map[proto.Reason]bool // reasons that were reported
	others []string              // files that are not the wanted one

	choice  bool             // an AlsoSent.Choice was reported
	version receiver.Refused // another file of the name of the one that is received
	foreign uint64           // packets of other objects when that one was last heard
}

// refused reports an object that is not received.
func (w *watcher) refused(e receiver.Refused) {
	w.checkComponent(e)
	if w.following && e.Why == receiver.ReasonRollback {
		w.warned[e.Why] = true // what is installed may well be sent
		e.Why = receiver.ReasonOtherObject
	} else if e.Why == receiver.ReasonOtherObject && len(w.others) < maxOthers {
		w.others = append(w.others, cmp.Or(e.Name, "object "+e.Object.Short()+"..."))
	}
	if reason.Of(e.Why).File != "" {
		rejected := Rejected{Reason: e.Why, Object: e.Object, Name: e.Name}
		if e.Memory > 0 {
			rejected.Memory = MemoryFor(e.Memory)
		}
		w.reject(rejected)
		return
	}
	also := AlsoSent{Object: e.Object, Name: e.Name, Size: e.Size, Choice: w.undecided() && !w.choice}
	w.choice = w.choice || also.Choice
	w.emit(also)
	if w.name != "" && e.Name == w.name {
		w.version = e
	}
}

// checkComponent reports once that releases of another component are sent than the one that
// a follower keeps to that was not given any.
func (w *watcher) checkComponent(e receiver.Refused) {
	if !w.keeps || *w.warnedFor || w.kept == nil || e.Why != receiver.ReasonOtherObject || e.Component == *w.kept {
		return
	}
	*w.warnedFor = true
	w.emit(OtherComponent{Kept: *w.kept, Component: e.Component, Object: e.Object, Name: e.Name})
}

// undecided reports whether any file would do, and one is being received.
func (w *watcher) undecided() bool {
	c := w.cfg
	return w.status.Needed > 0 && !w.signed && c.Object == (proto.ObjectID{}) && c.SHA256 == ([32]byte{}) && c.Name == nil
}

// checkVersion reports that another version of the file is sent now.
func (w *watcher) checkVersion(now time.Time) {
	others := w.status.Ignored[receiver.ReasonOtherObject]
	switch {
	case w.heard.Equal(now) || w.status.Needed == 0:
		w.foreign = others
	case w.version.Name != "" && now.Sub(w.heard) >= silentAfter && others >= w.foreign+aFewPackets && w.collected.IsZero():
		w.warned[receiver.ReasonOtherObject] = true
		w.emit(OtherVersion{Object: w.version.Object, Name: w.version.Name, Size: w.version.Size})
		w.version = receiver.Refused{}
	}
}

// checkRefused reports packets that are ignored before it is known what object
// they are of, or because it is another one, as long as nothing better is heard.
func (w *watcher) checkRefused(now time.Time) {
	if w.status.Needed > 0 {
		return
	}
	for _, r := range []proto.Reason{receiver.ReasonTooLarge, receiver.ReasonManifest, seal.ReasonSeal, receiver.ReasonSealed, receiver.ReasonUnsealed} {
		if w.isNews(r) {
			w.reject(Rejected{Reason: r})
		}
	}
	// The wanted one may be about to show itself, and a follower waits for it.
	if !w.following && now.Sub(w.idle) >= silentAfter && w.isNews(receiver.ReasonOtherObject) {
		w.warned[receiver.ReasonOtherObject] = true
		w.emit(OnlyOthers{Instead{Reason: receiver.ReasonOtherObject, Others: w.others, More: len(w.others) == maxOthers}})
	}
}

// isNews reports whether it is time for the one report of a reason.
func (w *watcher) isNews(r proto.Reason) bool {
	return w.status.Ignored[r] >= aFewPackets && !w.warned[r]
}

func (w *watcher) reject(e Rejected) {
	w.warned[e.Reason] = true
	w.emit(e)
}

// rejected counts the packets that a report explains.
func (w *watcher) rejected() (n uint64) {
	for why := range w.warned {
		n += w.status.Ignored[why]
	}
	return n
}
