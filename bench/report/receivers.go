// SPDX-License-Identifier: GPL-2.0-or-later

package report

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
)

// distributions plots how the receivers of one point are spread, for the point
// in the middle of the sweep and for the last one.
func (g grid) distributions() []Plot {
	points := []xpoint{g.points[len(g.points)/2]}
	if last := g.points[len(g.points)-1]; last != points[0] {
		points = append(points, last)
	}
	var plots []Plot
	for _, x := range points {
		ch := chart{heading: heading{title: "How the receivers are spread", subtitle: g.subtitle("", "")},
			lines: g.curves(x), names: legend}
		if len(ch.lines) == 0 {
			continue
		}
		ch.file = "distribution-" + strconv.Itoa(len(plots)+1)
		if g.swept() {
			ch.title += ", at " + g.result.Parameter + " " + x.text
		}
		lo, hi := math.Inf(1), 0.0
		for _, s := range ch.lines {
			lo, hi = min(lo, s.dots[0].x), max(hi, s.dots[len(s.dots)-1].x)
		}
		ch.x, ch.xTitle = ratioScale(lo, lo, hi)
		ch.y, ch.yTitle = newLinear(0, 100, 5, " %"), "share of the receivers that are complete"
		plots = append(plots, ch.svg())
	}
	return plots
}

// curves returns the distributions at x as steps, in the order in which half of
// the receivers are done.
func (g grid) curves(x xpoint) []series {
	var lines []series
	for _, scheme := range g.schemes {
		row, _ := g.at(scheme, x)
		s := series{name: scheme, style: g.style(scheme)}
		y := 0.0
		for _, p := range row.Sent.CDF {
			if plain(p.X) && plain(p.Y) {
				s.dots = append(s.dots, dot{x: p.X, y: float64(y * 100)}, dot{x: p.X, y: float64(p.Y * 100)})
				y = p.Y
			}
		}
		if len(s.dots) > 0 {
			lines = append(lines, s)
		}
	}
	median := func(s series) float64 {
		for _, d := range s.dots {
			if d.y >= 50 {
				return d.x
			}
		}
		return math.Inf(1)
	}
	slices.SortStableFunc(lines, func(a, b series) int { return cmp.Compare(median(a), median(b)) })
	return lines
}

// ranges plots what the receivers of each scheme need, where there is no sweep:
// the mean, the bar from half to 99 % of the receivers, the slowest.
func (g grid) ranges() []Plot {
	h := heading{file: "schemes", title: "Packets sent until complete", subtitle: g.subtitle("",
		"; mark: the mean with its 95 % confidence interval, bar: from 50 % to 99 % of them, line: to the slowest")}
	lo, least, hi := math.Inf(1), math.Inf(1), 0.0
	var schemes []string
	unbounded := false
	for _, scheme := range g.schemes {
		row := g.of(scheme)[0]
		if row.Sent.N == 0 {
			continue
		}
		schemes = append(schemes, scheme)
		unbounded = unbounded || meanSent.of(row).unbounded()
		for _, m := range []metric{meanSent, p50Sent, p99Sent, slowestSent} {
			if f := m.of(row); plain(f.value) {
				lo, least, hi = min(lo, f.value), min(least, f.value), max(hi, f.value)
			}
		}
	}
	if hi == 0 {
		return nil
	}
	if unbounded {
		h.subtitle += tooFew
	}
	s, title := ratioScale(lo, least, hi)
	var c canvas
	const rowHeight px = 300
	a := area{left: 2*margin + nameWidth(schemes), right: plotWidth - margin - 1000}
	a.top = h.appendHead(&c) + 160
	a.bottom = a.top + rowHeight*px(len(schemes))
	s.appendBelow(&c, a)
	c.text("name", middle, (a.left+a.right)/2, a.bottom+430, title)
	c.text("muted", start, a.right+120, a.top-60, "mean")
	for i, scheme := range schemes {
		y := a.top + rowHeight*px(i) + rowHeight/2
		c.name(margin, y+42, scheme)
		g.appendRange(&c, a, s, y, scheme)
	}
	return []Plot{h.plot(&c, a.bottom+560)}
}

// appendRange draws one scheme of [grid.ranges] around y, with its mean in
// figures at the right. What is never reaches the end of the axis.
func (g grid) appendRange(c *canvas, a area, s scale, y px, scheme string) {
	row := g.of(scheme)[0]
	colour := colourClass(g.style(scheme))
	x := func(v float64) px { return part(a.left, a.right, s.at(v)) }
	const half px = 55
	from, to := x(p50Sent.of(row).value), x(p99Sent.of(row).value)
	c.path("bar "+colour, polygon([][2]px{{from, y - half}, {to, y - half}, {to, y + half}, {from, y + half}})+"z", "")
	slowest := x(row.Sent.Slowest)
	c.line("thin "+colour, to, y, slowest, y)
	c.line("thin "+colour, slowest, y-half, slowest, y+half)
	mean := meanSent.of(row)
	if mean.bounded() {
		c.line("ci95 "+colour, x(mean.low), y, x(mean.high), y)
	}
	e := meanSent.entry(row)
	class := "m "
	if mean.never() {
		class = "never "
	}
	c.path(class+colour, marker(max(0, g.style(scheme)), x(mean.value), y), scheme+": mean "+e.text+" "+e.spread+", n = "+count(uint64(row.Sent.N)))
	c.text("name", start, a.right+120, y+42, strings.TrimSpace(e.text+" "+e.spread))
}
