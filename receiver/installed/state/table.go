// SPDX-License-Identifier: GPL-2.0-or-later

package state

// A Condition decides between transitions of the same state and event.
type Condition uint8

const (
	Always       Condition = iota
	MustConfirm            // the attempt began with Rules.Confirm
	AttemptsLeft           // fewer attempts than Rules.Attempts have begun
	OnlyCuts               // every attempt was cut off, this one too
)

var conditionNames = []string{"", "to be confirmed", "attempts left", "all attempts were cut off"}

// String says it in words.
func (c Condition) String() string { return conditionNames[c] }

// holds reports whether the condition is met when e happens.
func (c Condition) holds(p Progress, e Event, rules Rules) bool {
	switch c {
	case MustConfirm:
		return p.Confirm
	case AttemptsLeft:
		return p.Attempts < rules.Attempts
	case OnlyCuts:
		return e == CutOff && p.Cut+1 == p.Attempts
	}
	return true
}

// A Transition is one line of the table.
type Transition struct {
	From State
	On   Event
	If   Condition
	To   State
}

// find returns the first transition that applies; nil: the event has no meaning.
func find(p Progress, e Event, rules Rules) *Transition {
	for i := range Table {
		t := &Table[i]
		if t.From == p.State && t.On == e && t.If.holds(p, e, rules) {
			return t
		}
	}
	return nil
}

// Table has all transitions. Of several with the same state and event, the first one
// applies whose condition is met. docs/installing.md shows it.
var Table = []Transition{
	{None, Arrives, Always, Received},
	{None, Recorded, Always, Installed},
	{None, Runs, Always, Confirmed},

	{Received, Arrives, Always, Received},
	{Received, Starts, Always, Installing},
	{Received, Recorded, Always, Installed},
	{Received, Runs, Always, Confirmed},
	{Received, Retries, Always, Received},

	{Installing, Succeeds, MustConfirm, Activated},
	{Installing, Succeeds, Always, Installed},
	{Installing, Defers, Always, Waiting},
	{Installing, Rejects, Always, Rejected},
	{Installing, Fails, AttemptsLeft, Received},
	{Installing, Fails, Always, Failed},
	{Installing, Passes, Always, Received},
	{Installing, CutOff, AttemptsLeft, Received},
	{Installing, CutOff, OnlyCuts, Received},
	{Installing, CutOff, Always, Failed},
	{Installing, Recorded, MustConfirm, Activated},
	{Installing, Recorded, Always, Installed},
	{Installing, Runs, Always, Confirmed},

	{Waiting, Arrives, Always, Received},
	{Waiting, Starts, Always, Installing},
	{Waiting, Recorded, Always, Installed},
	{Waiting, Runs, Always, Confirmed},
	{Waiting, Retries, Always, Received},

	{Installed, Arrives, Always, Received},
	{Installed, Succeeds, Always, Installed}, // after "iotupd installed", how the installer ends does not matter
	{Installed, Defers, Always, Installed},
	{Installed, Rejects, Always, Installed},
	{Installed, Fails, Always, Installed},
	{Installed, CutOff, Always, Installed},
	{Installed, Recorded, Always, Installed},
	{Installed, Confirms, Always, Confirmed},
	{Installed, Runs, Always, Confirmed},
	{Installed, RunsOlder, Always, RolledBack},

	{Activated, Arrives, Always, Received},
	{Activated, Succeeds, Always, Activated},
	{Activated, Defers, Always, Activated},
	{Activated, Rejects, Always, Activated},
	{Activated, Fails, Always, Activated},
	{Activated, CutOff, Always, Activated},
	{Activated, Recorded, Always, Activated},
	{Activated, Confirms, Always, Confirmed},
	{Activated, Runs, Always, Confirmed},
	{Activated, RunsOlder, Always, RolledBack},
	{Activated, Overdue, Always, RolledBack},

	{Confirmed, Arrives, Always, Received},
	{Confirmed, Recorded, Always, Confirmed},
	{Confirmed, Confirms, Always, Confirmed},
	{Confirmed, Runs, Always, Confirmed},
	{Confirmed, RunsOlder, Always, RolledBack},

	{RolledBack, Arrives, Always, Received},
	{RolledBack, Recorded, Always, Installed},
	{RolledBack, Confirms, Always, Confirmed},
	{RolledBack, Runs, Always, Confirmed},
	{RolledBack, RunsOlder, Always, RolledBack},
	{RolledBack, Retries, Always, Received},

	{Failed, Arrives, Always, Received},
	{Failed, Recorded, Always, Installed},
	{Failed, Runs, Always, Confirmed},
	{Failed, Retries, Always, Received},

	{Rejected, Arrives, Always, Received},
	{Rejected, Recorded, Always, Installed},
	{Rejected, Runs, Always, Confirmed},
	{Rejected, Retries, Always, Received},
}
