// SPDX-License-Identifier: GPL-2.0-or-later

package report

import (
	"cmp"
	"slices"
	"strings"

	"iotupd/bench"
)

// mostName is how many characters of the name of a scheme are shown.
const mostName = 34

// A grid is a Result by scheme and point.
type grid struct {
	result  bench.Result
	schemes []string // in the order of the rows
	points  []xpoint // by value
	rows    map[cell]bench.Row
}

type cell struct {
	scheme string
	x      xpoint
}

// An xpoint is a value of the swept parameter.
type xpoint struct {
	value float64
	text  string // as in the grammar
}

// newGrid arranges r. Of two rows for one scheme and point it keeps the first.
func newGrid(r bench.Result) grid {
	g := grid{result: r, rows: make(map[cell]bench.Row)}
	for _, row := range r.Rows {
		c := cell{row.Scheme, xpoint{row.XValue, row.X}}
		if !plain(row.XValue) {
			c.x.value = 0 // NaN would not equal itself
		}
		if !slices.Contains(g.schemes, c.scheme) {
			g.schemes = append(g.schemes, c.scheme)
		}
		if !slices.Contains(g.points, c.x) {
			g.points = append(g.points, c.x)
		}
		if _, ok := g.rows[c]; !ok {
			g.rows[c] = row
		}
	}
	slices.SortStableFunc(g.points, func(a, b xpoint) int { return cmp.Compare(a.value, b.value) })
	return g
}

// swept reports whether there is more than one point.
func (g grid) swept() bool { return g.result.Parameter != "" && len(g.points) > 1 }

func (g grid) at(scheme string, x xpoint) (bench.Row, bool) {
	row, ok := g.rows[cell{scheme, x}]
	return row, ok
}

// of returns the rows of a scheme, by x.
func (g grid) of(scheme string) []bench.Row {
	var rows []bench.Row
	for _, x := range g.points {
		if row, ok := g.at(scheme, x); ok {
			rows = append(rows, row)
		}
	}
	return rows
}

// fixed returns the parameters that are not swept, and the model of loss even if
// a part of it is.
func (g grid) fixed() []string {
	all := slices.Clone(g.result.Parameters)
	rows := g.result.Rows
	hasLoss := func(p string) bool { return strings.HasPrefix(p, "loss=") }
	if len(g.points) == 0 || slices.ContainsFunc(all, hasLoss) {
		return all
	}
	first, last := rows[0], rows[0]
	for _, r := range rows {
		if r.XValue < first.XValue {
			first = r
		}
		if r.XValue > last.XValue {
			last = r
		}
	}
	switch {
	case first.Loss == "":
	case first.Loss == last.Loss:
		all = append(all, "loss="+first.Loss)
	default:
		all = append(all, "loss="+first.Loss+" to "+last.Loss)
	}
	return all
}

// receivers returns the least and the greatest number of receivers behind the
// figures of any row.
func (g grid) receivers() (least, greatest int) {
	for i, r := range g.result.Rows {
		if i == 0 {
			least, greatest = r.Sent.N, r.Sent.N
		}
		least, greatest = min(least, r.Sent.N), max(greatest, r.Sent.N)
	}
	return least, greatest
}

// A block is a table: a row of text for every scheme.
type block struct {
	title  string
	corner string // head of the columns: the swept parameter
	heads  []string
	names  []string
	rows   [][]entry
}

// An entry is one cell of a block. The zero entry is empty.
type entry struct {
	text   string
	spread string // ±.002
}

// sweepBlock shows one metric with a column for every point.
func (g grid) sweepBlock(m metric) block {
	b := block{title: m.title, corner: g.result.Parameter, names: g.schemes}
	for _, x := range g.points {
		b.heads = append(b.heads, x.text)
	}
	for _, scheme := range g.schemes {
		line := make([]entry, len(g.points))
		for i, x := range g.points {
			if row, ok := g.at(scheme, x); ok {
				line[i] = m.entry(row)
			}
		}
		b.rows = append(b.rows, line)
	}
	return b
}

// pointBlock shows several metrics of one point, with a column for each.
func (g grid) pointBlock(x xpoint, metrics []metric) block {
	b := block{title: "Packets sent until complete / bound", names: g.schemes}
	for _, m := range metrics {
		b.heads = append(b.heads, m.name)
	}
	for _, scheme := range g.schemes {
		line := make([]entry, len(metrics))
		if row, ok := g.at(scheme, x); ok {
			for i, m := range metrics {
				line[i] = m.entry(row)
			}
		}
		b.rows = append(b.rows, line)
	}
	return b
}

func (m metric) entry(r bench.Row) entry { return m.of(r).entry(m.format) }

// entry formats f.
func (f figure) entry(format func(float64) string) entry {
	switch {
	case f.unknown:
		return entry{text: "–"}
	case f.never():
		return entry{text: "never"}
	}
	return entry{text: format(f.value), spread: plusMinus(f)}
}

// summary returns the tables that answer the question asked: few enough for a
// terminal.
func (g grid) summary() []block {
	var blocks []block
	if g.layered() {
		blocks = g.layersBlocks()
	} else if g.mixed() {
		blocks = g.setBlocks()
	} else if g.polluted() {
		blocks = append(blocks, g.pollutionBlock())
	} else if g.swept() {
		metrics := []metric{meanSent, p99Sent, slowestSent}
		if g.timed() {
			metrics = append(metrics, timeAll)
		}
		for _, m := range metrics {
			blocks = append(blocks, g.sweepBlock(m))
		}
	} else if len(g.points) > 0 {
		blocks = append(blocks, g.pointBlock(g.points[0],
			[]metric{meanSent, p50Sent, p90Sent, p99Sent, slowestSent, timeAll, goodput}))
	}
	return append(blocks, g.measured()...)
}

// full returns all tables.
func (g grid) full() []block {
	if g.layered() {
		return g.layersBlocks()
	}
	if g.mixed() {
		return g.setBlocks()
	}
	if g.polluted() {
		return g.pollutionBlocks()
	}
	if !g.swept() {
		blocks := g.summary()
		if len(g.points) > 0 {
			more := g.pointBlock(g.points[0], []metric{meanReceived, overhead})
			more.title = "Packets received, and overhead"
			blocks = slices.Insert(blocks, 1, more)
		}
		return blocks
	}
	var blocks []block
	for _, m := range []metric{meanSent, p50Sent, p90Sent, p99Sent, slowestSent, meanReceived, timeAll, goodput, overhead} {
		blocks = append(blocks, g.sweepBlock(m))
	}
	return append(blocks, g.measured()...)
}

// timed reports whether seconds are more useful than packets: where the bound
// itself differs between the points, or the machine counts.
func (g grid) timed() bool {
	return g.result.Parameter == "senders" || g.result.Parameter == "size" || g.result.Mode == "net"
}

// measured returns the table of what real processes took, in mode net.
func (g grid) measured() []block {
	b := block{title: "Measured on this machine",
		heads: []string{"encode", "decode", "sender CPU", "receiver CPU", "sender peak", "receiver peak", "own drops"}}
	for _, scheme := range g.schemes {
		for _, row := range g.of(scheme) {
			m := row.Measured
			if m == nil {
				continue
			}
			name := scheme
			if g.swept() {
				name += " " + row.X
			}
			b.names = append(b.names, name)
			b.rows = append(b.rows, []entry{
				{text: si(m.EncodeBytesPerSecond, "B/s")}, {text: si(m.DecodeBytesPerSecond, "B/s")},
				{text: seconds(m.SenderCPUSeconds)}, {text: seconds(m.ReceiverCPUSeconds)},
				{text: mebibytes(m.SenderPeakBytes)}, {text: mebibytes(m.ReceiverPeakBytes)},
				{text: count(m.OwnDrops)},
			})
		}
	}
	if len(b.rows) == 0 {
		return nil
	}
	return []block{b}
}
