// SPDX-License-Identifier: GPL-2.0-or-later

package report

import "slices"

// appendAxes draws grid, ticks and titles of both axes.
func (ch chart) appendAxes(c *canvas, a area) {
	above := a.top - 140
	if ch.never() {
		above -= neverRoom
		c.text("muted", end, a.left-80, a.top-neverRoom/2+42, "never")
		c.line("lead ci", a.left, a.top-neverRoom/2, a.right, a.top-neverRoom/2)
	}
	c.text("name", start, margin, above, ch.yTitle)
	for _, l := range ch.y.labels(a.bottom, a.top, func(string) px { return lineHeight }) {
		c.line(l.class, a.left, l.at, a.right, l.at)
		c.text("tick", end, a.left-80, l.at+42, l.text)
	}
	ch.x.appendBelow(c, a)
	c.text("name", middle, (a.left+a.right)/2, a.bottom+430, ch.xTitle)
}

// appendBelow draws s as the horizontal axis of a.
func (s scale) appendBelow(c *canvas, a area) {
	width := func(label string) px { return textWidth(label, fontSize) + 60 }
	for _, l := range s.labels(a.left, a.right, width) {
		c.line(l.class, l.at, a.top, l.at, a.bottom)
		if l.text != "" {
			c.line("axis", l.at, a.bottom, l.at, a.bottom+50)
			c.text("tick", middle, l.at, a.bottom+200, l.text)
		}
	}
	c.line("axis", a.left, a.bottom, a.right, a.bottom)
}

// A label is a tick in its place.
type label struct {
	at    px
	class string // of the line across the plot
	text  string // empty where there is no room
}

// labels places the ticks of s between from and to. Of labels that would touch
// it keeps those that matter, and else the first.
func (s scale) labels(from, to px, width func(string) px) []label {
	all := make([]label, len(s.ticks))
	for i, t := range s.ticks {
		all[i] = label{at: part(from, to, s.at(t.value)), class: "grid"}
		if t.minor {
			all[i].class = "fine"
		}
	}
	for _, minor := range []bool{false, true} {
		for i, t := range s.ticks {
			room := !slices.ContainsFunc(all, func(l label) bool {
				return l.text != "" && 2*max(l.at-all[i].at, all[i].at-l.at) < width(l.text)+width(t.label)
			})
			if t.minor == minor && room {
				all[i].text = t.label
			}
		}
	}
	return all
}
