// SPDX-License-Identifier: GPL-2.0-or-later

package report

import (
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"

	"iotupd/bench"
)

const hostile = "<script>alert(1)</script>\"'&\x1b[2J\x00\u202e|`*\xff\n"

// extremes are Results that a page or a plot might not be ready for.
func extremes() map[string]bench.Result {
	all := make(map[string]bench.Result)
	all["empty"] = bench.Result{}
	one := lossSweep()
	one.Rows = one.Rows[:1]
	all["one row of a sweep"] = one
	all["no parameter"] = bench.Result{Mode: "sim", Rows: []bench.Row{fixtureRow("auto", "", 1.01, 100)}}

	names := lossSweep()
	names.Parameter, names.Mode, names.Format = hostile, hostile, hostile
	names.Parameters = []string{hostile}
	for i := range names.Rows {
		r := &names.Rows[i]
		r.Scheme, r.Code, r.X, r.Loss = hostile+r.Scheme, hostile, hostile+r.X, hostile
	}
	all["hostile names"] = names

	many := bench.Result{Mode: "sim", Parameter: "loss"}
	for i := range 20 {
		for x := range 13 {
			r := fixtureRow(strings.Repeat("name ", 20)+strconv.Itoa(i), "", 1+float64(i*x)/100, 1000)
			r.X, r.XValue = strconv.Itoa(x)+"%", float64(x)/100
			many.Rows = append(many.Rows, r)
		}
	}
	all["20 schemes at 13 points"] = many

	for name, v := range map[string]float64{"NaN": math.NaN(), "never": math.Inf(1), "below": math.Inf(-1), "huge": math.MaxFloat64, "zero": 0, "negative": -1} {
		for _, parameter := range []string{"", "loss", "senders", "size"} {
			r := senderSweep()
			r.Parameter = parameter
			for i := range r.Rows {
				row := &r.Rows[i]
				fill(row, v)
				if i%2 > 0 {
					row.XValue = v
				}
			}
			all[name+" "+parameter] = r
		}
	}
	unknown := lossSweep()
	for i := range unknown.Rows {
		unknown.Rows[i].Sent, unknown.Rows[i].Received = bench.Summary{}, bench.Summary{}
	}
	all["nothing known"] = unknown
	holes := lossSweep()
	holes.Rows = append(holes.Rows[:7:7], holes.Rows[12:]...)
	all["points missing"] = holes
	return all
}

// fill makes every figure of r v.
func fill(r *bench.Row, v float64) {
	e := bench.Estimate{Value: v, Low: v, High: v}
	r.Sent.Mean, r.Sent.P50, r.Sent.P90, r.Sent.P99, r.Sent.Slowest = e, e, e, e, v
	r.Sent.CDF = []bench.Point{{X: v, Y: 0}, {X: v, Y: v}}
	r.Received = r.Sent
	r.Times = bench.Times{Half: v, Most: v, Nearly: v, All: v, Goodput: v}
	r.Overhead, r.P = v, v
	r.Measured = &bench.Measured{EncodeBytesPerSecond: v, SenderCPUSeconds: v, OwnDrops: math.MaxUint64}
}

// Whatever a Result holds, the page and the plots are well-formed, and there is
// no markup and no control sequence but our own.
func TestWellFormed(t *testing.T) {
	all := extremes()
	for _, f := range fixtures {
		all[f.name] = f.result
	}
	for name, r := range all {
		t.Run(name, func(t *testing.T) {
			for _, p := range Plots(r) {
				wellFormed(t, p.Name, p.SVG())
				if !strings.Contains(strings.Join(plotFiles, " "), p.Name+".svg") {
					t.Errorf("plot %s is not among the files of WriteDir", p.Name)
				}
			}
			page := written(t, func(w io.Writer) error { return HTML(w, r, Provenance{Command: []string{hostile}, CPU: hostile}) })
			wellFormed(t, "page", page)
			for _, width := range []int{0, 1, 20, 200} {
				printable(t, written(t, func(w io.Writer) error { return Table(w, r, width) }))
			}
			printable(t, written(t, func(w io.Writer) error { return Markdown(w, r) }))
			lines, err := csv.NewReader(bytes.NewReader(written(t, func(w io.Writer) error { return CSV(w, r) }))).ReadAll()
			if err != nil || len(lines) != 1+len(r.Rows) {
				t.Errorf("%d lines of CSV, %v; want %d", len(lines), err, 1+len(r.Rows))
			}
		})
	}
}

// wellFormed checks that a document is XML without a script, an address, or
// coordinates that are not numbers.
func wellFormed(t *testing.T, name string, doc []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(doc))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "script" {
			t.Errorf("%s has a script", name)
		}
	}
	rest := strings.ReplaceAll(string(doc), "http://www.w3.org/2000/svg", "")
	for _, bad := range []string{"http:", "https:", "src=", "url(", "href", "NaN", "Inf", "\x1b", "\u202e"} {
		if strings.Contains(rest, bad) {
			t.Errorf("%s contains %q", name, bad)
		}
	}
}

func printable(t *testing.T, text []byte) {
	t.Helper()
	for _, r := range string(text) {
		if r != '\n' && !strconv.IsPrint(r) {
			t.Errorf("%q is in the text", r)
			return
		}
	}
}

// A table is as wide as it may be, and has the same content at any width.
func TestTableWidth(t *testing.T) {
	for _, f := range fixtures {
		for _, width := range []int{60, 80, 120, 200} {
			out := written(t, func(w io.Writer) error { return Table(w, f.result, width) })
			for line := range strings.Lines(string(out)) {
				if n := runes(strings.TrimSuffix(line, "\n")); n > width {
					t.Errorf("%s: a line of %d columns, want at most %d:\n%s", f.name, n, width, line)
				}
			}
			for _, row := range f.result.Rows {
				if want := sentOrFailed(row).text; !bytes.Contains(out, []byte(want)) {
					t.Errorf("%s at width %d: %s is missing", f.name, width, want)
				}
			}
		}
	}
}

// What cannot be written as JSON is named.
func TestJSONOfNaN(t *testing.T) {
	r := lossSweep()
	r.Rows[3].Sent.Mean.Value = math.NaN()
	err := JSON(io.Discard, r)
	if want := `row 4 ("loop" at "50%")`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want an error with %s", err, want)
	}
}

// Whoever writes to a full disk hears of it.
func TestWriteErrors(t *testing.T) {
	full := errors.New("no space")
	w := writerFunc(func([]byte) (int, error) { return 0, full })
	r := lossSweep()
	for name, err := range map[string]error{
		"table": Table(w, r, 80), "markdown": Markdown(w, r), "csv": CSV(w, r), "json": JSON(w, r), "html": HTML(w, r, Provenance{}),
	} {
		if !errors.Is(err, full) {
			t.Errorf("%s: got %v, want %v", name, err, full)
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }
