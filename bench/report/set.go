// SPDX-License-Identifier: GPL-2.0-or-later

package report

import (
	"slices"

	"iotupd/bench"
)

// mixed reports whether g is of a [bench.Set].
func (g grid) mixed() bool {
	return slices.ContainsFunc(g.result.Rows, func(r bench.Row) bool { return r.Set != nil })
}

// cases are what receivers want, in words.
var cases = map[string]string{
	string(bench.WantOneRandom): "join at random, want one file",
	string(bench.WantOneStart):  "there at the start, want one file",
	string(bench.WantAll):       "join at random, want all files",
}

// setBlocks show for each case when receivers were done, and the least means that are
// possible.
func (g grid) setBlocks() (blocks []block) {
	for _, x := range g.points {
		b := block{title: x.text, corner: "share", heads: []string{"mean", "p50", "p99", "slowest", "all done"}}
		if words := cases[x.text]; words != "" {
			b.title += ": " + words
		}
		var possible *bench.SetFigures
		for _, scheme := range g.schemes {
			row, ok := g.at(scheme, x)
			if !ok || row.Set == nil {
				continue
			}
			possible = row.Set
			b.names = append(b.names, scheme)
			b.rows = append(b.rows, []entry{
				meanSent.entry(row), p50Sent.entry(row), p99Sent.entry(row), slowestSent.entry(row), timeAll.entry(row),
			})
		}
		if possible != nil {
			b.names = append(b.names, "optimum", "constant")
			for _, v := range []float64{possible.Optimum, possible.Constant} {
				b.rows = append(b.rows, append([]entry{{text: ratio(v)}}, make([]entry, len(b.heads)-1)...))
			}
		}
		blocks = append(blocks, b)
	}
	return blocks
}

// setNotes say how to read the tables of a set.
func (g grid) setNotes() []string {
	return []string{
		"K is the packets that all files fill, and packets of all files are counted: 1.000 is the time in which an ideal code brings all of them. " +
			"optimum is the least mean that an ideal code makes possible, in any order of the packets, and constant the least mean where packets of all files alternate.",
		"Files: " + g.result.Rows[0].Code + ".",
	}
}
