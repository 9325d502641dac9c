// SPDX-License-Identifier: GPL-2.0-or-later

package report

import (
	"strconv"
	"strings"
)

// palette are the colours of series on white and on black: the colours of Okabe
// and Ito, which people with colour-blindness can distinguish, darker or lighter
// where the background needs it, without their yellow.
var palette = [...]struct{ light, dark string }{
	{"#0072b2", "#4aa8e8"}, // blue
	{"#d55e00", "#ff8442"}, // vermilion
	{"#008a63", "#23c795"}, // green
	{"#b8578f", "#e79ac6"}, // purple
	{"#b07a00", "#f2b632"}, // orange
	{"#2f9bd6", "#9bd8ff"}, // sky
	{"#7a4f2a", "#c9a27e"}, // brown
}

// idealStyle is the style of the bound: a thin grey line without markers.
const idealStyle = -1

// dashes are the patterns of lines, which with the markers distinguish series
// without colour. Styles of the same colour have different ones.
var dashes = [...]string{"none", "8 3", "2.5 2.5", "10 3 2.5 3"}

// lineClass returns the classes of a line of a style.
func lineClass(style int) string {
	if style == idealStyle {
		return "l ci"
	}
	return "l " + colourClass(style) + " d" + strconv.Itoa((style+style/len(palette))%len(dashes))
}

// colourClass returns the classes of whatever is drawn for a style.
func colourClass(style int) string {
	if style == idealStyle {
		return "ci"
	}
	return "c" + strconv.Itoa(style%len(palette))
}

// plotCSS is the style sheet of every plot, in a file of its own or in a page.
// It has dark colours for a dark screen, never for print.
func plotCSS() string {
	var b strings.Builder
	b.WriteString(`.plot text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif;font-size:12px;fill:#444}
.plot .title{font-size:17px;font-weight:600;fill:#111}
.plot .name{fill:#222}
.plot .muted{fill:#666}
.plot .ground{fill:#fff}
.plot path{fill:none;stroke-linejoin:round;stroke-linecap:butt}
.plot .grid{stroke:#e3e5e8;stroke-width:1}
.plot .fine{stroke:#f1f2f4;stroke-width:1}
.plot .axis{stroke:#888;stroke-width:1}
.plot .l{stroke:currentColor;stroke-width:2}
.plot .ci.l{stroke-width:1.5;stroke-dasharray:4 3}
.plot .lead{stroke:currentColor;stroke-width:1;stroke-opacity:.55;stroke-dasharray:1 2}
.plot .band{fill:currentColor;fill-opacity:.16}
.plot .bar{fill:currentColor;fill-opacity:.34}
.plot .thin{stroke:currentColor;stroke-width:1.2}
.plot .ci95{stroke:currentColor;stroke-width:4}
.plot .m{fill:currentColor;stroke:currentColor;stroke-width:1.6}
.plot .never{fill:#fff;stroke:currentColor;stroke-width:1.6}
.plot .ci{color:#8a8f98}
`)
	for i, c := range palette {
		b.WriteString(".plot .c" + strconv.Itoa(i) + "{color:" + c.light + "}\n")
	}
	for i, pattern := range dashes {
		b.WriteString(".plot .d" + strconv.Itoa(i) + "{stroke-dasharray:" + pattern + "}\n")
	}
	b.WriteString(`@media screen and (prefers-color-scheme:dark){
.plot text{fill:#b9bec6}
.plot .title{fill:#f2f4f7}
.plot .name{fill:#e3e6ea}
.plot .muted{fill:#969ca6}
.plot .ground,.plot .never{fill:#14171c}
.plot .grid{stroke:#2b3038}
.plot .fine{stroke:#1f2329}
.plot .axis{stroke:#767c86}
`)
	for i, c := range palette {
		b.WriteString(".plot .c" + strconv.Itoa(i) + "{color:" + c.dark + "}\n")
	}
	b.WriteString("}\n")
	return b.String()
}
