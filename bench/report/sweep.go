// SPDX-License-Identifier: GPL-2.0-or-later

package report

import (
	"math"
	"slices"
	"strings"

	"iotupd/bench"
)

// parameters say how the axis of each parameter is called and what is plotted
// over it.
var parameters = map[string]struct{ axis, over string }{
	"loss":       {"mean loss", "the loss"},
	"burst":      {"mean length of a burst of losses, packets", "the length of bursts"},
	"parity":     {"parity, of the data", "the parity"},
	"size":       {"size of the file", "the size of the file"},
	"senders":    {"senders at the same time", "the number of senders"},
	"receivers":  {"receivers", "the number of receivers"},
	"bottleneck": {"rate of the bottleneck, bit/s", "the rate of the bottleneck"},
	"forged":     {"forged packets, of all that a receiver hears", "the share of forged packets"},
}

// sweepPlots are the name and the words of the plot of each metric.
var sweepPlots = map[string]struct{ file, title, of string }{
	meanSent.name:    {"completion", "Packets sent until complete", "Mean of "},
	p99Sent.name:     {"p99", "Packets sent until 99 % of the receivers are complete", ""},
	slowestSent.name: {"slowest", "Packets sent until the slowest receiver is complete", ""},
	timeAll.name:     {"time", "Time until all receivers are complete", ""},
}

// tooFew says in a subtitle why an interval is missing.
const tooFew = "; no interval where n is too small for one"

// sweep plots m over the swept parameter, if anything of it is known.
func (g grid) sweep(m metric) []Plot {
	words, axis := sweepPlots[m.name], parameters[g.result.Parameter]
	if axis.axis == "" {
		axis.axis, axis.over = g.result.Parameter, g.result.Parameter
	}
	ch := chart{heading: heading{file: words.file, title: words.title + ", over " + axis.over}, xTitle: axis.axis}
	banded, unbounded := false, false
	for _, scheme := range g.schemes {
		s := series{name: scheme, style: g.style(scheme)}
		for _, row := range g.of(scheme) {
			if d, ok := g.dot(m, row); ok {
				s.dots = append(s.dots, d)
				banded = banded || d.low < d.high
				unbounded = unbounded || m.of(row).unbounded()
			}
		}
		if len(s.dots) > 0 {
			ch.lines = append(ch.lines, s)
		}
	}
	if len(ch.lines) == 0 {
		return nil
	}
	drawn := ""
	if banded {
		drawn = ", shaded: 95 % confidence"
	}
	if unbounded {
		drawn += tooFew
	}
	ch.subtitle = g.subtitle(words.of, drawn)
	ch.x = g.xScale()
	ch.setY(m)
	return []Plot{ch.svg()}
}

// dot is figure m of row, if it can be drawn.
func (g grid) dot(m metric, row bench.Row) (d dot, ok bool) {
	f := m.of(row)
	if f.unknown || !plain(row.XValue) || !f.never() && !plain(f.value) {
		return dot{}, false
	}
	e := m.entry(row)
	d = dot{x: g.xValue(row), y: f.value, low: f.value, high: f.value, never: f.never(),
		tip: row.Scheme + " at " + row.X + ": " + strings.TrimSpace(e.text+" "+e.spread) + ", n = " + count(uint64(row.Sent.N))}
	if f.bounded() {
		d.low, d.high = f.low, f.high
	}
	return d, true
}

// share reports whether values of the swept parameter are shares of 1.
func (g grid) share() bool {
	return slices.Contains([]string{"loss", "parity", "forged"}, g.result.Parameter)
}

// xValue returns where row is on the horizontal axis, which counts in per cent
// where that is usual.
func (g grid) xValue(row bench.Row) float64 {
	if g.share() {
		return float64(row.XValue * 100)
	}
	return row.XValue
}

// xScale returns the axis of the swept parameter: logarithmic if it covers a
// decade of what has no zero. Sizes have ticks at their own values.
func (g grid) xScale() scale {
	lo, hi := math.Inf(1), 0.0
	for _, row := range g.result.Rows {
		if v := g.xValue(row); plain(v) {
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	switch {
	case g.share():
		return newLinear(lo, hi, 8, " %")
	case lo < 1e-6 || hi < 10*lo:
		return newLinear(lo, hi, int(max(1, min(8, hi-lo))), "") // between whole numbers there is nothing
	case g.result.Parameter != "size":
		return newLog(lo, hi)
	}
	s := scale{kind: logarithmic, lo: lo, hi: hi}
	for _, x := range g.points {
		s.ticks = append(s.ticks, tick{value: x.value, label: x.text})
	}
	return s
}

// setY makes the vertical axis for the figures m of all lines.
func (ch *chart) setY(m metric) {
	lo, hi, least := math.Inf(1), 0.0, math.Inf(1)
	for _, s := range ch.lines {
		for _, d := range s.dots {
			if !d.never {
				lo, least, hi = min(lo, d.low), min(least, d.y), max(hi, d.high)
			}
		}
	}
	if hi == 0 {
		lo, least, hi = 1, 1, 2 // everything is never
	}
	if m.name != timeAll.name {
		ch.y, ch.yTitle = ratioScale(lo, least, hi)
		return
	}
	if lo > 0 && hi > 30*lo {
		ch.y, ch.yTitle = newTimes(lo, hi), "time, log scale"
		return
	}
	unit := 1.0
	ch.yTitle = "seconds"
	switch {
	case hi >= 7200:
		unit, ch.yTitle = 3600, "hours"
	case hi >= 600:
		unit, ch.yTitle = 60, "minutes"
	}
	ch.y = newLinear(0, hi/unit, 6, "")
	ch.y.hi *= unit
	for i := range ch.y.ticks {
		ch.y.ticks[i].value *= unit
	}
}

// speedup plots the goodput of more senders over that of one.
func (g grid) speedup() []Plot {
	if g.result.Parameter != "senders" {
		return nil
	}
	one := g.points[0]
	ch := chart{heading: heading{file: "speedup", title: "Speed-up by more senders", subtitle: g.subtitle("", "")},
		xTitle: parameters["senders"].axis, yTitle: "goodput / goodput with senders " + one.text}
	hi := 1.0
	for _, scheme := range g.schemes {
		base, ok := g.at(scheme, one)
		if !ok || !(base.Times.Goodput > 0) {
			continue
		}
		s := series{name: scheme, style: g.style(scheme)}
		for _, row := range g.of(scheme) {
			if y := row.Times.Goodput / base.Times.Goodput; y > 0 && plain(y) && plain(row.XValue) {
				hi = max(hi, y)
				s.dots = append(s.dots, dot{x: row.XValue, y: y, low: y, high: y,
					tip: scheme + ", senders: " + row.X + ", " + decimals(y, 2) + " times as fast"})
			}
		}
		ch.lines = append(ch.lines, s)
	}
	if len(ch.lines) == 0 || one.value <= 0 {
		return nil
	}
	proportional := series{name: "in proportion", style: idealStyle}
	for _, x := range g.points {
		if y := x.value / one.value; plain(y) {
			hi = max(hi, y)
			proportional.dots = append(proportional.dots, dot{x: x.value, y: y, low: y, high: y})
		}
	}
	ch.lines = append([]series{proportional}, ch.lines...)
	ch.x = g.xScale()
	ch.y = newLinear(0, hi, 6, "")
	return []Plot{ch.svg()}
}
