// SPDX-License-Identifier: GPL-2.0-or-later

package report

import (
	"math"
	"slices"

	"iotupd/bench"
)

// polluted reports whether g is of a [bench.Pollution].
func (g grid) polluted() bool {
	return slices.ContainsFunc(g.result.Rows, func(r bench.Row) bool { return r.Forged != nil })
}

// pollutionBlock shows how many packets receivers waited for, or how many
// receivers never completed.
func (g grid) pollutionBlock() block {
	return g.turned("Mean of packets sent / bound, or how many receivers failed", sentOrFailed)
}

func sentOrFailed(r bench.Row) entry {
	if r.Forged != nil && meanSent.of(r).never() {
		return entry{text: percent(r.Forged.Failed.Value) + " fail"}
	}
	return meanSent.entry(r)
}

// pollutionBlocks are all tables of a pollution.
func (g grid) pollutionBlocks() []block {
	blocks := []block{g.pollutionBlock()}
	for _, m := range []metric{p50Sent, slowestSent, failedShare, refusedShare, storedShare, timeAll, overhead} {
		blocks = append(blocks, g.turned(m.title, m.entry))
	}
	return blocks
}

// turned is a table with a line for every point and a column for every scheme.
func (g grid) turned(title string, of func(bench.Row) entry) block {
	b := block{title: title, corner: g.result.Parameter, heads: g.schemes}
	for _, x := range g.points {
		line := make([]entry, len(g.schemes))
		for i, scheme := range g.schemes {
			if row, ok := g.at(scheme, x); ok {
				line[i] = of(row)
			}
		}
		b.names = append(b.names, x.text)
		b.rows = append(b.rows, line)
	}
	return b
}

var (
	failedShare = metric{"failed", "Receivers that failed",
		ofForged(func(f *bench.Forged) float64 { return f.Failed.Value }), percent}
	refusedShare = metric{"refused", "Forged packets known on arrival, of those heard",
		ofForged(func(f *bench.Forged) float64 { return float64(f.Refused) / float64(f.Heard) }), percent}
	storedShare = metric{"stored", "Forged packets accepted as genuine at first, of those received",
		ofForged(func(f *bench.Forged) float64 { return float64(f.Stored) / float64(f.Heard) }), percent}
)

// ofForged is a figure without an interval, unknown where nothing was forged.
func ofForged(of func(*bench.Forged) float64) func(bench.Row) figure {
	return func(r bench.Row) figure {
		if r.Forged == nil {
			return figure{unknown: true}
		}
		v := of(r.Forged)
		return figure{value: v, low: v, high: v, unknown: math.IsNaN(v)}
	}
}

// pollutionNotes say how to read the table of a pollution, and what became of
// the forged packets.
func (g grid) pollutionNotes() []string {
	notes := []string{"forged is their share in all packets that a receiver hears; each has a right checksum and all else that genuine packets have. " +
		"A receiver that has a wrong SHA-256 three times without digests, or not the file after 20 loops, has failed."}
	var wrong int
	for _, scheme := range g.schemes {
		var f bench.Forged
		for _, r := range g.of(scheme) {
			if r.Forged != nil {
				f.Heard += r.Forged.Heard
				f.Refused += r.Forged.Refused
				f.Stored += r.Forged.Stored
				wrong += r.Forged.Wrong
			}
		}
		if f.Heard > 0 {
			share := func(n uint64) string { return percent(float64(n) / float64(f.Heard)) }
			notes = append(notes, scheme+": of "+count(f.Heard)+" forged packets "+share(f.Refused)+" were known on arrival, "+
				share(f.Stored)+" were stored, the rest was of no use.")
		}
	}
	return append(notes, "Wrong files delivered: "+count(uint64(wrong))+".", "Code: "+g.result.Rows[0].Code+".")
}
