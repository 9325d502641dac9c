// SPDX-License-Identifier: GPL-2.0-or-later

package report

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// findings sums up the figures in sentences. It leaves out whatever this Result
// does not contain.
func (g grid) findings() []string {
	if g.polluted() || g.layered() || g.mixed() {
		return nil // its notes do
	}
	c := g.contest()
	return slices.Concat(c.winners(), c.againstLoop(), g.near(), c.slowest(), g.faster(), g.ownDrops(), g.missing())
}

// A contest is a grid with the schemes that need the fewest packets.
type contest struct {
	grid
	contenders map[xpoint][]string // in the order of the rows
	best       map[xpoint]string   // one of the contenders; missing if there is none
}

// contest finds the best scheme of every point: of several that may be it, the
// one for which this holds most often.
func (g grid) contest() contest {
	c := contest{g, make(map[xpoint][]string), make(map[xpoint]string)}
	wins := make(map[string]int)
	for _, x := range g.points {
		c.contenders[x] = g.contendersAt(x)
		for _, s := range c.contenders[x] {
			wins[s]++
		}
	}
	for x, schemes := range c.contenders {
		if len(schemes) > 0 {
			c.best[x] = slices.MaxFunc(schemes, func(a, b string) int { return cmp.Compare(wins[a], wins[b]) })
		}
	}
	return c
}

// choices returns the schemes that are no [reference].
func (g grid) choices() []string {
	return slices.DeleteFunc(slices.Clone(g.schemes), reference)
}

// contendersAt returns the schemes that may have the lowest mean at x: those
// within its confidence interval, or the same as printed.
func (g grid) contendersAt(x xpoint) []string {
	means := make(map[string]figure)
	least := figure{value: math.Inf(1)}
	for _, s := range g.choices() {
		if row, ok := g.at(s, x); ok {
			if f := meanSent.of(row); !f.unknown && !f.never() {
				means[s] = f
				if f.value < least.value {
					least = f
				}
			}
		}
	}
	return slices.DeleteFunc(g.choices(), func(s string) bool {
		f, ok := means[s]
		return !ok || f.value > least.high && ratio(f.value) != ratio(least.value)
	})
}

// winners says which scheme needs the fewest packets, for each run of points
// where it is the same.
func (c contest) winners() []string {
	var found []string
	for i := 0; i < len(c.points); {
		scheme, j := c.best[c.points[i]], i+1
		for j < len(c.points) && c.best[c.points[j]] == scheme {
			j++
		}
		if points := c.points[i:j]; scheme != "" {
			text := c.where(points) + scheme + " needs "
			if len(c.choices()) > 1 {
				text += "the fewest packets: "
			}
			text += c.between(scheme, points, meanSent) + " times the bound on average" + c.level(scheme, points)
			found = append(found, sentence(text))
		}
		i = j
	}
	return found
}

// level names the other contenders at points.
func (c contest) level(scheme string, points []xpoint) string {
	var others []string
	for _, s := range c.choices() {
		var at []string
		for _, x := range points {
			if s != scheme && slices.Contains(c.contenders[x], s) {
				at = append(at, x.text)
			}
		}
		switch {
		case len(at) == 0:
		case len(at) == len(points):
			others = append(others, s)
		default:
			others = append(others, s+" at "+list(at))
		}
	}
	if len(others) == 0 {
		return ""
	}
	return "; not measurably worse: " + strings.Join(others, "; ")
}

// where names points of a sweep: "from loss 1% to 50%, ".
func (g grid) where(points []xpoint) string {
	switch {
	case !g.swept():
		return ""
	case len(points) == 1:
		return "at " + g.result.Parameter + " " + points[0].text + ", "
	}
	return "from " + g.result.Parameter + " " + points[0].text + " to " + points[len(points)-1].text + ", "
}

// between returns the range of a scheme's figures, empty if there is none.
func (g grid) between(scheme string, points []xpoint, m metric) string {
	var figures []float64
	for _, x := range points {
		if row, ok := g.at(scheme, x); ok {
			if f := m.of(row); !f.unknown && !f.never() {
				figures = append(figures, f.value)
			}
		}
	}
	return rangeText(figures, m.format)
}

func rangeText(figures []float64, format func(float64) string) string {
	if len(figures) == 0 {
		return ""
	}
	low, high := format(slices.Min(figures)), format(slices.Max(figures))
	if low == high {
		return low
	}
	return low + " to " + high
}

// againstLoop compares the best scheme with the plain loop.
func (c contest) againstLoop() []string {
	var factors []float64
	for x, best := range c.best {
		row, ok := c.at("loop", x)
		if f := meanSent.of(row); ok && best != "loop" && !f.unknown && !f.never() {
			winner, _ := c.at(best, x)
			if factor := f.value / meanSent.of(winner).value; plain(factor) {
				factors = append(factors, factor)
			}
		}
	}
	if len(factors) == 0 || slices.Max(factors) < 1.05 {
		return nil
	}
	return []string{"The plain loop sends " + rangeText(factors, func(v float64) string { return decimals(v, 1) }) +
		" times as many packets as that."}
}

// near says how far each scheme stays within a tenth of the bound, over a loss
// or a parity that grows.
func (g grid) near() []string {
	const limit = 1.1
	good := func(scheme string, x xpoint) bool {
		row, ok := g.at(scheme, x)
		f := meanSent.of(row)
		return ok && !f.unknown && f.value <= limit
	}
	points := slices.Clone(g.points)
	word := "up to"
	switch {
	case !g.swept():
		return nil
	case g.result.Parameter == "parity": // more is better
		slices.Reverse(points)
		word = "from"
	case g.result.Parameter != "loss":
		return nil
	}
	var parts []string
	for _, scheme := range g.choices() {
		n := slices.IndexFunc(points, func(x xpoint) bool { return !good(scheme, x) })
		switch {
		case n == 0:
			parts = append(parts, scheme+" nowhere")
		case n < 0:
			parts = append(parts, scheme+" everywhere")
		default:
			parts = append(parts, scheme+" "+word+" "+points[n-1].text)
		}
	}
	if len(parts) == 0 {
		return nil
	}
	return []string{"On average within 10 % of the bound, of the points measured: " + list(parts) + "."}
}

// slowest describes the last receiver, with the best scheme of each point.
func (c contest) slowest() []string {
	var found []string
	for _, scheme := range c.choices() {
		points := slices.DeleteFunc(slices.Clone(c.points), func(x xpoint) bool { return c.best[x] != scheme })
		if text := c.between(scheme, points, slowestSent); text != "" {
			found = append(found, "The slowest of "+c.n()+" needs "+text+" times the bound with "+scheme+".")
		}
	}
	return found
}

// faster says what more senders gain.
func (g grid) faster() []string {
	if g.result.Parameter != "senders" || !g.swept() {
		return nil
	}
	first, last := g.points[0], g.points[len(g.points)-1]
	var parts []string
	for _, scheme := range g.choices() {
		one, _ := g.at(scheme, first)
		more, _ := g.at(scheme, last)
		if one.Times.Goodput > 0 && more.Times.Goodput > 0 {
			parts = append(parts, scheme+" "+decimals(more.Times.Goodput/one.Times.Goodput, 2))
		}
	}
	if len(parts) == 0 {
		return nil
	}
	return []string{"Times as fast with " + last.text + " senders as with " + first.text + ": " + list(parts) + "."}
}

// ownDrops reports packets that were dropped by this host and not by the network.
func (g grid) ownDrops() []string {
	var most uint64
	for _, row := range g.result.Rows {
		if row.Measured != nil {
			most = max(most, row.Measured.OwnDrops)
		}
	}
	if most == 0 {
		return nil
	}
	return []string{"Up to " + count(most) + " packets of a row were dropped by the receivers' own hosts, so that the loss was higher than asked for: a lower rate or larger socket buffers avoid that."}
}

// list joins names as in a sentence.
func list(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// sentence makes text begin with a capital, unless it begins with a scheme.
func sentence(text string) string {
	for _, word := range []string{"at ", "from "} {
		if strings.HasPrefix(text, word) {
			text = strings.ToUpper(text[:1]) + text[1:]
		}
	}
	return text + "."
}
