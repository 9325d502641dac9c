// SPDX-License-Identifier: GPL-2.0-or-later

package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"

	"iotupd/bench"
)

// Limits of what [ReadJSON] accepts. They are far beyond any experiment, and
// keep a wrong file from filling the memory.
const (
	maxBytes  = 64 << 20
	maxRows   = 10000
	maxPoints = 1000 // of a curve
	maxText   = 1000 // bytes of a name
	maxFixed  = 100  // parameters
	maxFigure = 1e15
)

// JSON writes r with a line for every row. What is infinite is null. The error
// is that of w, or says which figure is not a number.
func JSON(w io.Writer, r bench.Result) error {
	rows := r.Rows
	r.Rows = []bench.Row{}
	out, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	out = bytes.TrimSuffix(out, []byte("]}"))
	for i, row := range rows {
		line, err := json.Marshal(row)
		if err != nil {
			return fmt.Errorf("report: %s: %w", place(i, row), err)
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(out, '\n'), line...)
	}
	_, err = w.Write(append(out, "\n]}\n"...))
	return err
}

// ReadJSON reads what [JSON] wrote. Whatever else comes is refused with an
// error that says where it is wrong: of the Result it returns, all figures are
// finite, or +Inf where [bench.Summary] says so, and none is negative.
func ReadJSON(rd io.Reader) (bench.Result, error) {
	in, err := io.ReadAll(io.LimitReader(rd, maxBytes+1))
	if err != nil {
		return bench.Result{}, fmt.Errorf("report: read: %w", err)
	}
	if len(in) > maxBytes {
		return bench.Result{}, fmt.Errorf("report: more than %d MiB: this is not a result of bench", maxBytes>>20)
	}
	r, err := decode(in)
	if err != nil {
		return bench.Result{}, fmt.Errorf("report: this is not a result of bench: %w", readable(err))
	}
	if err := check(r); err != nil {
		return bench.Result{}, fmt.Errorf("report: this is not a result of bench: %w", err)
	}
	return r, nil
}

// readable says where in the file the decoder stopped.
func readable(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("byte %d: %w", syntax.Offset, err)
	case errors.As(err, &kind):
		return fmt.Errorf("%s cannot be a %s", kind.Field, kind.Value)
	}
	return err
}

func place(i int, r bench.Row) string {
	return fmt.Sprintf("row %d (%.40q at %.40q)", i+1, r.Scheme, r.X)
}

// check returns what is wrong with r, nil if nothing is.
func check(r bench.Result) error {
	if r.Format != bench.ResultFormat {
		return fmt.Errorf("the format is %.40q, want %q", r.Format, bench.ResultFormat)
	}
	if r.Mode != "sim" && r.Mode != "model" && r.Mode != "net" {
		return fmt.Errorf("mode is %.40q, want sim, model or net", r.Mode)
	}
	if len(r.Parameters) > maxFixed {
		return fmt.Errorf("%d fixed parameters, want at most %d", len(r.Parameters), maxFixed)
	}
	if len(r.Rows) == 0 || len(r.Rows) > maxRows {
		return fmt.Errorf("%d rows, want 1 to %d", len(r.Rows), maxRows)
	}
	for _, text := range append([]string{r.Parameter}, r.Parameters...) {
		if len(text) > maxText {
			return fmt.Errorf("a text of %d bytes, want at most %d: %.40q...", len(text), maxText, text)
		}
	}
	for i, row := range r.Rows {
		if err := checkRow(row); err != nil {
			return fmt.Errorf("%s: %w", place(i, row), err)
		}
	}
	return nil
}

func checkRow(r bench.Row) error {
	if r.Scheme == "" {
		return errors.New("it has no scheme")
	}
	for _, text := range []string{r.Scheme, r.Code, r.X, r.Loss} {
		if len(text) > maxText {
			return fmt.Errorf("a text of %d bytes, want at most %d: %.40q...", len(text), maxText, text)
		}
	}
	for _, n := range []int{r.Trials, r.Receivers, r.Completed, r.Senders, r.Sent.N, r.Received.N} {
		if n < 0 {
			return errors.New("a number of trials, receivers or senders is negative")
		}
	}
	if int64(r.Completed) > int64(r.Trials)*int64(r.Receivers) {
		return fmt.Errorf("%d receivers completed of %d trials of %d", r.Completed, r.Trials, r.Receivers)
	}
	figures := []float64{r.XValue, r.P, r.Overhead, r.Times.Half, r.Times.Most, r.Times.Nearly, r.Times.All, r.Times.Goodput}
	if m := r.Measured; m != nil {
		figures = append(figures, m.EncodeBytesPerSecond, m.DecodeBytesPerSecond, m.SenderCPUSeconds, m.ReceiverCPUSeconds)
	}
	if l := r.Layered; l != nil {
		figures = append(append(figures, l.Off, l.Changes, l.Lost, float64(l.Carries)), l.Levels...)
		if len(l.Levels) > maxPoints {
			return fmt.Errorf("%d levels", len(l.Levels))
		}
	}
	if s := r.Set; s != nil {
		figures = append(figures, s.Optimum, s.Constant)
	}
	if f := r.Forged; f != nil {
		figures = append(figures, f.Failed.Low, f.Failed.Value, f.Failed.High, float64(f.Restarts), float64(f.Wrong))
	}
	for _, v := range figures {
		if err := checkFigure(v); err != nil {
			return err
		}
	}
	if err := checkSummary(r.Sent); err != nil {
		return fmt.Errorf("sent: %w", err)
	}
	if err := checkSummary(r.Received); err != nil {
		return fmt.Errorf("received: %w", err)
	}
	return nil
}

func checkSummary(s bench.Summary) error {
	for _, e := range []bench.Estimate{s.Mean, s.P50, s.P90, s.P99, certain(s.Slowest)} {
		for _, v := range []float64{e.Low, e.Value, e.High} {
			if err := checkFigure(v); err != nil && !math.IsInf(v, 1) {
				return err
			}
		}
		if e.Low > e.Value || e.Value > e.High {
			return fmt.Errorf("%v is outside its interval, %v to %v", e.Value, e.Low, e.High)
		}
	}
	if len(s.CDF) > maxPoints {
		return fmt.Errorf("a curve of %d points, want at most %d", len(s.CDF), maxPoints)
	}
	last := bench.Point{}
	for _, p := range s.CDF {
		if checkFigure(p.X) != nil || p.X < last.X || !(p.Y >= last.Y && p.Y <= 1) {
			return fmt.Errorf("the curve does not rise from 0 to 1 at x = %v", p.X)
		}
		last = p
	}
	return nil
}

func checkFigure(v float64) error {
	if v >= 0 && v <= maxFigure {
		return nil
	}
	return fmt.Errorf("a figure is %v, want 0 to %v", v, maxFigure)
}
