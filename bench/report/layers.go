// SPDX-License-Identifier: GPL-2.0-or-later

package report

import (
	"slices"
	"strconv"

	"iotupd/bench"
)

// layered reports whether g is of a [bench.Layers].
func (g grid) layered() bool {
	return slices.ContainsFunc(g.result.Rows, func(r bench.Row) bool { return r.Layered != nil })
}

// layersBlocks show for each bottleneck where receivers spent their time, and
// when they were done.
func (g grid) layersBlocks() []block {
	at := block{title: "Time at level 0, 1, ..., from 90 s after the join on", corner: g.result.Parameter, heads: []string{"carries", "off"}}
	done := block{title: "Packets sent until complete / bound", corner: g.result.Parameter, heads: []string{"mean", "p50", "p90", "slowest", "all done", "starved"}}
	levels := 0
	for _, r := range g.result.Rows {
		if r.Layered != nil {
			levels = max(levels, len(r.Layered.Levels))
		}
	}
	for level := range levels {
		at.heads = append(at.heads, strconv.Itoa(level))
	}
	at.heads = append(at.heads, "changes/h", "lost")
	for _, r := range g.result.Rows {
		f := r.Layered
		if f == nil {
			continue
		}
		line := []entry{{text: strconv.Itoa(f.Carries)}, {text: percent(f.Off)}}
		for level := range levels {
			var e entry
			if level < len(f.Levels) {
				e.text = percent(f.Levels[level])
			}
			line = append(line, e)
		}
		at.names, done.names = append(at.names, r.X), append(done.names, r.X)
		at.rows = append(at.rows, append(line, entry{text: decimals(f.Changes, 1)}, entry{text: percent(f.Lost)}))
		starved := entry{text: count(uint64(int64(r.Trials)*int64(r.Receivers) - int64(r.Completed)))}
		done.rows = append(done.rows, []entry{
			meanSent.entry(r), p50Sent.entry(r), p90Sent.entry(r), slowestSent.entry(r), timeAll.entry(r), starved,
		})
	}
	return []block{at, done}
}

// layersNotes say how to read the tables of layers.
func (g grid) layersNotes() []string {
	return []string{
		"Level l is layers 0 to l, off none of them. carries is the highest level that the bottleneck carries. Sent are the packets that this level brings from a receiver's join to its completion: 1.000 is who knew it, and lost no more than p. " +
			"lost is of the packets of layers that a receiver had joined; every attempt to join one more is a change, and another one back.",
		"Starved is who was not done after ten times what layer 0 alone takes.",
		"Code: " + g.result.Rows[0].Code + ".",
	}
}
