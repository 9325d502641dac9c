// SPDX-License-Identifier: GPL-2.0-or-later

package report

import (
	"cmp"
	"slices"
)

// appendNames writes the names of all series at the right, none over another.
func (ch chart) appendNames(c *canvas, a area) {
	type name struct {
		series
		from [2]px // the end of the line
	}
	var names []name
	for _, s := range ch.lines {
		names = append(names, name{s, ch.place(a, s.dots[len(s.dots)-1])})
	}
	if ch.names == direct {
		slices.SortStableFunc(names, func(x, y name) int { return cmp.Compare(x.from[1], y.from[1]) })
	}
	places := make([]px, len(names))
	for i, l := range names {
		if places[i] = l.from[1]; ch.names == legend {
			places[i] = a.top + lineHeight*px(i) + lineHeight/2
		}
	}
	spread(places, a.top-neverRoom/2, a.bottom)
	left := a.right + 160
	for i, l := range names {
		y := places[i]
		colour := colourClass(l.style)
		if ch.names == direct {
			c.path("lead "+colour, polygon([][2]px{l.from, {a.right + 60, l.from[1]}, {left - 20, y}}), "")
		}
		c.path(lineClass(l.style), polygon([][2]px{{left, y}, {left + keyWidth, y}}), "")
		if l.style != idealStyle && l.dots[0].tip != "" {
			c.path("m "+colour, marker(l.style, left+keyWidth/2, y), "")
		}
		c.name(left+keyWidth+60, y+42, l.name)
	}
}

// name writes the name of a series. What does not fit shows under the pointer.
func (c *canvas) name(x, y px, name string) {
	short := shorten(clean(name), mostName)
	if short == clean(name) {
		c.text("name", start, x, y, short)
		return
	}
	c.add(`<text class="name" x="`, x.String(), `" y="`, y.String(), `">`, escape(short), `<title>`, escape(name), `</title></text>`)
}

// nameWidth returns the room that the widest of the names needs.
func nameWidth(names []string) px {
	widest := px(0)
	for _, name := range names {
		widest = max(widest, textWidth(shorten(name, mostName), fontSize))
	}
	return widest
}

// spread moves ascending places apart by a line each, as little as it takes,
// between top and bottom if they fit.
//
// Less i lines, places may be equal but not descend. So this is a regression
// to ascending values: neighbours that descend are replaced by their mean.
func spread(places []px, top, bottom px) {
	type run struct{ sum, n px }
	mean := func(r run) px { return r.sum / r.n }
	var runs []run
	for i, p := range places {
		r := run{p - lineHeight*px(i), 1}
		for len(runs) > 0 && mean(runs[len(runs)-1]) >= mean(r) {
			last := runs[len(runs)-1]
			r = run{r.sum + last.sum, r.n + last.n}
			runs = runs[:len(runs)-1]
		}
		runs = append(runs, r)
	}
	most := bottom - lineHeight*px(len(places)-1)
	i := 0
	for _, r := range runs {
		for range r.n {
			places[i] = max(top, min(most, mean(r))) + lineHeight*px(i)
			i++
		}
	}
}
