// SPDX-License-Identifier: GPL-2.0-or-later

package report

import (
	"slices"
	"strconv"
	"strings"

	"iotupd/bench"
)

// A Plot is one picture of a [bench.Result].
type Plot struct {
	Name   string // of the file, without .svg
	Title  string
	inner  string // elements
	height px
}

// SVG returns the picture as a file of its own, which follows the light or dark
// scheme of who looks at it and scales to any width.
func (p Plot) SVG() []byte {
	return []byte(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" + p.element("<style>\n"+plotCSS()+"</style>\n"))
}

// element returns the picture as one element, with style in front.
func (p Plot) element(style string) string {
	return `<svg xmlns="http://www.w3.org/2000/svg" class="plot" viewBox="0 0 ` + plotWidth.String() + " " + p.height.String() +
		`" role="img" aria-label="` + escape(p.Title) + `">` + "\n" + style +
		`<rect class="ground" width="` + plotWidth.String() + `" height="` + p.height.String() + `"/>` + "\n" +
		p.inner + "</svg>\n"
}

func (h heading) plot(c *canvas, height px) Plot {
	return Plot{Name: h.file, Title: clean(h.title), inner: c.String(), height: height}
}

// Plots returns the pictures in which r has something to show.
func Plots(r bench.Result) []Plot {
	g := newGrid(r)
	if len(g.points) == 0 {
		return nil
	}
	if g.mixed() {
		return g.distributions() // cases are not numbers
	}
	if !g.swept() {
		return slices.Concat(g.ranges(), g.distributions())
	}
	metrics := []metric{meanSent, p99Sent, slowestSent}
	if g.timed() {
		metrics = append(metrics, timeAll)
	}
	plots := g.speedup()
	for _, m := range metrics {
		plots = append(plots, g.sweep(m)...)
	}
	return append(plots, g.distributions()...)
}

// style is the same for a scheme in all plots of a result.
func (g grid) style(scheme string) int {
	if strings.HasPrefix(scheme, "ideal") {
		return idealStyle
	}
	return slices.Index(g.schemes, scheme)
}

// plain reports whether v can be drawn.
func plain(v float64) bool { return v >= 0 && v <= maxFigure }

// subtitle says what the figures of a plot are of, such as the mean, and how
// they are drawn.
func (g grid) subtitle(of, drawn string) string {
	s := of + g.n() + drawn
	seed := ", seed " + strconv.FormatUint(g.result.Seed, 10)
	switch g.result.Mode {
	case "model":
		s += ". Exact model"
	case "net":
		s += ". Real processes" + seed
	default:
		s += ". Simulation" + seed
	}
	return strings.Join(append([]string{s}, g.fixed()...), ", ")
}

// ratioScale returns an axis for multiples of the bound, and its title. It is
// logarithmic in the distance from the bound if some are far from it, hi, and
// some near, least. The lowest value is lo.
func ratioScale(lo, least, hi float64) (scale, string) {
	const title = "packets sent / bound"
	if hi > 2 && least < 1.1 {
		return newExcess(hi), title + " (log scale of the excess over 1)"
	}
	return newLinear(min(lo, 1), max(hi, 1.01), 6, ""), title
}
