// SPDX-License-Identifier: GPL-2.0-or-later

package report

import (
	"io"
	"strings"

	"iotupd/bench"
)

// Comparison writes what [bench.Compare] found as text for people, in lines of
// at most width columns like [Table]. The error is that of w.
func Comparison(w io.Writer, differences []bench.Difference, width int) error {
	b := block{title: "Packets sent until complete / bound, in both results",
		heads: []string{"mean A", "mean B", "B/A", "", "p99 A", "p99 B", "B/A", ""}}
	for _, d := range differences {
		b.names = append(b.names, strings.TrimSpace(d.Scheme+" "+d.X))
		switch {
		case d.A == nil:
			b.rows = append(b.rows, append(make([]entry, 3), entry{text: "only in B"}, entry{}, entry{}, entry{}, entry{}))
		case d.B == nil:
			b.rows = append(b.rows, append(make([]entry, 3), entry{text: "only in A"}, entry{}, entry{}, entry{}, entry{}))
		default:
			mean := changeEntries(d.Mean, of(d.A.Sent, d.Mean.A), of(d.B.Sent, d.Mean.B))
			p99 := changeEntries(d.P99, of(d.A.Sent, d.P99.A), of(d.B.Sent, d.P99.B))
			b.rows = append(b.rows, append(mean, p99...))
		}
	}
	var out strings.Builder
	b.appendText(&out, positiveWidth(width))
	_, err := io.WriteString(w, out.String())
	return err
}

// changeEntries returns the figures a and b of c, their ratio and what that is
// worth.
func changeEntries(c bench.Change, a, b figure) []entry {
	line := []entry{a.entry(ratio), b.entry(ratio), {text: "–"}, {}}
	if c.Ratio > 0 {
		line[2].text = decimals(c.Ratio, 3)
	}
	switch {
	case a.unknown || b.unknown:
	case c.A == c.B:
		line[3].text = "same"
	case c.Overlap:
		line[3].text = "chance?"
	case a.value > b.value:
		line[3].text = "less"
	default:
		line[3].text = "more"
	}
	return line
}
