// SPDX-License-Identifier: GPL-2.0-or-later

package bench

import "iotupd/bench/stats"

// A Difference is what two results say about the same scheme at the same
// point. Where one of them has no such row, that is nil.
type Difference struct {
	Scheme, X, Loss string
	A, B            *Row

	Mean, P50, P90, P99 Change // of Row.Sent
	Received            Change // mean
}

// A Change is a figure in two results.
type Change struct {
	A, B Estimate

	// Ratio is B over A, zero if either is unknown or infinite.
	Ratio float64

	// Overlap reports whether the two intervals overlap: then the difference may
	// be chance. Intervals may overlap a little and still differ significantly.
	Overlap bool
}

// Compare sets the rows of two results side by side: the rows of a in their
// order, then the rows that only b has. Rows belong together that have the same
// scheme, value of the sweep and loss model. They point into a and b.
func Compare(a, b Result) []Difference {
	type name struct{ scheme, x, loss string }
	nameOf := func(r *Row) name { return name{r.Scheme, r.X, r.Loss} }
	inB := make(map[name]*Row)
	for i := range b.Rows {
		inB[nameOf(&b.Rows[i])] = &b.Rows[i]
	}
	var all []Difference
	seen := make(map[name]bool)
	for i := range a.Rows {
		r := &a.Rows[i]
		all = append(all, difference(r, inB[nameOf(r)]))
		seen[nameOf(r)] = true
	}
	for i := range b.Rows {
		if r := &b.Rows[i]; !seen[nameOf(r)] {
			all = append(all, difference(nil, r))
		}
	}
	return all
}

// difference compares two rows, of which one may be nil.
func difference(a, b *Row) Difference {
	r := a
	if r == nil {
		r = b
	}
	d := Difference{Scheme: r.Scheme, X: r.X, Loss: r.Loss, A: a, B: b}
	if a != nil && b != nil {
		d.Mean = change(a.Sent.Mean, b.Sent.Mean)
		d.P50 = change(a.Sent.P50, b.Sent.P50)
		d.P90 = change(a.Sent.P90, b.Sent.P90)
		d.P99 = change(a.Sent.P99, b.Sent.P99)
		d.Received = change(a.Received.Mean, b.Received.Mean)
	}
	return d
}

func change(a, b Estimate) Change {
	c := Change{A: a, B: b, Overlap: a.Low <= b.High && b.Low <= a.High}
	if a.Value > 0 && b.Value < never {
		c.Ratio = stats.Round(b.Value/a.Value, digits)
	}
	return c
}
