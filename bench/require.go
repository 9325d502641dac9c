// SPDX-License-Identifier: GPL-2.0-or-later

package bench

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"iotupd/internal/quantity"
)

// RequirementForms has examples of what [ParseRequirement] reads.
const RequirementForms = "p99<=1.05 | mean<1.02 | p50, p90, slowest, received | completed>=100% | overhead<1% | time<=10m"

// ErrRequirement is wrapped by every error about a [Requirement].
var ErrRequirement = errors.New("bench: requirement")

// A Requirement bounds a figure of every row.
type Requirement struct {
	text  string
	name  string
	of    func(Row) float64
	met   func(got, bound float64) bool
	bound float64
}

// few are the figures that too few receivers leave without an interval at one
// side, and how many give one with room to spare: 0.99^368 is 2.5 %.
var few = map[string]struct {
	quantile float64
	take     int
	of       func(Row) Estimate
}{
	"p50": {0.5, 10, func(r Row) Estimate { return r.Sent.P50 }},
	"p90": {0.9, 40, func(r Row) Estimate { return r.Sent.P90 }},
	"p99": {0.99, 400, func(r Row) Estimate { return r.Sent.P99 }},
}

// requirable are the figures, how they are read, and where they stand.
var requirable = []struct {
	name  string
	parse func(string) (float64, error)
	of    func(Row) float64
}{
	{"mean", parseNumber, func(r Row) float64 { return r.Sent.Mean.Value }},
	{"p50", parseNumber, func(r Row) float64 { return r.Sent.P50.Value }},
	{"p90", parseNumber, func(r Row) float64 { return r.Sent.P90.Value }},
	{"p99", parseNumber, func(r Row) float64 { return r.Sent.P99.Value }},
	{"slowest", parseNumber, func(r Row) float64 { return r.Sent.Slowest }},
	{"received", parseNumber, func(r Row) float64 { return r.Received.Mean.Value }},
	{"completed", parsePercent, func(r Row) float64 { return float64(r.Completed) / float64(r.Trials*r.Receivers) }},
	{"overhead", parsePercent, func(r Row) float64 { return r.Overhead }},
	{"time", parseSeconds, timeOfAll},
}

var relations = []struct {
	sign string
	met  func(got, bound float64) bool
}{ // the longer ones first
	{"<=", func(got, bound float64) bool { return got <= bound }},
	{">=", func(got, bound float64) bool { return got >= bound }},
	{"<", func(got, bound float64) bool { return got < bound }},
	{">", func(got, bound float64) bool { return got > bound }},
}

// ParseRequirement reads a figure, a relation and a bound:
//
//	p99<=1.05         packets sent / bound; also mean, p50, p90, slowest
//	received<1.1      packets received / K, mean
//	completed>=100%   receivers of all that completed
//	overhead<1%       manifests / other packets
//	time<=10m         until all receivers of a trial were done, mean
func ParseRequirement(s string) (Requirement, error) {
	for _, rel := range relations {
		name, value, ok := strings.Cut(s, rel.sign)
		if !ok {
			continue
		}
		for _, f := range requirable {
			if f.name != strings.TrimSpace(name) {
				continue
			}
			bound, err := f.parse(strings.TrimSpace(value))
			if err != nil {
				return Requirement{}, fmt.Errorf("%w %.60q: %w", ErrRequirement, s, err)
			}
			return Requirement{text: s, name: f.name, of: f.of, met: rel.met, bound: bound}, nil
		}
	}
	return Requirement{}, fmt.Errorf("%w %.60q: wants a figure, a relation and a bound: %s", ErrRequirement, s, RequirementForms)
}

// String returns the text that ParseRequirement was given.
func (q Requirement) String() string { return q.text }

// Value returns the figure of a row that q bounds.
func (q Requirement) Value(r Row) float64 { return q.of(r) }

// Met reports whether a row keeps q. It compares the figure and ignores its
// confidence interval.
func (q Requirement) Met(r Row) bool { return q.met(q.of(r), q.bound) }

// Check returns an error that names the rows of r that do not keep q. A result
// without rows does not.
func (q Requirement) Check(r Result) error {
	if len(r.Rows) == 0 {
		return fmt.Errorf("%w %s: there is no row to check", ErrRequirement, q)
	}
	var missed []string
	for _, row := range r.Rows {
		if q.Met(row) {
			continue
		}
		name := row.Scheme
		if r.Parameter != "" {
			name += fmt.Sprintf(" at %s=%s", r.Parameter, row.X)
		}
		missed = append(missed, fmt.Sprintf("%s: %v", name, q.Value(row)))
	}
	if missed == nil {
		return nil
	}
	const most = 3
	n := len(missed)
	if n > most {
		missed = append(slices.Clip(missed[:most]), "...")
	}
	return fmt.Errorf("%w %s: not met by %d of %d rows: %s", ErrRequirement, q, n, len(r.Rows), strings.Join(missed, "; "))
}

// Caution says of the first row of r where that is so why the figure that q
// bounds may as well break the bound: its interval has no end at that side. It
// is empty if all is well.
func (q Requirement) Caution(r Result) string {
	f, ok := few[q.name]
	if !ok {
		return ""
	}
	upper := q.met(0, 1) // or else it bounds from below
	for _, row := range r.Rows {
		e, n := f.of(row), row.Sent.N
		if e.Value == never || upper && e.High < never || !upper && e.Low > 0 {
			continue
		}
		why := "has no bound of confidence"
		if int(math.Ceil(f.quantile*float64(n))) == n {
			why = "is just the slowest"
		}
		advice := fmt.Sprintf("take --receivers %d", f.take)
		if r.Mode == string(Net) {
			advice = fmt.Sprintf("take more --trials, for %d receivers in all", f.take)
		}
		return fmt.Sprintf("%s: %s of %d receivers %s; %s", q, q.name, n, why, advice)
	}
	return ""
}

// timeOfAll is never less than a bound if not all were done.
func timeOfAll(r Row) float64 {
	if r.Times.All == 0 {
		return never
	}
	return r.Times.All
}

func parseNumber(s string) (float64, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !(v >= 0 && v < never) {
		return 0, fmt.Errorf("wants a number, as in 1.05, not %.40q", s)
	}
	return v, nil
}

func parsePercent(s string) (float64, error) {
	p, err := quantity.ParsePercent(s)
	return float64(p) / float64(quantity.Whole), err
}

func parseSeconds(s string) (float64, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("wants a time, as in 90s or 10m, not %.40q", s)
	}
	return d.Seconds(), nil
}
