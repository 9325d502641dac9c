// SPDX-License-Identifier: GPL-2.0-or-later

package report

import (
	"io"
	"strings"

	"iotupd/bench"
)

// Markdown writes the tables of [Table] as GitHub shows them. The error is that
// of w.
func Markdown(w io.Writer, r bench.Result) error {
	g := newGrid(r)
	var out strings.Builder
	for _, b := range g.summary() {
		out.WriteString("**" + markdownText(b.title) + "**\n\n| " + markdownText(b.corner) + " |")
		for _, head := range b.heads {
			out.WriteString(" " + markdownText(head) + " |")
		}
		out.WriteString("\n|---|" + strings.Repeat("--:|", len(b.heads)) + "\n")
		for i, name := range b.names {
			out.WriteString("| " + markdownText(name) + " |")
			for _, e := range b.rows[i] {
				out.WriteString(" " + strings.TrimSpace(markdownText(e.text)+" "+e.spread) + " |")
			}
			out.WriteByte('\n')
		}
		out.WriteByte('\n')
	}
	for _, note := range g.notes() {
		out.WriteString("- " + markdownText(note) + "\n")
	}
	_, err := io.WriteString(w, out.String())
	return err
}

var markdownEscaper = strings.NewReplacer(`\`, `\\`, "|", `\|`, "*", `\*`, "_", `\_`, "`", "\\`",
	"[", `\[`, "]", `\]`, "<", "&lt;", ">", "&gt;", "&", "&amp;", "~", `\~`)

// markdownText makes s plain text inside a cell.
func markdownText(s string) string { return markdownEscaper.Replace(clean(s)) }
