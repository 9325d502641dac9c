// SPDX-License-Identifier: GPL-2.0-or-later

package report

import (
	"math"
	"strconv"
	"strings"

	"iotupd/bench"
)

// A figure is one number of a row, with its confidence interval if it has one:
// low is 0 or high +Inf where that side has no bound, both are value where
// nothing is uncertain. The value +Inf is never: not so many receivers
// completed.
type figure struct {
	value, low, high float64
	unknown          bool // there is no such number
}

// A metric is a kind of figure.
type metric struct {
	name   string // in text
	title  string // of a table or plot
	of     func(bench.Row) figure
	format func(float64) string
}

var (
	meanSent = metric{"mean", "Mean of packets sent / bound",
		func(r bench.Row) figure { return of(r.Sent, r.Sent.Mean) }, ratio}
	p50Sent = metric{"p50", "Half of the receivers: packets sent / bound",
		func(r bench.Row) figure { return of(r.Sent, r.Sent.P50) }, ratio}
	p90Sent = metric{"p90", "90 % of the receivers: packets sent / bound",
		func(r bench.Row) figure { return of(r.Sent, r.Sent.P90) }, ratio}
	p99Sent = metric{"p99", "99 % of the receivers: packets sent / bound",
		func(r bench.Row) figure { return of(r.Sent, r.Sent.P99) }, ratio}
	slowestSent = metric{"slowest", "Slowest receiver: packets sent / bound",
		func(r bench.Row) figure { return of(r.Sent, certain(r.Sent.Slowest)) }, ratio}
	meanReceived = metric{"received/K", "Mean of packets received / K",
		func(r bench.Row) figure { return of(r.Received, r.Received.Mean) }, ratio}
	timeAll = metric{"all done", "Time until all receivers were done",
		func(r bench.Row) figure { return positive(r.Times.All) }, seconds}
	goodput = metric{"goodput", "Goodput",
		func(r bench.Row) figure { return positive(r.Times.Goodput) }, bitRate}
	overhead = metric{"overhead", "Digests, outlines and manifests, over DATA and PARITY packets",
		func(r bench.Row) figure { return figure{value: r.Overhead, low: r.Overhead, high: r.Overhead} }, percent}
)

// of is estimate e of s.
func of(s bench.Summary, e bench.Estimate) figure {
	return figure{e.Value, e.Low, e.High, s.N == 0 || math.IsNaN(e.Value)}
}

// certain is an estimate without an interval.
func certain(v float64) bench.Estimate { return bench.Estimate{Value: v, Low: v, High: v} }

// positive is a figure that is never reached if it is zero.
func positive(v float64) figure {
	if v <= 0 {
		v = math.Inf(1)
	}
	return figure{value: v, low: v, high: v}
}

// never reports whether too few receivers completed for f.
func (f figure) never() bool { return math.IsInf(f.value, 0) }

// bounded reports whether f has an interval with two ends.
func (f figure) bounded() bool {
	return !f.never() && !f.unknown && f.low > 0 && f.low <= f.value && f.value <= f.high && !math.IsInf(f.high, 0) && f.low < f.high
}

// unbounded reports whether the sample is too small to bound f at both sides.
func (f figure) unbounded() bool {
	return !f.never() && !f.unknown && f.value > 0 && (f.low <= 0 || math.IsInf(f.high, 1))
}

// ratio formats a multiple with four digits near 1, where they matter, and
// three elsewhere.
func ratio(v float64) string { return decimals(v, ratioPlaces(v)) }

func ratioPlaces(v float64) int {
	switch {
	case v < 1.9995:
		return 3
	case v < 9.995:
		return 2
	case v < 99.95:
		return 1
	}
	return 0
}

// noBounds is the spread of an unbounded figure.
const noBounds = "±?"

// plusMinus formats how far the interval of f reaches from it, with as many
// places as f itself: ±.002. It is ±? if an end is missing, and empty if nothing is
// uncertain.
func plusMinus(f figure) string {
	if f.unbounded() {
		return noBounds
	}
	if !f.bounded() {
		return ""
	}
	reach := max(f.high-f.value, f.value-f.low)
	return "±" + strings.TrimPrefix(decimals(reach, ratioPlaces(f.value)), "0")
}

// percent formats a fraction: 0.1 is 10 %.
func percent(v float64) string {
	v = float64(v * 100)
	if v < 9.95 && v > 0 {
		return trim(decimals(v, 2)) + " %"
	}
	return trim(decimals(v, 1)) + " %"
}

// seconds formats a time with three digits, long ones in minutes or hours.
func seconds(v float64) string {
	switch {
	case v < 9.995:
		return decimals(v, 2) + " s"
	case v < 99.95:
		return decimals(v, 1) + " s"
	case v < 600:
		return decimals(v, 0) + " s"
	case v < 7200:
		return decimals(v/60, 1) + " min"
	}
	return decimals(v/3600, 1) + " h"
}

// si formats v with three digits and a prefix: 9.84 Mbit/s.
func si(v float64, unit string) string {
	prefixes := []string{"", "k", "M", "G", "T"}
	for v >= 999.5 && len(prefixes) > 1 {
		v /= 1000
		prefixes = prefixes[1:]
	}
	places := 0
	if v < 9.995 {
		places = 2
	} else if v < 99.95 {
		places = 1
	}
	return decimals(v, places) + " " + prefixes[0] + unit
}

func bitRate(v float64) string { return si(v, "bit/s") }

// mebibytes formats a number of bytes: 24.0 MiB.
func mebibytes(v uint64) string { return decimals(float64(v)/(1<<20), 1) + " MiB" }

// count formats n with a comma between every three digits: 1,000,000.
func count(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// decimals formats v with so many places, or as a dash if it is not a number.
func decimals(v float64, places int) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "–"
	}
	return strconv.FormatFloat(v, 'f', places, 64)
}

// trim cuts zeros at the end of a fraction.
func trim(s string) string {
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// pow10 returns 10 to the power of n, the number nearest to it if n < 0.
func pow10(n int) float64 {
	p, _ := strconv.ParseFloat("1e"+strconv.Itoa(n), 64)
	return p
}

// clean replaces what does not print, lest it move a cursor or turn the
// direction of a text.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, s)
}
