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
		"Packets are DATA and PARITY sent from a receiver's join to its completion. The bound is K/(1-p): 1.000 is what an ideal code needs on average, the best without a return channel; who loses less than the mean may be below it. That is exact for independent loss, p being the mean of a receiver's own links.",
		g.basis(),
	}
	if fixed := g.fixed(); len(fixed) > 0 {
		notes = append(notes, "With "+strings.Join(fixed, ", ")+".")
	}
	if g.layered() {
		return append(notes, g.layersNotes()...)
	}
	if g.polluted() {
		return append(notes, g.pollutionNotes()...)
	}
	if g.mixed() {
		return slices.Concat(notes, g.setNotes(), g.missing())
	}
	return slices.Concat(notes, g.caveats(), g.codes(), g.missing())
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
	const confidence = "; ± reaches over the 95 % confidence interval, ±? where n is too small for one, none where all are alike, nor for the slowest and times"
	seed := "; seed " + strconv.FormatUint(g.result.Seed, 10) + "."
	switch g.result.Mode {
	case "model":
		return "Exact model for independent loss, so there is no ±, without manifests and without the late-join wait of up to G-1 packets; the slowest is that of " + g.n() + "."
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

// caveats says what else the figures hold, and what they do not.
func (g grid) caveats() []string {
	anyRow := func(is func(bench.Row) bool) bool { return slices.ContainsFunc(g.result.Rows, is) }
	var notes []string
	note := func(when bool, text string) {
		if when {
			notes = append(notes, text)
		}
	}
	mode := g.result.Mode
	note(mode != "model", "A receiver also waits for a manifest, sent every 256 packets at the latest, which counts with small files; fountains do not.")
	note(mode != "model" && anyRow(func(r bench.Row) bool { return reference(r.Scheme) }),
		"ideal and raptorq only count packets, over the same losses: they are not the real sender.")
	note(anyRow(func(r bench.Row) bool { return !independent(r.Loss) }), "With bursts or traces compare with the row ideal, not with 1.000.")
	note(anyRow(func(r bench.Row) bool { return strings.Contains(r.Loss, "trace:") }),
		"Receivers repeat one trace from random places: ± covers the place only.")
	note(mode == "net" && slices.Contains(g.result.Parameters, "join=random"),
		"The receivers of a trial join at the same place of the loop, so one trial has no ±, and with few trials it is too narrow.")
	note(anyRow(func(r bench.Row) bool { return r.Measured != nil }),
		"Measured: encode is the file over the time in which a sender prepares it, decode the file over the time from the last packet that was needed to the renamed file, where something was rebuilt; n is the processes of all trials: "+g.n()+", and the senders. CPU times are means, peaks the highest.")
	return notes
}

// independent reports whether a model of loss loses packets independently of
// each other, for each receiver.
func independent(loss string) bool {
	if loss == "" {
		return true
	}
	parts, mixed := strings.CutPrefix(loss, "mix:")
	if !mixed {
		return loss == "none" || strings.HasPrefix(loss, "bernoulli:")
	}
	for part := range strings.SplitSeq(parts, "+") {
		if _, model, _ := strings.Cut(part, "*"); !independent(model) {
			return false
		}
	}
	return true
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

// missing reports receivers that did not complete.
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
	limit := "50 times their own bound and 100,000 packets"
	if g.result.Mode == "net" {
		limit = "the time limit of a trial"
	}
	return []string{"never: too few receivers completed before they were given up, after " + limit + ". Completed: " + strings.Join(places, ", ") + "."}
}
