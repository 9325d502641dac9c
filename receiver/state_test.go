// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// statuses lists every combination, legal or not.
func statuses() (all []status) {
	for s := range groupStates {
		for c := range checkStates {
			for _, scanning := range []bool{false, true} {
				for _, verifiedOnly := range []bool{false, true} {
					all = append(all, status{s, c, scanning, verifiedOnly})
				}
			}
		}
	}
	return all
}

// documented returns the rows of the table as `go doc` prints them, each with
// the cells of its columns.
func documented(t *testing.T) (rows [][]string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "state.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var text string
	for _, d := range file.Decls {
		if d, ok := d.(*ast.GenDecl); ok && d.Tok == token.TYPE && d.Specs[0].(*ast.TypeSpec).Name.Name == "groupState" {
			text = d.Doc.Text()
		}
	}
	for line := range strings.Lines(text) {
		if row, ok := strings.CutPrefix(line, "\t"); ok {
			rows = append(rows, regexp.MustCompile("  +").Split(strings.TrimSpace(row), -1))
		}
	}
	return rows
}

// cells are the columns of a row but its event.
func (r *transition) cells() []string {
	list := func(names []string, all string) string {
		if len(names) == 0 {
			return all
		}
		return strings.Join(names, "|")
	}
	var from, check []string
	for _, s := range r.from {
		from = append(from, s.String())
	}
	for _, c := range r.check {
		check = append(check, c.String())
	}
	to, checks, scanning, only := "same", list(check, "any"), [...]string{"any", "no", "yes"}[r.scanning], "same"
	if r.to != sameState {
		to = r.to.String()
	}
	if r.checkTo != sameCheck {
		checks += " > " + r.checkTo.String()
	}
	if r.scanningTo != maybe {
		scanning += " > " + [...]string{"any", "no", "yes"}[r.scanningTo]
	}
	if r.verifiedOnly {
		only = "yes"
	}
	return []string{list(from, "any"), to, checks, scanning, only}
}

func TestTheTableOfTransitionsIsDocumented(t *testing.T) {
	// "The table lists each event with the states in which it may happen and the
	// state after it"
	want := [][]string{{"event", "from", "to", "check", "scanning", "verified only"}}
	for e := range events {
		want = append(want, append([]string{e.String()}, transitions[e].cells()...))
	}
	if got := documented(t); !slices.EqualFunc(got, want, slices.Equal) {
		for _, row := range want {
			t.Logf("%-14s  %-39s  %-10s  %-33s  %-9s  %s", row[0], row[1], row[2], row[3], row[4], row[5])
		}
		t.Errorf("the comment on groupState says\n%q\nand the code\n%q", got, want)
	}
}

func TestEveryTransitionOfTheTableAndNoOther(t *testing.T) {
	// "Everything else is an internal error."
	legal := 0
	rows := documented(t)[1:]
	for _, before := range statuses() {
		for e := range events {
			want, ok := byTheTable(t, rows[e], before)
			got := before
			refusal := refused(func() { got.apply(e) })
			switch {
			case !ok && !strings.HasPrefix(refusal, "receiver: internal error: "):
				t.Errorf("%v of a group that is %v: it becomes %v, want an internal error", e, before, got)
			case ok && (refusal != "" || got != want):
				t.Errorf("%v of a group that is %v: it becomes %v (%s), want %v", e, before, got, refusal, want)
			case !ok && got != before:
				t.Errorf("%v of a group that is %v was refused, and changed it to %v", e, before, got)
			case ok:
				legal++
			}
		}
	}
	if legal < 150 {
		t.Errorf("%d legal transitions only", legal)
	}
}

// byTheTable reads a row of the table: the status after its event, and whether it
// may happen.
func byTheTable(t *testing.T, row []string, s status) (after status, ok bool) {
	t.Helper()
	allows := func(cell, value string) (to string, ok bool) {
		from, to, changes := strings.Cut(cell, " > ")
		if !changes {
			to = value
		}
		return to, from == "any" || slices.Contains(strings.Split(from, "|"), value)
	}
	word := map[bool]string{false: "no", true: "yes"}
	_, inState := allows(row[1], s.state.String())
	check, inCheck := allows(row[3], s.check.String())
	scanning, inScan := allows(row[4], word[s.scanning])
	if row[2] != "same" {
		s.state = groupState(slices.Index(stateNames[:], row[2]))
	}
	s.check = checkState(slices.Index(checkNames[:], check))
	s.scanning = scanning == "yes"
	s.verifiedOnly = s.verifiedOnly || row[5] == "yes"
	return s, inState && inCheck && inScan
}

// refused returns what do panics with.
func refused(do func()) (message string) {
	defer func() {
		if r := recover(); r != nil {
			message = fmt.Sprint(r)
		}
	}()
	do()
	return ""
}

// possible returns every status that events lead to, from a group that nothing
// has happened to.
var possible = sync.OnceValue(func() map[status]bool {
	all := map[status]bool{}
	for next := []status{{}}; len(next) > 0; {
		s := next[0]
		next = next[1:]
		if all[s] {
			continue
		}
		all[s] = true
		for e := range events {
			if after, ok := s.after(e); ok {
				next = append(next, after)
			}
		}
	}
	return all
})

func TestCombinationsThatNeverHappen(t *testing.T) {
	possible := possible()
	for _, s := range statuses() {
		want := true
		switch s.state {
		case untouched:
			want = s.check == unchecked && !s.verifiedOnly
		case full, complete:
			want = !s.scanning
		case decoding:
			want = !s.scanning && s.check == unchecked
		case reencoding:
			want = !s.scanning && s.verifiedOnly
		}
		if possible[s] != want {
			t.Errorf("%v: possible %v, want %v", s, possible[s], want)
		}
	}
}

// CheckGroups returns the first group of the chosen object whose state
// contradicts what the comments on it promise, and which statuses there are, as
// text.
func CheckGroups(r *Receiver, seen map[string]bool) error {
	if r.object == nil {
		return nil
	}
	possible := possible()
	x := r.object.index
	for g := range x.groups {
		grp := &x.groups[g]
		seen[grp.status.String()] = true
		if !possible[grp.status] {
			return fmt.Errorf("group %d is %v", g, grp.status)
		}
		none := grp.state == untouched || grp.state == reencoding
		if none && (len(grp.parked) > 0 || grp.provisional > 0) || grp.state == complete && len(grp.parked) > 0 ||
			(grp.state == full || grp.state == decoding) && len(grp.parked) == 0 {
			return fmt.Errorf("group %d is %v, with %d parked and %d provisional shards", g, grp.status, len(grp.parked), grp.provisional)
		}
		if enough := int(grp.held) >= x.geo.K; enough != (grp.state == full || grp.state == decoding || grp.state == complete) {
			return fmt.Errorf("group %d is %v, with %d shards of %d", g, grp.status, grp.held, x.geo.K)
		}
	}
	return nil
}
