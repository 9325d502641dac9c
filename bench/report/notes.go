// SPDX-License-Identifier: GPL-2.0-or-later

package report

import (
	"slices"
	"strconv"
	"strings"

	"iotupd/bench"
)

// reference reports whether scheme is there to compare with, but no choice for
// a real network: there is no such code, or not in this program.
func reference(scheme string) bool {
	return strings.HasPrefix(scheme, "ideal") || strings.HasPrefix(scheme, "raptorq")
}

// notes says what the figures of the tables mean and what they rest on.
func (g grid) notes() []string {
	notes := []string{
		"Packets are DATA and PARITY sent from a receiver's join to its completion. The bound is K/(1-p): 1.000 is what an ideal code needs on average, the best without a back channel; who loses less than the mean may be below it.",
		g.basis(),
	}
	if fixed := g.fixed(); len(fixed) > 0 {
		notes = append(notes, "With "+strings.Join(fixed, ", ")+".")
	}
	return slices.Concat(notes, g.codes(), g.missing())
}

// n returns how many receivers are behind a figure.
func (g grid) n() string {
	least, greatest := g.receivers()
	if greatest > least {
		return count(uint64(least)) + " to " + count(uint64(greatest)) + " receivers"
	}
	return count(uint64(least)) + " receivers"
}

// basis says how the figures came about and how many receivers are behind them.
func (g grid) basis() string {
	n := g.n() + " behind every figure"
	if trials := g.trials(); trials != "" {
		n += " (" + trials + ")"
	}
	const confidence = "; ± reaches over the 95 % confidence interval, none where n is too small for one"
	seed := "; seed " + strconv.FormatUint(g.result.Seed, 10) + "."
	switch g.result.Mode {
	case "model":
		return "Exact model for independent loss, so there is no ±; the slowest is that of " + g.n() + "."
	case "net":
		return "Real processes over real sockets: " + n + confidence + seed
	}
	return "Simulation with the real sender and receiver: " + n + confidence + seed
}

// trials returns "20 trials of 50" if that holds for all rows.
func (g grid) trials() string {
	if len(g.result.Rows) == 0 {
		return ""
	}
	first := g.result.Rows[0]
	same := func(r bench.Row) bool { return r.Trials == first.Trials && r.Receivers == first.Receivers }
	for _, r := range g.result.Rows {
		if !same(r) {
			return ""
		}
	}
	if first.Trials < 2 {
		return ""
	}
	return strconv.Itoa(first.Trials) + " trials of " + count(uint64(first.Receivers))
}

// codes says what the schemes came to, where that is not their name.
func (g grid) codes() []string {
	var notes []string
	for _, scheme := range g.schemes {
		rows := g.of(scheme)
		first, last := rows[0], rows[len(rows)-1]
		switch {
		case first.Code == "" || first.Code == scheme && last.Code == scheme:
		case first.Code == last.Code:
			notes = append(notes, scheme+": "+first.Code+".")
		default:
			notes = append(notes, scheme+": "+first.Code+" at "+g.result.Parameter+" "+first.X+
				", "+last.Code+" at "+last.X+".")
		}
	}
	return notes
}

// missing tells of receivers that did not complete.
func (g grid) missing() []string {
	var places []string
	for _, r := range g.result.Rows {
		if total := int64(r.Trials) * int64(r.Receivers); int64(r.Completed) < total {
			where := r.Scheme
			if g.swept() {
				where += " at " + r.X
			}
			places = append(places, where+": "+count(uint64(r.Completed))+" of "+count(uint64(total)))
		}
	}
	if len(places) == 0 {
		return nil
	}
	const most = 8
	if more := len(places) - most; more > 0 {
		places = append(places[:most], strconv.Itoa(more)+" more")
	}
	return []string{"never: too few receivers completed before they were given up. Completed: " + strings.Join(places, ", ") + "."}
}
