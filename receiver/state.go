// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"fmt"
	"slices"
)

// A groupState is how far a group has come. It changes by events alone. The
// table lists each event with the states in which it may happen and the state
// after it ("same": it does not change the state). The last three columns are
// its conditions on the other fields of a [status], and its changes of them.
// Everything else is an internal error.
//
//	event           from                                     to          check                              scanning   verified only
//	opened          untouched                                receiving   unchecked                          any        same
//	emptyFile       untouched                                complete    unchecked                          no         same
//	gathered        receiving                                complete    any                                no         same
//	filled          receiving                                full        any                                no         same
//	decodeStarted   full                                     decoding    unchecked                          no         same
//	decodeDone      decoding                                 complete    unchecked                          no         same
//	decodeForged    decoding                                 receiving   unchecked                          no         yes
//	forgedDropped   receiving|full                           receiving   any                                any        same
//	invalidated     complete                                 receiving   any                                no         yes
//	parityLost      complete                                 reencoding  any                                no         yes
//	reencodeDone    reencoding                               receiving   any                                no         same
//	checkWanted     receiving|full|complete                  same        unchecked > checkQueued            any        same
//	checkStarted    receiving|full|complete|reencoding       same        checkQueued > checking             any        same
//	leavesCame      receiving|full|complete                  same        checking > checkAgain              any        same
//	checkDone       receiving|full|complete|reencoding       same        checking|checkAgain > unchecked    any        same
//	scanStarted     untouched|receiving                      same        any                                no > yes   same
//	scanDone        untouched|receiving                      same        any                                yes > no   same
type groupState uint8

const (
	untouched  groupState = iota // nothing is stored yet; the other fields of the group are not set up
	receiving                    // takes shards, unless it is scanned
	full                         // K shards are held, some of them parity: waits for its decoding
	decoding                     // by a job
	complete                     // all data shards are in their places
	reencoding                   // was decoded from forged shards: takes nothing until its parity was made again
	groupStates

	sameState = groupStates
)

// A checkState says whether the provisional shards of a group are about to be
// compared with their leaves.
type checkState uint8

const (
	unchecked   checkState = iota // or nothing new to compare with
	checkQueued                   // a job will do it
	checking                      // a job is doing it
	checkAgain                    // a job is doing it; meanwhile more leaves came
	checkStates

	sameCheck = checkStates
)

// A status is all that decides what may be done with a group.
type status struct {
	state        groupState
	check        checkState
	scanning     bool // its places are, or will be, compared with bytes already on disk: it takes no packets
	verifiedOnly bool // it takes only shards whose leaf is known: unverified ones were forged
}

// An event is what changes the status of a group.
type event uint8

const (
	opened        event = iota // the group is used for the first time
	emptyFile                  // there is nothing to receive
	gathered                   // K data shards are held
	filled                     // K shards are held, some of them parity
	decodeStarted              // a job decodes it
	decodeDone                 // its data shards are in their places
	decodeForged               // a rebuilt shard is not what its leaf says
	forgedDropped              // forged shards were dropped before they were used
	invalidated                // forged shards were found in it, which were not used to rebuild others
	parityLost                 // forged shards were found in it, and its parity has to be made again
	reencodeDone               // its verified parity is back
	checkWanted                // leaves of provisional shards are known
	checkStarted               // a job compares them
	leavesCame                 // more became known meanwhile
	checkDone                  // the job has ended
	scanStarted                // its places are compared with bytes already on disk
	scanDone                   // they have been
	events
)

// A transition is a row of the table of [groupState].
type transition struct {
	from []groupState // empty: any
	to   groupState   // or sameState

	check   []checkState // empty: any
	checkTo checkState   // or sameCheck

	scanning, scanningTo answer // whether it is scanned; maybe: any, the same
	verifiedOnly         bool   // it takes only verified shards from then on
}

// An answer is yes, no, or either.
type answer uint8

const (
	maybe answer = iota
	no
	yes
)

func (a answer) allows(b bool) bool { return a == maybe || (a == yes) == b }

// transitions has a row for every event.
var transitions = [events]transition{
	opened:        {from: []groupState{untouched}, to: receiving, check: []checkState{unchecked}, checkTo: sameCheck},
	emptyFile:     {from: []groupState{untouched}, to: complete, check: []checkState{unchecked}, checkTo: sameCheck, scanning: no},
	gathered:      {from: []groupState{receiving}, to: complete, checkTo: sameCheck, scanning: no},
	filled:        {from: []groupState{receiving}, to: full, checkTo: sameCheck, scanning: no},
	decodeStarted: {from: []groupState{full}, to: decoding, check: []checkState{unchecked}, checkTo: sameCheck, scanning: no},
	decodeDone:    {from: []groupState{decoding}, to: complete, check: []checkState{unchecked}, checkTo: sameCheck, scanning: no},
	decodeForged:  {from: []groupState{decoding}, to: receiving, check: []checkState{unchecked}, checkTo: sameCheck, scanning: no, verifiedOnly: true},
	forgedDropped: {from: []groupState{receiving, full}, to: receiving, checkTo: sameCheck},
	invalidated:   {from: []groupState{complete}, to: receiving, checkTo: sameCheck, scanning: no, verifiedOnly: true},
	parityLost:    {from: []groupState{complete}, to: reencoding, checkTo: sameCheck, scanning: no, verifiedOnly: true},
	reencodeDone:  {from: []groupState{reencoding}, to: receiving, checkTo: sameCheck, scanning: no},

	checkWanted:  {from: []groupState{receiving, full, complete}, to: sameState, check: []checkState{unchecked}, checkTo: checkQueued},
	checkStarted: {from: []groupState{receiving, full, complete, reencoding}, to: sameState, check: []checkState{checkQueued}, checkTo: checking},
	leavesCame:   {from: []groupState{receiving, full, complete}, to: sameState, check: []checkState{checking}, checkTo: checkAgain},
	checkDone:    {from: []groupState{receiving, full, complete, reencoding}, to: sameState, check: []checkState{checking, checkAgain}, checkTo: unchecked},

	scanStarted: {from: []groupState{untouched, receiving}, to: sameState, checkTo: sameCheck, scanning: no, scanningTo: yes},
	scanDone:    {from: []groupState{untouched, receiving}, to: sameState, checkTo: sameCheck, scanning: yes, scanningTo: no},
}

// after returns the status after an event, and whether it may happen.
func (s status) after(e event) (status, bool) {
	t := &transitions[e]
	if len(t.from) > 0 && !slices.Contains(t.from, s.state) || len(t.check) > 0 && !slices.Contains(t.check, s.check) || !t.scanning.allows(s.scanning) {
		return s, false
	}
	if t.to != sameState {
		s.state = t.to
	}
	if t.checkTo != sameCheck {
		s.check = t.checkTo
	}
	if t.scanningTo != maybe {
		s.scanning = t.scanningTo == yes
	}
	s.verifiedOnly = s.verifiedOnly || t.verifiedOnly
	return s, true
}

// apply changes a status by an event.
func (s *status) apply(e event) {
	after, ok := s.after(e)
	if !ok {
		panic(fmt.Sprintf("receiver: internal error: %v of a group that is %v", e, *s))
	}
	*s = after
}

var (
	stateNames = [groupStates]string{"untouched", "receiving", "full", "decoding", "complete", "reencoding"}
	checkNames = [checkStates]string{"unchecked", "checkQueued", "checking", "checkAgain"}
	eventNames = [events]string{
		"opened", "emptyFile", "gathered", "filled", "decodeStarted", "decodeDone", "decodeForged", "forgedDropped", "invalidated",
		"parityLost", "reencodeDone", "checkWanted", "checkStarted", "leavesCame", "checkDone", "scanStarted", "scanDone",
	}
)

func (s groupState) String() string { return stateNames[s] }
func (c checkState) String() string { return checkNames[c] }
func (e event) String() string      { return eventNames[e] }

func (s status) String() string {
	text := s.state.String() + ", " + s.check.String()
	if s.scanning {
		text += ", scanning"
	}
	if s.verifiedOnly {
		text += ", verified only"
	}
	return text
}
