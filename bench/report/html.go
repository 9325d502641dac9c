// SPDX-License-Identifier: GPL-2.0-or-later

package report

import (
	"io"
	"strconv"
	"strings"
	"time"

	"iotupd/bench"
)

// HTML writes one page that needs no other file and no script: the parameters,
// the findings, the plots, all tables, and the meaning of the figures. It returns
// the error of w.
func HTML(w io.Writer, r bench.Result, p Provenance) error {
	g := newGrid(r)
	var pg page
	pg.head(g.title())
	pg.asked(g, p)
	pg.items("Findings", g.findings())
	for _, plot := range Plots(r) {
		pg.add("<figure>", plot.element(""), "</figure>")
	}
	pg.add("<h2>Tables</h2>")
	for _, b := range g.full() {
		pg.table(b)
	}
	pg.items("What the figures mean", append(g.notes(), method(r.Mode)...))
	pg.columns()
	pg.add("</main></body></html>")
	_, err := io.WriteString(w, pg.String())
	return err
}

// title names the experiment.
func (g grid) title() string {
	if !g.swept() {
		return "iotupd bench"
	}
	return "iotupd bench: " + g.result.Parameter + " " + g.points[0].text + " to " + g.points[len(g.points)-1].text
}

// method says how the figures came about.
func method(mode string) []string {
	const (
		interval = "Confidence intervals hold the true figure in about 95 of 100 experiments: for means by the bootstrap, for quantiles from the order of the values, without any assumption on their distribution."
		same     = "The same version, seed and flags give the same result.csv, result.json and plots, byte for byte, on every machine."
		times    = "Times run from a receiver's join. Overhead, which is digests and manifests, is not among the packets; it is reported separately."
	)
	switch mode {
	case "model":
		return []string{"The model computes the distributions for independent losses without drawing any random number. It counts whole groups of equal size.", times, same}
	case "net":
		return []string{"Processes of this program sent to each other; losses were drawn in the receivers, from the seed. Speeds and times depend on the machine and what else it did.", times, interval}
	}
	return []string{"The sender and the receiver that are shipped ran in virtual time, without sockets. Losses are drawn from the seed, for every receiver on its own, and all schemes see the same ones.", times, interval, same}
}

// A page collects HTML elements.
type page struct{ canvas }

const pageCSS = `:root{color-scheme:light dark}
body{margin:0;background:#fff;color:#222;font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif}
main{max-width:880px;margin:0 auto;padding:24px 20px 60px}
h1{font-size:26px;line-height:1.2;margin:12px 0 18px}
h2{font-size:19px;margin:36px 0 10px}
pre{background:#f4f5f7;border-radius:6px;padding:12px 14px;overflow-x:auto;white-space:pre-wrap;overflow-wrap:anywhere;font:13px/1.5 ui-monospace,"DejaVu Sans Mono",monospace}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(250px,1fr));gap:3px 24px;margin:12px 0}
dl div{display:flex;gap:10px}
dt{color:#666}
dd{margin:0;overflow-wrap:anywhere}
li{margin:5px 0}
figure{margin:26px 0;break-inside:avoid}
.plot{display:block;width:100%;height:auto}
.scroll{overflow-x:auto;margin:18px 0;break-inside:avoid}
table{border-collapse:collapse;font-size:13.5px;font-variant-numeric:tabular-nums}
caption{text-align:left;font-weight:600;padding:4px 0}
th,td{padding:3px 14px 3px 0;text-align:right;white-space:nowrap;border-bottom:1px solid #e3e5e8}
th{font-weight:500;color:#555}
th:first-child,.text td{text-align:left}
.text td{white-space:normal}
td span{color:#777;font-size:12px}
@media screen and (prefers-color-scheme:dark){
body{background:#14171c;color:#d5d9df}
pre{background:#1d2128}
dt,th{color:#969ca6}
td span{color:#8a909a}
th,td{border-color:#2b3038}
}
@media print{body{font-size:11pt}main{max-width:none;padding:0}h2{break-after:avoid}.scroll{overflow:visible}table{font-size:9pt}}
`

func (pg *page) head(title string) {
	pg.add(`<!DOCTYPE html>`)
	pg.add(`<html lang="en"><head><meta charset="utf-8"/>`)
	pg.add(`<meta name="viewport" content="width=device-width,initial-scale=1"/>`)
	pg.add(`<title>`, escape(title), "</title>")
	pg.add("<style>\n", pageCSS, plotCSS(), "</style></head>")
	pg.add("<body><main>")
	pg.add("<h1>", escape(title), "</h1>")
}

// asked writes what was to be found out, and on what.
func (pg *page) asked(g grid, p Provenance) {
	if len(p.Command) > 0 {
		pg.add("<pre>", escape(p.commandLine()), "</pre>")
	}
	pg.add("<dl>")
	term := func(name, value string) {
		if value != "" {
			pg.add("<div><dt>", name, "</dt><dd>", escape(value), "</dd></div>")
		}
	}
	term("mode", map[string]string{"sim": "sim, in virtual time",
		"model": "model, exact for independent loss", "net": "net, real processes"}[g.result.Mode])
	term("seed", strconv.FormatUint(g.result.Seed, 10))
	for _, parameter := range g.fixed() {
		name, value, _ := strings.Cut(parameter, "=")
		term(escape(name), value)
	}
	term("version", p.Program)
	term("compiler", p.Go)
	cpu := p.CPU
	if p.CPUs > 0 {
		cpu += " (" + strconv.Itoa(p.CPUs) + " in use)"
	}
	term("CPU", cpu)
	term("system", p.System)
	if !p.Started.IsZero() {
		term("date", p.Started.Format(time.RFC3339))
	}
	if p.Took > 0 {
		term("took", seconds(p.Took.Seconds()))
	}
	pg.add("</dl>")
}

// items writes a list with a title, if there are any.
func (pg *page) items(title string, items []string) {
	if len(items) == 0 {
		return
	}
	pg.add("<h2>", title, "</h2>\n<ul>")
	for _, item := range items {
		pg.add("<li>", escape(item), "</li>")
	}
	pg.add("</ul>")
}

func (pg *page) table(b block) {
	pg.add(`<div class="scroll"><table><caption>`, escape(b.title), "</caption>")
	pg.add("<thead><tr><th>", escape(b.corner), "</th>")
	for _, head := range b.heads {
		pg.add("<th>", escape(head), "</th>")
	}
	pg.add("</tr></thead><tbody>")
	for i, name := range b.names {
		pg.add("<tr><th>", escape(name), "</th>")
		for _, e := range b.rows[i] {
			if e.spread != "" {
				pg.add("<td>", escape(e.text), " <span>", escape(e.spread), "</span></td>")
			} else {
				pg.add("<td>", escape(e.text), "</td>")
			}
		}
		pg.add("</tr>")
	}
	pg.add("</tbody></table></div>")
}

// columns says what is in each column of the CSV.
func (pg *page) columns() {
	pg.add("<h2>Columns of result.csv</h2>")
	pg.add(`<div class="scroll"><table class="text"><tbody>`)
	for _, f := range fields() {
		pg.add("<tr><th>", escape(f.name), "</th><td>", escape(f.text), "</td></tr>")
	}
	pg.add("</tbody></table></div>")
}
