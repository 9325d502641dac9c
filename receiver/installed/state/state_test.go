// SPDX-License-Identifier: GPL-2.0-or-later

package state

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"
)

var three = Rules{Attempts: 3, Pause: time.Minute}

// at is a moment of the first boot, later one of the second.
func at(uptime time.Duration) Moment    { return Moment{"one", uptime} }
func later(uptime time.Duration) Moment { return Moment{"two", uptime} }

// progressFor returns a progress in which only the given transition applies.
func progressFor(t Transition) Progress {
	p := Progress{State: t.From, At: at(0), Attempts: 1, Why: "before"}
	switch t.If {
	case MustConfirm:
		p.Confirm = true
	case OnlyCuts:
		p.Attempts, p.Cut = 3, 2
	case Always:
		p.Attempts, p.Cut = 3, 0
	}
	return p
}

func TestEveryTransitionOfTheTable(t *testing.T) {
	for _, row := range Table {
		p := progressFor(row)
		next, ok := p.After(row.On, at(time.Second), three)
		if !ok || next.State != row.To {
			t.Errorf("%v, %v, %v: got %v, %t, want %v", row.From, row.On, row.If, next.State, ok, row.To)
		}
		if next.State != p.State && (next.At != at(time.Second) || next.Why != "") {
			t.Errorf("%v, %v: got %+v, want the new moment and no reason", row.From, row.On, next)
		}
	}
}

// What is not in the table changes nothing.
func TestAllOtherEventsHaveNoMeaning(t *testing.T) {
	known := make(map[string]bool)
	for _, row := range Table {
		known[fmt.Sprint(row.From, row.On)] = true
	}
	n := 0
	for _, s := range States() {
		for _, e := range Events() {
			p := Progress{State: s, Attempts: 1, Why: "before"}
			if next, ok := p.After(e, at(1), three); !known[fmt.Sprint(s, e)] {
				n++
				if ok || next != p {
					t.Errorf("%v, %v: got %+v, %t", s, e, next, ok)
				}
			}
		}
	}
	if n == 0 || n+len(known) != len(States())*len(Events()) {
		t.Errorf("%d pairs without meaning and %d with one", n, len(known))
	}
}

func TestATransitionWithoutConditionIsTheLastOfItsKind(t *testing.T) {
	closed := make(map[string]bool)
	for _, row := range Table {
		kind := fmt.Sprint(row.From, row.On)
		if closed[kind] {
			t.Errorf("%v, %v, %v can never apply", row.From, row.On, row.If)
		}
		closed[kind] = row.If == Always
	}
	for kind, ok := range closed {
		if !ok {
			t.Errorf("%s may have no transition", kind)
		}
	}
}

// run returns the progress after events, one a second.
func run(t *testing.T, rules Rules, events ...Event) (p Progress) {
	t.Helper()
	for i, e := range events {
		var ok bool
		if p, ok = p.After(e, at(time.Duration(i)*time.Second), rules); !ok {
			t.Fatalf("%v has no meaning in %v", e, p.State)
		}
	}
	return p
}

func TestAttemptsAreBounded(t *testing.T) {
	p := run(t, three, Arrives, Starts, Fails, Starts, Defers, Starts, Fails, Starts, Fails)
	if p.State != Failed || p.Attempts != 3 {
		t.Errorf("got %+v, want three attempts, of which none is the one that was deferred", p)
	}
	p = run(t, three, Arrives, Starts, CutOff, Starts, Fails, Starts, CutOff)
	if p.State != Failed || p.Cut != 2 {
		t.Errorf("got %+v, want that attempts that were cut off count", p)
	}
	p = run(t, three, Arrives, Starts, Fails, Starts, Fails, Arrives)
	if p.State != Received || p.Attempts != 2 {
		t.Errorf("got %+v, want that a file which is received again does not start the count again", p)
	}
	p = run(t, three, Arrives, Starts, Fails, Starts, Fails, Starts, Fails, Retries)
	if p.State != Received || p.Attempts != 0 {
		t.Errorf("got %+v, want that it starts again by hand", p)
	}
}

// A hook that reboots in its middle makes no loop of reboots.
func TestIfAllAttemptsAreCutOffThereIsOneMoreEvery24HoursOfUptime(t *testing.T) {
	p := run(t, three, Arrives, Starts, CutOff, Starts, CutOff, Starts, CutOff)
	if p.State != Received {
		t.Fatalf("got %+v, want that it stays pending", p)
	}
	for _, start := range []bool{false, true} {
		if wait, ok := p.Due(later(time.Hour), three, start); !ok || wait != 23*time.Hour {
			t.Errorf("an hour after the boot: got %v, %t, want 23 h", wait, ok)
		}
		if wait, ok := p.Due(at(p.At.Uptime+time.Hour), three, start); !ok || wait != 23*time.Hour {
			t.Errorf("an hour after the attempt: got %v, %t, want 23 h", wait, ok)
		}
		if wait, ok := p.Due(later(25*time.Hour), three, start); !ok || wait != 0 {
			t.Errorf("got %v, %t, want one now", wait, ok)
		}
	}
	p, _ = p.After(Starts, later(25*time.Hour), three)
	if again, _ := p.After(CutOff, later(26*time.Hour), three); again.State != Received {
		t.Errorf("got %+v, want one more after another day", again)
	}
	if failed, _ := p.After(Fails, later(26*time.Hour), three); failed.State != Failed {
		t.Errorf("got %+v, want that it has failed, since an attempt ended by itself", failed)
	}
}

// "monotonic within a boot, the first retry comes at once at start"
func TestPausesBetweenAttempts(t *testing.T) {
	rules := Rules{Attempts: 9, Pause: time.Minute}
	p := run(t, rules, Arrives)
	if wait, ok := p.Due(at(time.Hour), rules, false); !ok || wait != 0 {
		t.Errorf("got %v, %t, want the first attempt at once", wait, ok)
	}
	before := time.Duration(0)
	for _, want := range []time.Duration{1, 4, 16, 60, 60} {
		p, _ = p.After(Starts, at(before), rules)
		p, _ = p.After(Fails, at(before), rules)
		if wait, ok := p.Due(at(before+time.Second), rules, false); !ok || wait != want*time.Minute-time.Second {
			t.Errorf("after %d attempts: got %v, %t, want %v min less a second", p.Attempts, wait, ok, want)
		}
		for what, now := range map[string]Moment{"in another boot": later(before), "in one whose id is not known": {Uptime: before}} {
			if wait, ok := p.Due(now, rules, false); !ok || wait != 0 {
				t.Errorf("%s: got %v, %t, want at once", what, wait, ok)
			}
		}
		if wait, ok := p.Due(at(before), rules, true); !ok || wait != 0 {
			t.Errorf("at the start: got %v, %t, want at once", wait, ok)
		}
		before += 2 * time.Hour
	}
	p, _ = p.After(Starts, at(before), rules)
	p, _ = p.After(Defers, at(before), rules)
	if wait, ok := p.Due(at(before), rules, false); !ok || wait != 5*time.Minute {
		t.Errorf("waiting: got %v, %t", wait, ok)
	}
}

func TestARelaseThatNobodyConfirmsIsOverdue(t *testing.T) {
	rules := Rules{Attempts: 3, Confirm: true, ConfirmTimeout: time.Hour}
	p := run(t, rules, Arrives, Starts, Succeeds)
	if p.State != Activated {
		t.Fatalf("got %+v", p)
	}
	if wait, ok := p.Due(at(10*time.Minute+p.At.Uptime), rules, true); !ok || wait != 50*time.Minute {
		t.Errorf("got %v, %t", wait, ok)
	}
	if wait, ok := p.Due(later(10*time.Minute), rules, true); !ok || wait != 50*time.Minute {
		t.Errorf("after a boot: got %v, %t", wait, ok)
	}
	if _, ok := p.Due(at(time.Hour), Rules{Attempts: 3}, true); ok {
		t.Error("without a time it is overdue")
	}
}

// What the installer records itself counts, however it ends.
func TestWhatTheInstallerRecordsCounts(t *testing.T) {
	for _, end := range []Event{Succeeds, Defers, Rejects, Fails, CutOff} {
		if p := run(t, three, Arrives, Starts, Recorded, end); p.State != Installed {
			t.Errorf("%v: got %v", end, p.State)
		}
		confirm := Rules{Attempts: 3, Confirm: true}
		if p := run(t, confirm, Arrives, Starts, Recorded, end); p.State != Activated {
			t.Errorf("%v: got %v, want that it has to be confirmed", end, p.State)
		}
	}
}

// However events come, no more attempts begin than are allowed, unless all were cut off.
func TestNoWalkHasMoreAttemptsThanAllowed(t *testing.T) {
	const seed = 1
	rng := rand.New(rand.NewPCG(seed, 2))
	for range 2000 {
		p := run(t, three, Arrives)
		now := time.Duration(0)
		for range 30 {
			e := Events()[rng.IntN(len(Events()))]
			if wait, due := p.Due(at(now), three, true); e == Starts && (!due || wait > 0) {
				continue
			}
			if e == Retries || e == Arrives {
				continue
			}
			now += time.Hour
			p, _ = p.After(e, at(now), three)
			if p.Attempts > 3 && p.State == Installing && p.Cut < p.Attempts-1 {
				t.Fatalf("got %+v", p)
			}
		}
	}
}

func TestNamesOfStates(t *testing.T) {
	for _, s := range States() {
		if got, ok := Parse(s.String()); !ok || got != s {
			t.Errorf("%v: got %v, %t", s, got, ok)
		}
	}
	if _, ok := Parse("running"); ok {
		t.Error("got a state that does not exist")
	}
}

// The documents have the table of the program.
func TestTheDocumentsHaveTheTable(t *testing.T) {
	page, err := os.ReadFile("../../../docs/installing.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := Markdown(); !strings.Contains(string(page), want) {
		t.Errorf("docs/installing.md does not have this table:\n%s", want)
	}
}
