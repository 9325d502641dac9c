// SPDX-License-Identifier: GPL-2.0-or-later

package report

import (
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"iotupd/bench"
)

// Table writes r as text for people, in lines of at most width columns as far
// as a column of figures fits, 80 if width is not positive. With a sweep, a
// table has a line for every scheme and a column for every point. The error is
// that of w.
func Table(w io.Writer, r bench.Result, width int) error {
	width = positiveWidth(width)
	g := newGrid(r)
	var out strings.Builder
	for _, b := range g.summary() {
		b.appendText(&out, width)
		out.WriteByte('\n')
	}
	for _, note := range g.notes() {
		for _, line := range wrap(clean(note), width) {
			out.WriteString(line)
			out.WriteByte('\n')
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func positiveWidth(width int) int {
	if width <= 0 {
		return 80
	}
	return width
}

// appendText writes b, its columns side by side as far as width allows and the
// rest below. It leaves out the spreads where that saves lines.
func (b block) appendText(out *strings.Builder, width int) {
	names := runes(b.corner)
	for _, name := range b.names {
		names = max(names, runes(shorten(clean(name), mostName)))
	}
	cut := chunks(b.columns(spreads), width-names)
	if narrow := chunks(b.columns(noSpreads), width-names); len(narrow) < len(cut) {
		cut = narrow
		b.title += b.widest()
	}
	for i, columns := range cut {
		if i == 0 {
			out.WriteString(clean(b.title) + "\n")
		}
		line := pad(clean(b.corner), names)
		for _, c := range columns {
			line += "  " + c.head
		}
		out.WriteString(strings.TrimRight(line, " ") + "\n")
		for j, name := range b.names {
			line := pad(shorten(clean(name), mostName), names)
			for _, c := range columns {
				line += "  " + c.cells[j]
			}
			out.WriteString(strings.TrimRight(line, " ") + "\n")
		}
	}
}

// A column is one column of a block as text, all of the same width.
type column struct {
	head  string
	cells []string
}

type spreadMode int

const (
	spreads spreadMode = iota
	noSpreads
)

// columns sets every column of b with its decimal points below one another.
func (b block) columns(mode spreadMode) []column {
	columns := make([]column, len(b.heads))
	for i, head := range b.heads {
		head = clean(head)
		var before, after, words, spread int
		for _, row := range b.rows {
			left, right, number := splitPoint(row[i].text)
			if number {
				before, after = max(before, runes(left)), max(after, runes(right))
			} else {
				words = max(words, runes(left))
			}
			if mode == spreads {
				spread = max(spread, runes(row[i].spread))
			}
		}
		before = max(before, max(words, runes(head))-after)
		columns[i].head = flushRight(head, before+after)
		for _, row := range b.rows {
			text := row[i].text
			if left, right, number := splitPoint(text); number {
				text = flushRight(left, before) + pad(right, after)
			}
			columns[i].cells = append(columns[i].cells, flushRight(text, before+after))
		}
		if spread > 0 {
			columns[i].head += strings.Repeat(" ", 1+spread)
			for j, row := range b.rows {
				columns[i].cells[j] += " " + pad(row[i].spread, spread)
			}
		}
	}
	return columns
}

// widest describes the spreads in b: " (±.09 at most, ±? at p90, p99)".
func (b block) widest() string {
	most, widest := 0.0, ""
	var unbounded []string
	for _, row := range b.rows {
		for i, e := range row {
			if e.spread == noBounds && !slices.Contains(unbounded, b.heads[i]) {
				unbounded = append(unbounded, b.heads[i])
			}
			v, err := strconv.ParseFloat(strings.TrimPrefix(e.spread, "±"), 64)
			if err == nil && v > most {
				most, widest = v, e.spread+" at most"
			}
		}
	}
	var parts []string
	if widest != "" {
		parts = append(parts, widest)
	}
	if unbounded != nil {
		parts = append(parts, noBounds+" at "+strings.Join(unbounded, ", "))
	}
	if parts == nil {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// chunks splits columns into lines of at most width, at least one a line.
func chunks(columns []column, width int) [][]column {
	var lines [][]column
	used := 0
	for _, c := range columns {
		n := 2 + runes(c.head)
		if len(lines) == 0 || used+n > width {
			lines = append(lines, nil)
			used = 0
		}
		used += n
		lines[len(lines)-1] = append(lines[len(lines)-1], c)
	}
	return lines
}

// splitPoint splits a number before its decimal point, or else before its unit.
func splitPoint(s string) (left, right string, number bool) {
	if s == "" || s[0] < '0' || s[0] > '9' {
		return s, "", false
	}
	i := strings.IndexByte(s, '.')
	if i < 0 {
		i = strings.IndexByte(s, ' ')
	}
	if i < 0 {
		i = len(s)
	}
	return s[:i], s[i:], true
}

func runes(s string) int { return utf8.RuneCountInString(s) }

// pad adds blanks after s up to n runes.
func pad(s string, n int) string { return s + strings.Repeat(" ", max(0, n-runes(s))) }

// flushRight adds blanks before s up to n runes.
func flushRight(s string, n int) string { return strings.Repeat(" ", max(0, n-runes(s))) + s }

// shorten cuts s to n runes, and says so where something is missing: not at the
// end, where names of schemes often differ.
func shorten(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	tail := n / 2
	return string(r[:n-1-tail]) + "…" + string(r[len(r)-tail:])
}

// wrap breaks s into lines of at most width runes, between words; a longer word
// is cut.
func wrap(s string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.SplitSeq(s, " ") {
		if line != "" && runes(line)+1+runes(word) > width {
			lines = append(lines, line)
			line = ""
		} else if line != "" {
			line += " "
		}
		for line += word; runes(line) > width; {
			r := []rune(line)
			lines = append(lines, string(r[:width]))
			line = string(r[width:])
		}
	}
	return append(lines, line)
}
