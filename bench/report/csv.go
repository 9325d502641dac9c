// SPDX-License-Identifier: GPL-2.0-or-later

package report

import (
	"encoding/csv"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"iotupd/bench"
)

// csvVersion is the version of the columns: it changes if one gets another meaning.
const csvVersion = "1"

// A field is a column of the CSV. New ones go to the end.
type field struct {
	name, text string
	of         func(bench.Result, bench.Row) string
}

// fields returns the columns of the CSV, in their order, the same in all modes.
func fields() []field {
	return slices.Concat(
		[]field{
			{"version", "of the format", func(bench.Result, bench.Row) string { return csvVersion }},
			{"mode", "sim, model or net", func(r bench.Result, _ bench.Row) string { return r.Mode }},
			{"seed", "of the random numbers", func(r bench.Result, _ bench.Row) string { return strconv.FormatUint(r.Seed, 10) }},
			{"fixed", "parameters that are not swept, as name=value, with blanks between", func(r bench.Result, _ bench.Row) string { return strings.Join(r.Parameters, " ") }},
			{"parameter", "that is swept, empty without a sweep", func(r bench.Result, _ bench.Row) string { return r.Parameter }},
			{"x", "its value, as on the command line", func(_ bench.Result, r bench.Row) string { return r.X }},
			{"x_value", "the same as a number: a share of 1, bytes, packets or a count", number(func(r bench.Row) float64 { return r.XValue })},
			{"scheme", "as asked for", func(_ bench.Result, r bench.Row) string { return r.Scheme }},
			{"code", "what that came to: code, data + parity shards of a group x groups", func(_ bench.Result, r bench.Row) string { return r.Code }},
			{"loss", "the model of loss", func(_ bench.Result, r bench.Row) string { return r.Loss }},
			{"p", "its mean, a share of 1", number(func(r bench.Row) float64 { return r.P })},
			{"senders", "at the same time", integer(func(r bench.Row) int { return r.Senders })},
			{"trials", "", integer(func(r bench.Row) int { return r.Trials })},
			{"receivers", "of a trial", integer(func(r bench.Row) int { return r.Receivers })},
			{"completed", "receivers of all trials that did", integer(func(r bench.Row) int { return r.Completed })},
		},
		summaryFields("sent", "packets sent from join to completion over K/(1-p)", func(r bench.Row) bench.Summary { return r.Sent }),
		summaryFields("received", "packets received from join to completion over K", func(r bench.Row) bench.Summary { return r.Received }),
		[]field{
			{"time_p50_seconds", "until half of the receivers were done, mean of the trials; inf: they never were", duration(func(t bench.Times) float64 { return t.Half })},
			{"time_p90_seconds", "the same for 90 %", duration(func(t bench.Times) float64 { return t.Most })},
			{"time_p99_seconds", "the same for 99 %", duration(func(t bench.Times) float64 { return t.Nearly })},
			{"time_all_seconds", "the same for all", duration(func(t bench.Times) float64 { return t.All })},
			{"goodput_bits_per_second", "bits of the file over the mean time", number(func(r bench.Row) float64 { return r.Times.Goodput })},
			{"overhead", "digests and manifests, over DATA and PARITY packets", number(func(r bench.Row) float64 { return r.Overhead })},
			{"encode_bytes_per_second", "this and all that follow: mode net only", measured(func(m bench.Measured) float64 { return m.EncodeBytesPerSecond })},
			{"decode_bytes_per_second", "", measured(func(m bench.Measured) float64 { return m.DecodeBytesPerSecond })},
			{"sender_cpu_seconds", "", measured(func(m bench.Measured) float64 { return m.SenderCPUSeconds })},
			{"receiver_cpu_seconds", "mean of the receivers", measured(func(m bench.Measured) float64 { return m.ReceiverCPUSeconds })},
			{"sender_peak_bytes", "of memory", measured(func(m bench.Measured) float64 { return float64(m.SenderPeakBytes) })},
			{"receiver_peak_bytes", "of memory, of the receiver with the most", measured(func(m bench.Measured) float64 { return float64(m.ReceiverPeakBytes) })},
			{"own_drops", "packets dropped by the receivers' own hosts", measured(func(m bench.Measured) float64 { return float64(m.OwnDrops) })},
			{"forged_heard", "forged packets that receivers heard; this and all that follow: pollution only", forged(func(f bench.Forged) float64 { return float64(f.Heard) })},
			{"forged_refused", "of forged_heard, recognised on arrival", forged(func(f bench.Forged) float64 { return float64(f.Refused) })},
			{"forged_stored", "of forged_heard, accepted as genuine at first", forged(func(f bench.Forged) float64 { return float64(f.Stored) })},
			{"failed", "share of the receivers that gave up or were given up", forged(func(f bench.Forged) float64 { return f.Failed.Value })},
			{"failed_low", "", forged(func(f bench.Forged) float64 { return f.Failed.Low })},
			{"failed_high", "", forged(func(f bench.Forged) float64 { return f.Failed.High })},
			{"restarts", "wrong files, recognized by their SHA-256", forged(func(f bench.Forged) float64 { return float64(f.Restarts) })},
			{"wrong", "wrong files that were delivered", forged(func(f bench.Forged) float64 { return float64(f.Wrong) })},
			{"carries", "highest level that the bottleneck carries; this and all that follow: layers only", layered(func(l bench.Layered) string { return strconv.Itoa(l.Carries) })},
			{"off", "share of the time without any layer, from 90 s after the join on", layered(func(l bench.Layered) string { return shortest(l.Off) })},
			{"levels", "shares of the time at each level, with blanks between", layered(func(l bench.Layered) string { return shares(l.Levels) })},
			{"changes_per_hour", "of the level", layered(func(l bench.Layered) string { return shortest(l.Changes) })},
			{"lost", "share of the packets of joined layers", layered(func(l bench.Layered) string { return shortest(l.Lost) })},
			{"optimum", "least mean that an ideal code makes possible, in the unit of sent_mean; this and all that follow: set only", ofSet(func(s bench.SetFigures) float64 { return s.Optimum })},
			{"optimum_constant", "the same where packets of all files alternate", ofSet(func(s bench.SetFigures) float64 { return s.Constant })},
		},
	)
}

// summaryFields are the columns for one distribution. Of every figure, the
// 95 % confidence interval follows.
func summaryFields(name, text string, of func(bench.Row) bench.Summary) []field {
	all := []field{
		{name + "_n", "receivers behind the figures that follow; with 0, these are empty", integer(func(r bench.Row) int { return of(r).N })},
		{name + "_mean", text + ": mean; inf: never", summary(of, func(s bench.Summary) float64 { return s.Mean.Value })},
		{name + "_mean_low", "ends of the 95 % confidence interval; 0 or inf: no bound, as n is too small", summary(of, func(s bench.Summary) float64 { return s.Mean.Low })},
		{name + "_mean_high", "", summary(of, func(s bench.Summary) float64 { return s.Mean.High })},
	}
	for _, q := range []struct {
		name, text string
		of         func(bench.Summary) bench.Estimate
	}{
		{"_p50", "half of the receivers need at most this", func(s bench.Summary) bench.Estimate { return s.P50 }},
		{"_p90", "90 % need at most this", func(s bench.Summary) bench.Estimate { return s.P90 }},
		{"_p99", "99 % need at most this", func(s bench.Summary) bench.Estimate { return s.P99 }},
	} {
		all = append(all,
			field{name + q.name, q.text, summary(of, func(s bench.Summary) float64 { return q.of(s).Value })},
			field{name + q.name + "_low", "", summary(of, func(s bench.Summary) float64 { return q.of(s).Low })},
			field{name + q.name + "_high", "", summary(of, func(s bench.Summary) float64 { return q.of(s).High })})
	}
	return append(all, field{name + "_slowest", "the receiver that needs the most", summary(of, func(s bench.Summary) float64 { return s.Slowest })})
}

// CSV writes r with one line for every row, after a line with the names of the
// columns, which stay the same in all modes. The HTML page says what each holds.
// The error is that of w.
func CSV(w io.Writer, r bench.Result) error {
	out := csv.NewWriter(w)
	columns := fields()
	line := make([]string, len(columns))
	for i, f := range columns {
		line[i] = f.name
	}
	if err := out.Write(line); err != nil {
		return err
	}
	for _, row := range r.Rows {
		for i, f := range columns {
			line[i] = f.of(r, row)
		}
		if err := out.Write(line); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func integer(of func(bench.Row) int) func(bench.Result, bench.Row) string {
	return func(_ bench.Result, r bench.Row) string { return strconv.Itoa(of(r)) }
}

func number(of func(bench.Row) float64) func(bench.Result, bench.Row) string {
	return func(_ bench.Result, r bench.Row) string { return shortest(of(r)) }
}

func duration(of func(bench.Times) float64) func(bench.Result, bench.Row) string {
	return number(func(r bench.Row) float64 { return positive(of(r.Times)).value })
}

// summary is empty if nothing is known.
func summary(of func(bench.Row) bench.Summary, value func(bench.Summary) float64) func(bench.Result, bench.Row) string {
	return func(_ bench.Result, r bench.Row) string {
		if of(r).N == 0 {
			return ""
		}
		return shortest(value(of(r)))
	}
}

// measured is empty but in mode net.
func measured(of func(bench.Measured) float64) func(bench.Result, bench.Row) string {
	return func(_ bench.Result, r bench.Row) string {
		if r.Measured == nil {
			return ""
		}
		return shortest(of(*r.Measured))
	}
}

// forged is empty but in a pollution.
func forged(of func(bench.Forged) float64) func(bench.Result, bench.Row) string {
	return func(_ bench.Result, r bench.Row) string {
		if r.Forged == nil {
			return ""
		}
		return shortest(of(*r.Forged))
	}
}

// layered is empty but in an experiment of layers.
func layered(of func(bench.Layered) string) func(bench.Result, bench.Row) string {
	return func(_ bench.Result, r bench.Row) string {
		if r.Layered == nil {
			return ""
		}
		return of(*r.Layered)
	}
}

// ofSet is empty but in an experiment with several files.
func ofSet(of func(bench.SetFigures) float64) func(bench.Result, bench.Row) string {
	return func(_ bench.Result, r bench.Row) string {
		if r.Set == nil {
			return ""
		}
		return shortest(of(*r.Set))
	}
}

func shares(all []float64) string {
	text := make([]string, len(all))
	for i, v := range all {
		text[i] = shortest(v)
	}
	return strings.Join(text, " ")
}

// shortest formats v with the fewest digits that read back as v, inf for what
// is infinite.
func shortest(v float64) string {
	if math.IsInf(v, 0) {
		return "inf"
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}
