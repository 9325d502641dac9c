// SPDX-License-Identifier: GPL-2.0-or-later

package report

import "slices"

// A chart is a plot of lines over two axes. Names stand at the ends of the
// lines.
type chart struct {
	heading
	x, y           scale
	xTitle, yTitle string
	lines          []series
	names          nameMode
}

// A heading is the text above a plot.
type heading struct {
	file     string // its name, without .svg
	title    string
	subtitle string
}

type nameMode int

const (
	direct nameMode = iota // every name where its line ends
	legend                 // names in order, as all lines end at the same place
)

// A series is a line of a chart.
type series struct {
	name  string
	style int // colour, dash and marker; idealStyle for the bound
	dots  []dot
}

// A dot is a point of a series.
type dot struct {
	x, y      float64
	low, high float64 // the confidence interval, both y without one
	never     bool    // y is beyond any number: it stands above the plot
	tip       string  // what shows under the pointer; without, there is no marker
}

// Layout of all plots, in tenths of a pixel.
const (
	plotWidth  px = 7600
	plotHeight px = 3300 // of the area between the axes
	margin     px = 180
	lineHeight px = 170
	keyWidth   px = 220 // of a sample of a line beside its name
	neverRoom  px = 240 // above the area, for what never happens
	fontSize      = 12
)

// An area is where the values are, with y growing downwards.
type area struct{ left, right, top, bottom px }

// svg draws ch.
func (ch chart) svg() Plot {
	var c canvas
	var a area
	a.top = ch.appendHead(&c) + 400
	if ch.never() {
		a.top += neverRoom
	}
	a.bottom = a.top + max(plotHeight, lineHeight*px(len(ch.lines)))
	a.left = margin + 80
	for _, t := range ch.y.ticks {
		a.left = max(a.left, margin+80+textWidth(t.label, fontSize))
	}
	var names []string
	for _, s := range ch.lines {
		names = append(names, s.name)
	}
	a.right = plotWidth - margin - nameWidth(names) - keyWidth - 160
	ch.appendAxes(&c, a)
	for _, s := range ch.lines {
		ch.appendSeries(&c, a, s)
	}
	ch.appendNames(&c, a)
	return ch.plot(&c, a.bottom+560)
}

// never reports whether something is to be drawn above the area.
func (ch chart) never() bool {
	return slices.ContainsFunc(ch.lines, func(s series) bool {
		return slices.ContainsFunc(s.dots, func(d dot) bool { return d.never })
	})
}

// appendHead writes title and subtitle and returns where they end.
func (h heading) appendHead(c *canvas) px {
	y := margin + 140
	c.text("title", start, margin, y, h.title)
	for _, line := range wrap(clean(h.subtitle), 112) {
		y += lineHeight
		c.text("muted", start, margin, y+30, line)
	}
	return y + 60
}

// place returns where d is.
func (ch chart) place(a area, d dot) [2]px {
	p := [2]px{part(a.left, a.right, ch.x.at(d.x)), part(a.bottom, a.top, ch.y.at(d.y))}
	if d.never {
		p[1] = a.top - neverRoom/2
	}
	return p
}

// appendSeries draws the band, the line and the markers of s.
func (ch chart) appendSeries(c *canvas, a area, s series) {
	colour := colourClass(s.style)
	points := make([][2]px, len(s.dots))
	for i, d := range s.dots {
		points[i] = ch.place(a, d)
	}
	ch.appendBand(c, a, s)
	for i := 0; i < len(points); { // each run to the next dot that is never, or is not
		j := i + 1
		for j < len(points) && s.dots[j].never == s.dots[i].never {
			j++
		}
		if j-i > 1 && !s.dots[i].never {
			c.path(lineClass(s.style), polygon(points[i:j]), "")
		}
		if j < len(points) {
			c.path("lead "+colour, polygon(points[j-1:j+1]), "")
		}
		i = j
	}
	for i, d := range s.dots {
		class := "m "
		if d.never {
			class = "never "
		}
		if d.tip != "" && s.style != idealStyle {
			c.path(class+colour, marker(s.style, points[i][0], points[i][1]), d.tip)
		}
	}
}

// appendBand draws the confidence intervals of s, if there are any.
func (ch chart) appendBand(c *canvas, a area, s series) {
	var upper, lower [][2]px
	banded := false
	for _, d := range s.dots {
		if !d.never {
			x := part(a.left, a.right, ch.x.at(d.x))
			upper = append(upper, [2]px{x, part(a.bottom, a.top, ch.y.at(d.high))})
			lower = append(lower, [2]px{x, part(a.bottom, a.top, ch.y.at(d.low))})
			banded = banded || d.low < d.high
		}
	}
	if banded && len(upper) > 1 {
		slices.Reverse(lower)
		c.path("band "+colourClass(s.style), polygon(append(upper, lower...))+"z", "")
	}
}
