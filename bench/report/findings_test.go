// SPDX-License-Identifier: GPL-2.0-or-later

package report

import (
	"bytes"
	"io"
	"slices"
	"testing"

	"iotupd/bench"
)

// The findings are what a reader would take from the table.
func TestFindings(t *testing.T) {
	tie := senderSweep()
	tie.Parameter = "loss"
	for i := range 3 {
		tie.Rows[6+i].Sent.Mean = tie.Rows[i].Sent.Mean
	}
	unknown := bench.Result{Mode: "sim", Rows: []bench.Row{{Scheme: "auto"}}}
	for _, c := range []struct {
		name   string
		result bench.Result
		want   []string
	}{
		{"loss", lossSweep(), []string{
			"From loss 1% to 90%, auto needs the fewest packets: 1.002 to 1.340 times the bound on average.",
			"The plain loop sends 2.8 to 8.1 times as many packets as that.",
			"On average within 10 % of the bound, of the points measured: loop nowhere, gf8:128+128 up to 10%, gf8:192+64 up to 10%, gf16:1009+1009 up to 50% and auto up to 50%.",
			"The slowest of 1,000 receivers needs 1.004 to 1.714 times the bound with auto.",
			"never: too few receivers completed before they were given up, after 50 times their own bound and 100,000 packets. Completed: loop at 90%: 970 of 1,000.",
		}},
		{"a tie", tie, []string{
			"From loss 1 to 6, auto needs the fewest packets: 1.002 to 1.010 times the bound on average; not measurably worse: loop at 1, 2 and 3.",
			"The plain loop sends 1.0 to 4.4 times as many packets as that.",
			"On average within 10 % of the bound, of the points measured: auto everywhere and loop up to 3.",
			"The slowest of 200 receivers needs 1.004 to 1.021 times the bound with auto.",
		}},
		{"senders", senderSweep(), []string{
			"From senders 1 to 6, auto needs the fewest packets: 1.002 to 1.010 times the bound on average.",
			"The plain loop sends 3.7 to 4.4 times as many packets as that.",
			"The slowest of 200 receivers needs 1.004 to 1.021 times the bound with auto.",
			"Times as fast with 6 senders as with 1: auto 5.95 and loop 5.05.",
		}},
		{"net", oneNet(), []string{
			"auto needs the fewest packets: 1.004 times the bound on average.",
			"The plain loop sends 3.9 times as many packets as that.",
			"The slowest of 4 receivers needs 1.008 times the bound with auto.",
			"Up to 2,408 packets of a row were dropped by the receivers' own hosts, so that the loss was higher than asked for: a lower rate or larger socket buffers avoid that.",
		}},
		{"nothing known", unknown, nil},
	} {
		if got := newGrid(c.result).findings(); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q\nwant %q", c.name, got, c.want)
		}
	}
}

// The page holds the findings, every plot and every table.
func TestPageIsComplete(t *testing.T) {
	r := lossSweep()
	page := written(t, func(w io.Writer) error { return HTML(w, r, provenance) })
	g := newGrid(r)
	var want []string
	want = append(want, g.findings()...)
	for _, p := range Plots(r) {
		want = append(want, p.Title)
	}
	for _, b := range g.full() {
		want = append(want, b.title)
	}
	for _, f := range fields() {
		want = append(want, f.name)
	}
	for _, text := range want {
		if !bytes.Contains(page, []byte(escape(text))) {
			t.Errorf("%q is not on the page", text)
		}
	}
}
