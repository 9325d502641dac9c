// SPDX-License-Identifier: GPL-2.0-or-later

// Package report shows a [bench.Result] to people and to programs: as a table
// for the terminal or for Markdown, as CSV and JSON, as SVG plots, and as one
// HTML page with all of it that needs nothing else. [WriteDir] writes them all.
//
// The same Result gives the same bytes on every CPU, except for the HTML page and
// run.json, which contain the [Provenance] too. Nothing reads a clock. Text in a
// Result may come from anywhere: whatever could be markup or a control sequence
// is escaped or replaced. Functions may be called concurrently.
package report
