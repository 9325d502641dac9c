// SPDX-License-Identifier: GPL-2.0-or-later

package report

import (
	"math"
	"strconv"
	"strings"
)

// A px is a tenth of a pixel. Layout is in whole ones, so that every CPU comes
// to the same picture.
type px int

func (p px) String() string {
	sign := ""
	if p < 0 {
		sign, p = "-", -p
	}
	s := strconv.Itoa(int(p / 10))
	if p%10 != 0 {
		s += "." + strconv.Itoa(int(p%10))
	}
	return sign + s
}

// part returns the place at fraction f, 0 to 1, of the way from a to b.
func part(a, b px, f float64) px { return a + px(math.Round(float64(b-a)*f)) }

// A canvas collects SVG elements.
type canvas struct{ strings.Builder }

func (c *canvas) add(parts ...string) {
	for _, p := range parts {
		c.WriteString(p)
	}
	c.WriteByte('\n')
}

func (c *canvas) line(class string, x1, y1, x2, y2 px) {
	c.add(`<path class="`, class, `" d="M`, x1.String(), " ", y1.String(), "L", x2.String(), " ", y2.String(), `"/>`)
}

// path draws d, with a text that shows under the pointer unless it is empty.
func (c *canvas) path(class, d, tip string) {
	if tip == "" {
		c.add(`<path class="`, class, `" d="`, d, `"/>`)
		return
	}
	c.add(`<path class="`, class, `" d="`, d, `"><title>`, escape(tip), `</title></path>`)
}

// An anchor is the end of a text that stays in place.
type anchor string

const (
	start  anchor = "start"
	middle anchor = "middle"
	end    anchor = "end"
)

// text writes s with its baseline at y.
func (c *canvas) text(class string, a anchor, x, y px, s string) {
	at := ""
	if a != start {
		at = `" text-anchor="` + string(a)
	}
	c.add(`<text class="`, class, at, `" x="`, x.String(), `" y="`, y.String(), `">`, escape(s), `</text>`)
}

// polygon returns the path data through points.
func polygon(points [][2]px) string {
	var d strings.Builder
	for i, p := range points {
		if i == 0 {
			d.WriteByte('M')
		} else {
			d.WriteByte('L')
		}
		d.WriteString(p[0].String() + " " + p[1].String())
	}
	return d.String()
}

// markers are the shapes at the points of a line, of equal weight to the eye,
// each drawn from its centre.
var markers = [...]string{
	"m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z", // disc
	"m-3.5-3.5h7v7h-7z",                  // square
	"m0-4.8l4.6 8h-9.2z",                 // triangle
	"m0-5l5 5l-5 5l-5-5z",                // diamond
	"m0 4.8l4.6-8h-9.2z",                 // triangle, point down
	"m-4.4-4.4l8.8 8.8m0-8.8l-8.8 8.8",   // cross
	"m-5 0h10m-5-5v10",                   // plus
	"m0-5l4.8 3.5l-1.8 5.6h-6l-1.8-5.6z", // pentagon
}

// marker returns the path data of the shape for a style, around x and y.
func marker(style int, x, y px) string {
	return "M" + x.String() + " " + y.String() + markers[style%len(markers)]
}

// textWidth estimates how wide s is in a sans-serif font of so many pixels. It
// is rather too much than too little.
func textWidth(s string, size int) px { return px(runes(s) * size * 62 / 10) }

// escape makes s plain text in XML, inside elements and attributes.
func escape(s string) string { return escaper.Replace(clean(s)) }

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;")
